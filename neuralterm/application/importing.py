"""Taking in what was said through another program, as often as wished and without doubling it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID, uuid5

from neuralterm.application.ports import ConversationRepository
from neuralterm.application.sending import title_of
from neuralterm.domain.model_ids import DEFAULT_MODEL
from neuralterm.domain.models import Conversation, CostSource, Message, MessageRole, TokenUsage
from neuralterm.domain.record import record
from neuralterm.domain.text import one_line

# What is derived from ids of other programs: the same ones every time.
_IDS = UUID("5f0b7f5c-8d0f-4e0e-9a34-0b9d2f6f9a11")
_LONGEST_TITLE = 200
# So many messages are stored in one step.
_BATCH = 500
# The place of an answer in an exchange, which always has one.
_ANSWER = "answer"


@record
class Exchange:
    """One call that another program made: what was said to the model, oldest first, and what it answered.

    `id` is the program's own and never changes; `system` is the system prompt, `at` when it was asked (None: nobody knows),
    `attachments` how many the inputs name, whose contents are not here.
    """

    id: str
    model: str
    inputs: Sequence[tuple[MessageRole, str]]
    answer: str
    system: str = ""
    reasoning: str | None = None
    usage: TokenUsage | None = None
    duration_ms: int | None = None
    at: datetime | None = None
    attachments: int = 0


@record
class ForeignConversation:
    """What belongs together, oldest first; `id` is the program's own and never changes."""

    id: str
    name: str
    exchanges: Sequence[Exchange]


class ForeignHistory(Protocol):
    """What another program has kept. `name` is the program's, `size` how many exchanges there are."""

    name: str
    size: int

    def conversations(self) -> Iterator[ForeignConversation]:
        """Yield all there is. Raises `StorageError` for what can't be read."""


@record(frozen=False)
class ImportReport:
    """How many conversations are new or have gone on, how many messages are new, and how many were there already.

    `attachments` is how many the new messages name, whose contents stay where they are.
    """

    conversations: int = 0
    messages: int = 0
    already: int = 0
    attachments: int = 0


def import_history(
    repository: ConversationRepository,
    history: ForeignHistory,
    *,
    now: datetime,
    dry_run: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> ImportReport:
    """Store what is not there yet of another program's history, tagged `imported:` and its name; return what that was.

    With `dry_run` nothing is written. A conversation that was imported before and went on since gets what is new; one that
    is in the trash stays there as it is. Nothing of it counts as money: it was not spent here, and what it cost is not known.
    `on_progress` is told how many exchanges have been looked at, and how many there are.
    """
    report, done = ImportReport(), 0
    for batch in _batches(_translated(each, history.name, now) for each in history.conversations()):
        if dry_run:
            for each in batch:
                _take(repository, each, report, dry_run=True)
        else:
            with repository.transaction():
                for each in batch:
                    _take(repository, each, report, dry_run=False)
        done += sum(each.exchanges for each in batch)
        on_progress(done, history.size)
    return report


@record
class _Translated:
    """A conversation and its messages as they are stored, how many exchanges they come from, and how many attachments
    the exchanges name that end with these messages."""

    conversation: Conversation
    messages: list[Message]
    exchanges: int
    attachments: dict[UUID, int]


def _batches(translated: Iterable[_Translated]) -> Iterator[list[_Translated]]:
    batch: list[_Translated] = []
    count = 0
    for each in translated:
        batch.append(each)
        count += len(each.messages)
        if count >= _BATCH:
            yield batch
            batch, count = [], 0
    if batch:
        yield batch


def _take(repository: ConversationRepository, found: _Translated, report: ImportReport, *, dry_run: bool) -> None:
    """Store a conversation as far as it is new, and count."""
    conversation, messages = found.conversation, found.messages
    kept = repository.get_by_id(conversation.id)
    if kept is None and repository.find_by_prefix(str(conversation.id), deleted=True):
        report.already += len(messages)
        return
    known = {each.id for each in repository.get_messages(conversation.id, withdrawn=True)} if kept else set()
    fresh = [message for message in messages if message.id not in known]
    report.already += len(messages) - len(fresh)
    report.messages += len(fresh)
    report.conversations += bool(fresh)
    report.attachments += sum(found.attachments.get(message.id, 0) for message in fresh)
    if dry_run or not fresh:
        return
    if kept is None:
        repository.save(conversation)
    else:
        kept.total_tokens += sum(message.token_usage.total_tokens for message in fresh if message.token_usage)
        repository.save(kept)
    for message in fresh:
        repository.add_message(message)


def _translated(foreign: ForeignConversation, program: str, now: datetime) -> _Translated:
    """Return a conversation as it is stored."""
    identity = uuid5(_IDS, f"{program}/{foreign.id}")
    messages = list(_messages_of(foreign, identity, now))
    first_question = next((each.content for each in messages if each.role is MessageRole.USER and each.content), "")
    conversation = Conversation(
        id=identity,
        title=one_line(foreign.name)[:_LONGEST_TITLE] or title_of(first_question) or None,
        model_id=(messages[-1].model_id if messages else None) or DEFAULT_MODEL,
        created_at=messages[0].created_at if messages else now,
        updated_at=messages[-1].created_at if messages else now,
        total_tokens=sum(message.token_usage.total_tokens for message in messages if message.token_usage),
        tags=(f"imported:{program}",),
    )
    attachments = {_id_of(identity, each, _ANSWER): each.attachments for each in foreign.exchanges if each.attachments}
    return _Translated(conversation, messages, len(foreign.exchanges), attachments)


def _messages_of(foreign: ForeignConversation, identity: UUID, now: datetime) -> Iterator[Message]:
    system, at = "", next((each.at for each in foreign.exchanges if each.at is not None), now)
    for exchange in {each.id: each for each in foreign.exchanges}.values():
        # What a clock that was wrong has put into the future would be the last conversation for long.
        at = min(exchange.at or at, now)
        if exchange.system.strip() and exchange.system != system:
            system = exchange.system
            yield _message(identity, exchange, at, "system", MessageRole.SYSTEM, system)
        said = [(role, text) for role, text in exchange.inputs if text.strip()] or [(MessageRole.USER, "")]
        # Counted from the end: a call tells what it was asked last, and may tell what came before.
        for number, (role, text) in enumerate(said):
            yield _message(identity, exchange, at, f"input{len(said) - number}", role, text)
        answer = _message(identity, exchange, at, _ANSWER, MessageRole.ASSISTANT, exchange.answer)
        answer.model_id, answer.reasoning = exchange.model or None, exchange.reasoning
        answer.token_usage, answer.latency_ms = exchange.usage, exchange.duration_ms
        answer.cost_source = CostSource.UNSETTLED
        yield answer


def _message(
    conversation_id: UUID, exchange: Exchange, at: datetime, place: str, role: MessageRole, content: str
) -> Message:
    """Return what stands at a place in an exchange, under the id that it has every time."""
    identity = _id_of(conversation_id, exchange, place)
    return Message(id=identity, conversation_id=conversation_id, role=role, content=content, created_at=at)


def _id_of(conversation_id: UUID, exchange: Exchange, place: str) -> UUID:
    return uuid5(conversation_id, f"{exchange.id}/{place}")
