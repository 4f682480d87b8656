"""What the use cases hand in and out, apart from conversations and messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from neuralterm.domain.models import Conversation, Cost, MessageStatus, TokenUsage
from neuralterm.domain.money import EXACT
from neuralterm.domain.record import field, record, replace
from neuralterm.domain.zones import utc_now


@record
class SendOptions:
    """How one prompt is to be sent.

    `model` None is the conversation's own. `system_prompt` joins the conversation where it differs from the last one there.
    `max_tokens` is the user's own output cap; `fallbacks` are models that the service may use instead; `extra` are further
    fields of the request body. `retry_for`: seconds during which a request that failed before its first delta is tried
    again; 0 tries once. `budget_wait`: seconds to wait for money that other running calls hold. `resumes` is the answer that
    is asked to go on, which must still be the last one of its conversation. `replaces` is the question, the last one there,
    that is withdrawn with all that followed it once this one may be sent. With `tells_prompt_tokens`, the prompt of a call
    that a budget counts is counted in any case, for whoever listens to `message.started`.
    """

    max_tokens: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    fallbacks: tuple[str, ...] = ()
    stream: bool = True
    model: str | None = None
    system_prompt: str | None = None
    tags: tuple[str, ...] = ()
    run_id: str | None = None
    retry_for: float = 0.0
    budget_wait: float = 0.0
    resumes: UUID | None = None
    replaces: UUID | None = None
    tells_prompt_tokens: bool = False


@record(frozen=False)
class Call:
    """One request to the service: a row of the ledger.

    Opened before the request with an unsettled cost bounded by `cost.at_most_usd`, settled afterwards. Survives the
    deletion of its conversation. `service` is the base URL of the server; `owner` the process that runs the call (see
    `ports.Processes`), None once it has ended.
    """

    requested_model: str
    cost: Cost
    id: UUID = field(default_factory=uuid4)
    conversation_id: UUID | None = None
    message_id: UUID | None = None
    run_id: str | None = None
    generation_id: str | None = None
    model: str | None = None
    provider: str | None = None
    status: MessageStatus = MessageStatus.PENDING
    usage: TokenUsage | None = None
    finish_reason: str | None = None
    error_code: str | None = None
    latency_ms: int | None = None
    first_token_ms: int | None = None
    tags: tuple[str, ...] = ()
    started_at: datetime = field(default_factory=utc_now)
    service: str | None = None
    owner: str | None = None

    def cleaned(self, clean: Callable[[str], str]) -> Call:
        """Return the call with `clean` applied to what users and services write as they like.

        The service's address is not among that: calls are found by it.
        """
        texts: dict[str, Any] = {name: clean(text) for name in _FREE_TEXTS if (text := getattr(self, name))}
        return replace(self, tags=tuple(map(clean, self.tags)), **texts)


_FREE_TEXTS = ("run_id", "generation_id", "requested_model", "model", "provider", "finish_reason", "error_code")


@record
class Answer:
    """An answer with all that is known of it, complete or not. Latencies are in ms."""

    message_id: UUID
    conversation_id: UUID
    requested_model: str
    model: str
    content: str
    status: MessageStatus
    cost: Cost
    created_at: datetime
    reasoning: str | None = None
    refusal: str | None = None
    run_id: str | None = None
    generation_id: str | None = None
    provider: str | None = None
    finish_reason: str | None = None
    usage: TokenUsage | None = None
    latency_ms: int | None = None
    first_token_ms: int | None = None
    tags: tuple[str, ...] = ()


@record
class ConversationSummary:
    """A line of the history list. `status` is that of the last message; `unsettled` counts answers of unknown cost."""

    conversation: Conversation
    message_count: int
    preview: str
    status: MessageStatus
    unsettled: int = 0


@record
class HistoryFilter:
    """Which conversations: at most `limit` (None: all), changed in [since, until), with a tag, with an unfinished answer.

    `model` is a pattern, which has to match the conversation's model or that of one of its answers; `min_cost` is in USD and
    compared with what is known. Those in the trash are apart: with `deleted` there are only those, without none of them.
    """

    limit: int | None = 20
    since: datetime | None = None
    tag: str | None = None
    partial_only: bool = False
    until: datetime | None = None
    model: str | None = None
    min_cost: Decimal | None = None
    deleted: bool = False


@record
class CallFilter:
    """Which calls of the ledger: started in [since, until), with this tag, of this run, conversation, provider, model.

    `model` is a pattern (`*`, `?` and `[...]` as in a shell, case ignored); the model asked for or the one that served
    must match it.
    """

    since: datetime | None = None
    until: datetime | None = None
    tag: str | None = None
    run: str | None = None
    model: str | None = None
    provider: str | None = None
    conversation: UUID | None = None


@record
class CallTotals:
    """Sums over calls with the same keys, one for each grouping. Amounts in USD, exact.

    `by_source` has the known amounts (billed, reconciled, computed, estimated) of every source that has calls;
    `unsettled_calls` are not in it; they cost at most `unsettled_at_most_usd` (None: at least one of them has no bound).
    """

    keys: tuple[str, ...] = ()
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    by_source: Mapping[str, Decimal] = field(default_factory=dict)
    unsettled_calls: int = 0
    unsettled_at_most_usd: Decimal | None = Decimal(0)
    upstream_usd: Decimal = Decimal(0)


@record
class Committed:
    """What calls use of a budget, in USD, provider charges to the user's own keys included.

    `spent_usd` are the known amounts, estimates among them; `reserved_usd` is kept back besides, up to the upper bounds of
    estimated and unsettled calls.
    """

    spent_usd: Decimal = Decimal(0)
    reserved_usd: Decimal = Decimal(0)

    @property
    def usd(self) -> Decimal:
        """All of it."""
        return EXACT.add(self.spent_usd, self.reserved_usd)


@record
class Uncertain:
    """Calls whose charge is not known for certain, and what they may have been charged in USD (None: no bound is known)."""

    calls: int = 0
    at_most_usd: Decimal | None = Decimal(0)

    def plus(self, other: Uncertain) -> Uncertain:
        """Return both together."""
        bounds = (self.at_most_usd, other.at_most_usd)
        known = [bound for bound in bounds if bound is not None]
        at_most = EXACT.add(*known) if len(known) == len(bounds) else None
        return Uncertain(self.calls + other.calls, at_most)


@record
class ServiceCharges:
    """What the ledger holds of one service, in USD, provider charges to the user's own keys left out.

    `confirmed_usd` is what the service named itself, at once or when asked later; `computed_usd` are its token counts at
    list prices. `askable` can still be asked for, `unaskable` not: there is no generation id. `unassigned` are certain
    amounts of calls that an older version wrote down without their service.
    """

    confirmed_usd: Decimal = Decimal(0)
    computed_usd: Decimal = Decimal(0)
    running: Uncertain = Uncertain()
    askable: Uncertain = Uncertain()
    unaskable: Uncertain = Uncertain()
    unassigned: Uncertain = Uncertain()

    @property
    def uncertain(self) -> Uncertain:
        """All that has no certain amount here, or is not certain to be this service's."""
        return self.running.plus(self.askable).plus(self.unaskable).plus(self.unassigned)


@record
class GenerationReport:
    """What the service says of a generation afterwards. Amounts in USD; token counts are the model's own."""

    generation_id: str
    cost: Decimal
    upstream_cost: Decimal | None = None
    model: str | None = None
    provider: str | None = None
    usage: TokenUsage | None = None
    finish_reason: str | None = None


@record
class KeyReport:
    """What the service says of the key. Amounts in USD, periods by UTC, weeks from Monday; None where it says nothing.

    `limit_usd` is the key's own limit (None: it has none), not the balance of the account.
    """

    usage_usd: Decimal | None = None
    usage_daily_usd: Decimal | None = None
    usage_weekly_usd: Decimal | None = None
    usage_monthly_usd: Decimal | None = None
    limit_usd: Decimal | None = None
    limit_remaining_usd: Decimal | None = None
    limit_reset: str | None = None
