"""What is known of running answers, apart from the database."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from neuralterm.application.records import Call
from neuralterm.domain.models import Conversation, Message
from neuralterm.domain.record import record, replace


@record
class Unsaved:
    """What the database should have taken at the end of an answer: the call, and the messages, the answer last."""

    call: Call
    messages: Sequence[Message]


@record
class JournalEntry:
    """What the journal holds of one answer.

    `call` is the request that was opened last, as it was opened; `generation_id` the service's id of what it began. `unsaved`
    is there once the answer has ended and the database did not take it.
    """

    message_id: UUID
    call: Call
    conversation: Conversation
    text: str = ""
    reasoning: str | None = None
    generation_id: str | None = None
    unsaved: Unsaved | None = None


class MemoryJournal:
    """A journal for storage that lives in memory itself."""

    def __init__(self) -> None:
        self._entries: dict[UUID, JournalEntry] = {}

    def open(self, message_id: UUID, call: Call, conversation: Conversation) -> None:
        """Begin the entry of an answer, or note the next request for it."""
        self._entries[message_id] = JournalEntry(message_id, replace(call), replace(conversation))

    def append(self, message_id: UUID, text: str = "", reasoning: str = "") -> None:
        """Add what has come."""
        entry = self._entries[message_id]
        whole = (entry.reasoning or "") + reasoning or None
        self._entries[message_id] = replace(entry, text=entry.text + text, reasoning=whole)

    def note_generation(self, message_id: UUID, generation_id: str) -> None:
        """Remember the service's id of the answer."""
        self._entries[message_id] = replace(self._entries[message_id], generation_id=generation_id)

    def keep(self, message_id: UUID, unsaved: Unsaved) -> None:
        """Keep the end of an answer that the database did not take."""
        self._entries[message_id] = replace(self._entries[message_id], unsaved=unsaved)

    def close(self, message_id: UUID) -> None:
        """Forget the entry: the database has all of it."""
        self._entries.pop(message_id, None)

    def left(self) -> list[UUID]:
        """Return the answers that have an entry."""
        return list(self._entries)

    def read(self, message_id: UUID) -> JournalEntry | None:
        """Return the entry of an answer; None when there is none."""
        return self._entries.get(message_id)
