"""The storage ports in memory. Times are kept to the millisecond, amounts as they come."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from uuid import UUID

from neuralterm.application.journal import MemoryJournal
from neuralterm.application.records import (
    Call,
    CallFilter,
    CallTotals,
    Committed,
    ConversationSummary,
    HistoryFilter,
    ServiceCharges,
    Uncertain,
)
from neuralterm.application.search import SearchFilter, SearchHit
from neuralterm.application.what_if import Steps, UsageSums
from neuralterm.domain.budget import matches
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.exceptions import MissingRecordError, StorageError, ValidationError
from neuralterm.domain.models import (
    CERTAIN_SOURCES,
    Conversation,
    Cost,
    CostSource,
    Message,
    MessageRole,
    MessageStatus,
    TokenUsage,
    is_unsettled,
)
from neuralterm.domain.pricing import ChargedTokens

_UNFINISHED = {
    MessageStatus.PENDING,
    MessageStatus.TRUNCATED,
    MessageStatus.CUT,
    MessageStatus.INTERRUPTED,
    MessageStatus.STOPPED,
}


@dataclass
class Tables:
    conversations: dict[UUID, Conversation] = field(default_factory=dict)
    messages: dict[UUID, Message] = field(default_factory=dict)
    calls: dict[UUID, Call] = field(default_factory=dict)
    models: list[OpenRouterModel] | None = None
    fetched_at: datetime | None = None


class MemoryStore:
    """What a database file is to the adapters: fakes that share one share its transactions."""

    def __init__(self) -> None:
        self.tables = Tables()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        before = copy.deepcopy(self.tables)
        try:
            yield
        except BaseException:
            self.tables = before
            raise


class InMemoryConversationRepository:
    def __init__(self, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore()
        self.journal = MemoryJournal()
        self.patiences: list[float] = []

    def patience(self, seconds: float):
        self.patiences.append(seconds)
        return nullcontext()

    def transaction(self):
        return self.store.transaction()

    def save(self, conversation: Conversation) -> None:
        kept = replace(
            conversation,
            created_at=_to_millisecond(conversation.created_at),
            updated_at=_to_millisecond(conversation.updated_at),
            tags=tuple(dict.fromkeys(conversation.tags)),
        )
        before = self.store.tables.conversations.get(conversation.id)
        if before is not None:
            kept.created_at = before.created_at
            kept.updated_at = max(before.updated_at, kept.updated_at)
            kept.total_cost = max(before.total_cost, kept.total_cost)
            kept.total_tokens = max(before.total_tokens, kept.total_tokens)
            kept.forked_from = before.forked_from
        kept.deleted_at = before.deleted_at if before is not None else None
        self.store.tables.conversations[conversation.id] = kept

    def get_by_id(self, conversation_id: UUID) -> Conversation | None:
        found = self.store.tables.conversations.get(conversation_id)
        return None if found is None or found.deleted_at is not None else copy.deepcopy(found)

    def get_messages(self, conversation_id: UUID, *, withdrawn: bool = False) -> list[Message]:
        found = copy.deepcopy(self._messages_of(conversation_id))
        found = [each for each in found if withdrawn or each.withdrawn_at is None]
        for message in found:
            entry = self.journal.read(message.id) if message.status is MessageStatus.PENDING else None
            if entry is not None:
                message.content, message.reasoning = entry.text, entry.reasoning
        return found

    def add_message(self, message: Message) -> None:
        tables = self.store.tables
        if message.conversation_id not in tables.conversations:
            raise StorageError("the conversation does not exist")
        if message.id in tables.messages:
            raise StorageError("the message is there already")
        kept = copy.deepcopy(message)
        kept.created_at = _to_millisecond(message.created_at)
        kept.withdrawn_at = None
        tables.messages[message.id] = kept
        self._touch(kept.conversation_id, kept.created_at)

    def finish_message(self, message: Message) -> None:
        tables = self.store.tables
        before = tables.messages.get(message.id)
        if before is None:
            raise MissingRecordError("the message does not exist")
        kept = replace(
            copy.deepcopy(message),
            created_at=before.created_at,
            conversation_id=before.conversation_id,
            withdrawn_at=before.withdrawn_at,
        )
        tables.messages[message.id] = kept
        conversation = tables.conversations[kept.conversation_id]
        conversation.total_cost += (message.cost or Decimal(0)) - (before.cost or Decimal(0))
        conversation.total_tokens += _tokens(message) - _tokens(before)
        finished_at = _to_millisecond(message.created_at) + timedelta(milliseconds=message.latency_ms or 0)
        self._touch(kept.conversation_id, finished_at)

    def price_message(self, message_id: UUID, cost: Cost, usage: TokenUsage | None) -> bool:
        tables = self.store.tables
        message = tables.messages.get(message_id)
        if message is None or message.status is MessageStatus.PENDING:
            return False
        priced = replace(message, cost=cost.usd, cost_source=cost.source, token_usage=usage or message.token_usage)
        tables.messages[message_id] = priced
        conversation = tables.conversations[message.conversation_id]
        conversation.total_cost += (priced.cost or Decimal(0)) - (message.cost or Decimal(0))
        conversation.total_tokens += _tokens(priced) - _tokens(message)
        return True

    def abandon_message(self, message_id: UUID, text: str = "", reasoning: str | None = None) -> bool:
        tables = self.store.tables
        message = tables.messages.get(message_id)
        if message is None or message.status is not MessageStatus.PENDING:
            return False
        message.content += text
        message.reasoning = reasoning
        message.status = MessageStatus.INTERRUPTED
        if message.cost is None:
            message.cost_source = CostSource.UNSETTLED
        return True

    def withdraw(self, message_ids: Sequence[UUID], at: datetime) -> None:
        for message_id in message_ids:
            message = self.store.tables.messages.get(message_id)
            if message is not None and message.withdrawn_at is None:
                message.withdrawn_at = _to_millisecond(at)

    def trash(self, conversation_id: UUID, at: datetime) -> bool:
        conversation = self.store.tables.conversations.get(conversation_id)
        if conversation is None or conversation.deleted_at is not None:
            return False
        conversation.deleted_at = _to_millisecond(at)
        return True

    def restore(self, conversation_id: UUID) -> bool:
        conversation = self.store.tables.conversations.get(conversation_id)
        if conversation is None or conversation.deleted_at is None:
            return False
        conversation.deleted_at = None
        return True

    def purge(self, before: datetime) -> int:
        expired = [each.id for each in self._by_change(deleted=True) if each.deleted_at < _to_millisecond(before)]
        return sum(map(self.delete, expired))

    def delete(self, conversation_id: UUID) -> bool:
        tables = self.store.tables
        for message in self._messages_of(conversation_id):
            del tables.messages[message.id]
        return tables.conversations.pop(conversation_id, None) is not None

    def latest(self) -> Conversation | None:
        return next(iter(self._by_change()), None)

    def find_by_prefix(self, prefix: str, *, deleted: bool = False) -> list[Conversation]:
        digits = prefix.replace("-", "").lower()
        found = [each for each in self._by_change(deleted=deleted) if digits and each.id.hex.startswith(digits)]
        return sorted(found, key=lambda each: each.id.hex)[:3]

    def summaries(self, filter: HistoryFilter) -> list[ConversationSummary]:
        found = []
        for conversation in self._by_change(deleted=filter.deleted):
            messages = self._messages_of(conversation.id)
            questions = [each.content for each in messages if each.role is MessageRole.USER]
            answers = [each for each in messages if each.role is MessageRole.ASSISTANT and each.withdrawn_at is None]
            came = [each for each in answers if each.status is not MessageStatus.FAILED]
            unfinished = bool(came) and came[-1].status in _UNFINISHED
            if (
                questions
                and (filter.since is None or conversation.updated_at >= filter.since)
                and (filter.until is None or conversation.updated_at < filter.until)
                and (filter.tag is None or filter.tag in conversation.tags)
                and (filter.min_cost is None or conversation.total_cost >= filter.min_cost)
                and _is_of_model(filter.model, [conversation.model_id, *(each.model_id for each in messages)])
                and (unfinished or not filter.partial_only)
            ):
                preview = " ".join(questions[0].split())[:100]
                unsettled = sum(is_unsettled(each) for each in messages)
                live = [each.status for each in messages if each.withdrawn_at is None]
                status = live[-1] if live else MessageStatus.COMPLETE
                found.append(ConversationSummary(conversation, len(messages), preview, status, unsettled))
        return found if filter.limit is None else found[: filter.limit]

    def search(self, query: str, limit: int, filter: SearchFilter | None = None) -> list[SearchHit]:
        words = query.lower().split()
        hits = [
            self._hit(message, words)
            for message in reversed(self.store.tables.messages.values())
            if words
            and self._is_within(message, filter or SearchFilter())
            and message.status is not MessageStatus.PENDING
            and all(word in message.content.lower() for word in words)
        ]
        return hits[:limit]

    def _is_within(self, message: Message, filter: SearchFilter) -> bool:
        conversation = self.store.tables.conversations[message.conversation_id]
        return (
            conversation.deleted_at is None
            and (filter.since is None or message.created_at >= filter.since)
            and (filter.until is None or message.created_at < filter.until)
            and (filter.tag is None or filter.tag in conversation.tags)
            and _is_of_model(filter.model, [message.model_id or conversation.model_id])
        )

    def _hit(self, message: Message, words: list[str]) -> SearchHit:
        snippet = message.content
        for word in words:
            position = snippet.lower().find(word)
            found = snippet[position : position + len(word)]
            snippet = snippet.replace(found, f"[{found}]")
        conversation = self.store.tables.conversations[message.conversation_id]
        return SearchHit(
            conversation.id, message.id, message.role.value, snippet, conversation.title, message.created_at
        )

    def _messages_of(self, conversation_id: UUID) -> list[Message]:
        return [each for each in self.store.tables.messages.values() if each.conversation_id == conversation_id]

    def _by_change(self, *, deleted: bool = False) -> list[Conversation]:
        newest_first = copy.deepcopy(list(reversed(self.store.tables.conversations.values())))
        newest_first = [each for each in newest_first if (each.deleted_at is not None) == deleted]
        return sorted(newest_first, key=lambda each: each.updated_at, reverse=True)

    def _touch(self, conversation_id: UUID, moment: datetime) -> None:
        conversation = self.store.tables.conversations[conversation_id]
        conversation.updated_at = max(conversation.updated_at, moment)


class InMemoryLedger:
    def __init__(self, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore()

    @property
    def calls(self) -> list[Call]:
        """All calls in the order of their opening, for tests to look at."""
        return list(self.store.tables.calls.values())

    def transaction(self):
        return self.store.transaction()

    def open_call(self, call: Call) -> None:
        if call.id in self.store.tables.calls:
            raise StorageError("the call is there already")
        self.store.tables.calls[call.id] = copy.deepcopy(call)

    def settle_call(self, call: Call) -> None:
        before = self._opened(call.id)
        self.store.tables.calls[call.id] = replace(
            copy.deepcopy(call),
            tags=before.tags,
            generation_id=call.generation_id or before.generation_id,
            service=before.service or call.service,
            owner=None,
        )

    def find(self, call_id: UUID) -> Call | None:
        call = self.store.tables.calls.get(call_id)
        return None if call is None else _as_read(call)

    def committed(self, filter: CallFilter) -> Committed:
        counted = [call for call in self.calls if _counts(call, filter)]
        used = sum((_committed(call) for call in counted), start=Decimal(0))
        spent = sum((_known(call) for call in counted), start=Decimal(0))
        return Committed(spent, used - spent)

    def totals(self, filter: CallFilter, by: Sequence[str] = (), zone: tzinfo = UTC) -> list[CallTotals]:
        groups: dict[tuple[str, ...], list[Call]] = {} if by else {(): []}
        for name in by:
            if name not in _KEYS:
                raise ValidationError(f"calls can't be grouped by {name}")
        for call in self.calls:
            if _counts(call, filter):
                for keys in itertools.product(*(_KEYS[name](call, zone) for name in by)):
                    groups.setdefault(keys, []).append(call)
        return [_sum(keys, groups[keys]) for keys in sorted(groups)]

    def usage_sums(self, filter: CallFilter, steps: Steps) -> list[UsageSums]:
        """One sum for each call, in no order: sums of sums are the same."""
        return [_usage_of(call) for call in self.calls if _counts(call, filter)]

    def running(self) -> list[Call]:
        return [_as_read(call) for call in self.calls if _runs(call)]

    def to_reconcile(self, service: str, limit: int, *, computed: bool = False) -> list[Call]:
        sources = (CostSource.UNSETTLED, CostSource.ESTIMATED) + ((CostSource.COMPUTED,) if computed else ())
        found = [
            _as_read(call)
            for call in reversed(self.calls)
            if not _runs(call)
            and call.cost.source in sources
            and call.generation_id is not None
            and call.service in (None, service)
        ]
        return sorted(found, key=lambda call: call.started_at, reverse=True)[:limit]

    def calls_of(self, generation_id: str) -> list[Call]:
        return [_as_read(call) for call in self.calls if call.generation_id == generation_id]

    def charges_at(self, service: str, since: datetime | None = None) -> ServiceCharges:
        charges = ServiceCharges()
        for call in self.calls:
            if call.service in (None, service) and (since is None or call.started_at >= since):
                charges = _with(charges, call)
        return charges

    def _opened(self, call_id: UUID) -> Call:
        call = self.store.tables.calls.get(call_id)
        if call is None:
            raise MissingRecordError("the call does not exist")
        return call


class InMemoryModelCache:
    def __init__(self) -> None:
        self._kept: tuple[list[OpenRouterModel], datetime] | None = None

    def store(self, models: Sequence[OpenRouterModel], fetched_at: datetime) -> None:
        if any(model.declared_prices for model in models):
            raise ValueError("declared prices are no part of the service's list")
        first_of_each = {model.id: model for model in reversed(models)}
        kept = [model for model in models if first_of_each[model.id] is model]
        self._kept = copy.deepcopy(kept), _to_millisecond(fetched_at)

    def load(self) -> tuple[list[OpenRouterModel], datetime] | None:
        return copy.deepcopy(self._kept)

    def find(self, model_id: str) -> tuple[OpenRouterModel, datetime] | None:
        models, fetched_at = self._kept or ([], None)
        by_id = [model for model in models if model.id == model_id]
        by_slug = [model for model in models if model.canonical_slug == model_id]
        found = next(iter(by_id + by_slug), None)
        return None if found is None else (found, fetched_at)


def _to_millisecond(moment: datetime) -> datetime:
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _is_of_model(pattern: str | None, model_ids: Sequence[str | None]) -> bool:
    return pattern is None or any(model_id and matches(model_id, pattern) for model_id in model_ids)


def _tokens(message: Message) -> int:
    return message.token_usage.total_tokens if message.token_usage else 0


def _runs(call: Call) -> bool:
    return call.owner is not None or call.status is MessageStatus.PENDING


def _as_read(call: Call) -> Call:
    """What a row tells of a call: of its usage the counts, of its tags the set."""
    usage = call.usage and replace(call.usage, cost=None, upstream_cost=None, is_byok=False)
    return replace(copy.deepcopy(call), usage=usage, tags=tuple(sorted(set(call.tags))))


def _committed(call: Call) -> Decimal:
    cost = call.cost
    upstream = cost.upstream_usd or Decimal(0)
    if cost.source in CERTAIN_SOURCES:
        return (cost.usd or Decimal(0)) + upstream
    return max(cost.usd or Decimal(0), cost.at_most_usd or Decimal(0)) + upstream


def _known(call: Call) -> Decimal:
    return (call.cost.usd or Decimal(0)) + (call.cost.upstream_usd or Decimal(0))


def _counts(call: Call, filter: CallFilter) -> bool:
    failed_for_free = call.status is MessageStatus.FAILED and call.cost.usd == 0
    models = (call.requested_model, call.model or call.requested_model)
    return (
        not failed_for_free
        and (filter.since is None or call.started_at >= filter.since)
        and (filter.until is None or call.started_at < filter.until)
        and (filter.tag is None or filter.tag in call.tags)
        and (filter.run is None or filter.run == call.run_id)
        and (filter.conversation is None or filter.conversation == call.conversation_id)
        and (filter.provider is None or filter.provider.lower() == (call.provider or "").lower())
        and (filter.model is None or any(matches(model, filter.model) for model in models))
    )


def _usage_of(call: Call) -> UsageSums:
    usage, cost = call.usage, call.cost
    is_known = usage is not None and (usage.prompt_tokens or usage.completion_tokens or not cost.usd)
    return UsageSums(
        model=call.model or call.requested_model,
        source=cost.source.value,
        calls=1,
        tokens=ChargedTokens.of(usage) if is_known else None,
        paid_usd=None if cost.usd is None else cost.usd + (cost.upstream_usd or Decimal(0)),
        upstream_usd=cost.upstream_usd or Decimal(0),
        prompt_tokens=usage.prompt_tokens if usage else 0,
        moment=call.started_at,
    )


def _with(charges: ServiceCharges, call: Call) -> ServiceCharges:
    cost = call.cost
    if cost.source in (CostSource.BILLED, CostSource.RECONCILED) and call.service:
        return replace(charges, confirmed_usd=charges.confirmed_usd + cost.usd)
    if cost.source is CostSource.COMPUTED and call.service:
        return replace(charges, computed_usd=charges.computed_usd + cost.usd)
    if cost.source in CERTAIN_SOURCES:
        return replace(charges, unassigned=charges.unassigned.plus(Uncertain(1, cost.usd)))
    at_most = None if cost.at_most_usd is None else max(cost.at_most_usd, cost.usd or Decimal(0))
    name = "running" if _runs(call) else "askable" if call.generation_id is not None else "unaskable"
    return replace(charges, **{name: getattr(charges, name).plus(Uncertain(1, at_most))})


_KEYS: dict[str, Callable[[Call, tzinfo], Sequence[str]]] = {
    "day": lambda call, zone: [call.started_at.astimezone(zone).date().isoformat()],
    "model": lambda call, _: [call.model or call.requested_model],
    "provider": lambda call, _: [call.provider or ""],
    "conversation": lambda call, _: [str(call.conversation_id or "")],
    "tag": lambda call, _: sorted(set(call.tags)) or [""],
    "run": lambda call, _: [call.run_id or ""],
    "source": lambda call, _: [call.cost.source.value],
}


def _sum(keys: tuple[str, ...], calls: list[Call]) -> CallTotals:
    usages = [call.usage for call in calls if call.usage]
    unsettled = [call.cost for call in calls if call.cost.usd is None]
    by_source: dict[str, Decimal] = {}
    for call in calls:
        if call.cost.usd is not None:
            source = call.cost.source.value
            by_source[source] = by_source.get(source, Decimal(0)) + call.cost.usd
    bounds = [cost.at_most_usd for cost in unsettled]
    return CallTotals(
        keys=keys,
        calls=len(calls),
        prompt_tokens=sum(usage.prompt_tokens for usage in usages),
        completion_tokens=sum(usage.completion_tokens for usage in usages),
        reasoning_tokens=sum(usage.reasoning_tokens for usage in usages),
        cached_tokens=sum(usage.cached_tokens for usage in usages),
        by_source=by_source,
        unsettled_calls=len(unsettled),
        unsettled_at_most_usd=None if None in bounds else sum(bounds, start=Decimal(0)),
        upstream_usd=sum((call.cost.upstream_usd or Decimal(0) for call in calls), start=Decimal(0)),
    )
