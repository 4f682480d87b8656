"""Conversations that leave no text behind: the books are kept, what was said lives in memory until the process ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import UUID

from neuralterm.application.passing_on import PassingConversations, PassingJournal
from neuralterm.domain.exceptions import MissingRecordError, StorageError
from neuralterm.domain.models import Conversation, Cost, Message, MessageStatus, TokenUsage
from neuralterm.domain.money import EXACT
from neuralterm.domain.record import field, record, replace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from neuralterm.application.attachments import AttachmentStore
    from neuralterm.application.journal import Unsaved
    from neuralterm.application.ports import ConversationRepository, Journal
    from neuralterm.application.records import Call

_NOTHING = Decimal(0)


@record
class _Memory:
    conversations: dict[UUID, Conversation] = field(default_factory=dict)
    messages: dict[UUID, Message] = field(default_factory=dict)
    withdrawn: dict[UUID, datetime] = field(default_factory=dict)

    def copy(self) -> _Memory:
        # Entries are replaced and never changed, so that the dictionaries are all there is to copy.
        return _Memory(dict(self.conversations), dict(self.messages), dict(self.withdrawn))


class UnloggedConversations(PassingConversations):
    """A `ConversationRepository` that keeps what is written in memory and reads the rest from another.

    A conversation of the other may go on here, unchanged there. Transactions are those of the other, so that the ledger
    changes in the same step. What concerns only messages that are stored there (late prices, answers of dead processes)
    and deletions go there too. Lists and searches don't know what is in memory.
    """

    def __init__(self, kept: ConversationRepository) -> None:
        super().__init__(kept)
        self._memory = _Memory()

    @cached_property
    def journal(self) -> Journal:
        """The journal of the other, which keeps the calls and no text."""
        return UnloggedJournal(self._kept.journal)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all writes inside one atomic step, those in memory included. May be nested."""
        before = self._memory.copy()
        try:
            with self._kept.transaction():
                yield
        except BaseException:
            self._memory = before
            raise

    def save(self, conversation: Conversation) -> None:
        """Remember a conversation."""
        self._memory.conversations[conversation.id] = replace(conversation)

    def get_by_id(self, conversation_id: UUID) -> Conversation | None:
        """Return the conversation, from memory where it was changed here."""
        remembered = self._memory.conversations.get(conversation_id)
        return self._kept.get_by_id(conversation_id) if remembered is None else replace(remembered)

    def get_messages(self, conversation_id: UUID, *, withdrawn: bool = False) -> list[Message]:
        """Return what is stored of a conversation, then what was said here."""
        said = [replace(each) for each in self._memory.messages.values() if each.conversation_id == conversation_id]
        found = [*self._kept.get_messages(conversation_id, withdrawn=withdrawn), *said]
        if not self._memory.withdrawn:
            return found
        for message in found:
            message.withdrawn_at = message.withdrawn_at or self._memory.withdrawn.get(message.id)
        return [message for message in found if withdrawn or message.withdrawn_at is None]

    def withdraw(self, message_ids: Sequence[UUID], at: datetime) -> None:
        """Remember here what is withdrawn; what is stored stays as it is."""
        for message_id in message_ids:
            self._memory.withdrawn.setdefault(message_id, at)

    def add_message(self, message: Message) -> None:
        """Remember a message of a conversation that exists."""
        if message.conversation_id is None or self.get_by_id(message.conversation_id) is None:
            raise StorageError("a message without a conversation can't be kept")
        self._memory.messages[message.id] = replace(message)

    def finish_message(self, message: Message) -> None:
        """Replace a pending answer by its final state; adds cost and tokens to the conversation's totals in memory."""
        before = self._memory.messages.get(message.id)
        if before is None:
            raise MissingRecordError(f"there is no message {message.id} here")
        self._replace(before, replace(message, conversation_id=before.conversation_id))

    def price_message(self, message_id: UUID, cost: Cost, usage: TokenUsage | None) -> bool:
        """Replace the cost of a finished answer, here or where it is stored. False if gone."""
        before = self._memory.messages.get(message_id)
        if before is None:
            return self._kept.price_message(message_id, cost, usage)
        if before.status is MessageStatus.PENDING:
            return False
        usage = usage or before.token_usage
        self._replace(before, replace(before, cost=cost.usd, cost_source=cost.source, token_usage=usage))
        return True

    def abandon_message(self, message_id: UUID, text: str = "", reasoning: str | None = None) -> bool:
        """Call a stored answer interrupted; those in memory end with their process."""
        return message_id not in self._memory.messages and self._kept.abandon_message(message_id, text, reasoning)

    def delete(self, conversation_id: UUID) -> bool:
        """Forget a conversation, and delete what is stored of it."""
        was_here = self._memory.conversations.pop(conversation_id, None) is not None
        for message in [each for each in self._memory.messages.values() if each.conversation_id == conversation_id]:
            del self._memory.messages[message.id]
        return self._kept.delete(conversation_id) or was_here

    def _replace(self, before: Message, message: Message) -> None:
        self._memory.messages[message.id] = message
        assert before.conversation_id is not None
        conversation = self.get_by_id(before.conversation_id)
        if conversation is None:  # deleted meanwhile
            return
        more = EXACT.subtract(message.cost or _NOTHING, before.cost or _NOTHING)
        conversation.total_cost = EXACT.add(conversation.total_cost, more)
        conversation.total_tokens += _tokens(message) - _tokens(before)
        self.save(conversation)


def _tokens(message: Message) -> int:
    return 0 if message.token_usage is None else message.token_usage.total_tokens


class UnloggedJournal(PassingJournal):
    """A `Journal` that writes down calls through another, without what is said in them."""

    def open(self, message_id: UUID, call: Call, conversation: Conversation) -> None:
        """Begin the entry of an answer, or note the next request for it."""
        self._kept.open(message_id, call, replace(conversation, title=None))

    def append(self, message_id: UUID, text: str = "", reasoning: str = "") -> None:
        """Write nothing down."""

    def keep(self, message_id: UUID, unsaved: Unsaved) -> None:
        """Keep what the answer cost, if the database did not take it."""
        self._kept.keep(message_id, replace(unsaved, messages=()))


class UnloggedAttachments:
    """An `AttachmentStore` that keeps what is added in memory and reads the rest from another."""

    def __init__(self, kept: AttachmentStore) -> None:
        self._kept = kept
        self._contents: dict[str, bytes] = {}

    def add(self, sha256: str, content: bytes) -> None:
        """Remember a content."""
        self._contents[sha256] = content

    def content(self, sha256: str) -> bytes:
        """Return a content. Raises `StorageError` when it is nowhere."""
        remembered = self._contents.get(sha256)
        return self._kept.content(sha256) if remembered is None else remembered
