"""A repository and a journal that store what `redaction` leaves of what they are given."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING
from uuid import UUID

from neuralterm.application.passing_on import PassingConversations, PassingJournal
from neuralterm.application.redaction import CONTEXT, Redaction, redacted_call, redacted_conversation, redacted_message
from neuralterm.domain.record import record

if TYPE_CHECKING:
    from neuralterm.application.journal import Unsaved
    from neuralterm.application.ports import ConversationRepository, Journal
    from neuralterm.application.records import Call
    from neuralterm.domain.models import Conversation, Message


class RedactingConversations(PassingConversations):
    """A `ConversationRepository` that stores redacted copies through another; what it is given stays as it is."""

    def __init__(self, kept: ConversationRepository, redaction: Redaction) -> None:
        super().__init__(kept)
        self._redaction = redaction

    @cached_property
    def journal(self) -> Journal:
        """The journal of the other, for redacted text."""
        return RedactingJournal(self._kept.journal, self._redaction)

    def save(self, conversation: Conversation) -> None:
        """Insert or update a conversation, redacted."""
        self._kept.save(redacted_conversation(conversation, self._redaction))

    def add_message(self, message: Message) -> None:
        """Append a message, redacted."""
        self._kept.add_message(redacted_message(message, self._redaction))

    def finish_message(self, message: Message) -> None:
        """Replace a pending answer by its final state, redacted."""
        self._kept.finish_message(redacted_message(message, self._redaction))

    def abandon_message(self, message_id: UUID, text: str = "", reasoning: str | None = None) -> bool:
        """Give a pending answer what came of it, redacted. False if it is not pending."""
        redact = self._redaction.redact
        return self._kept.abandon_message(message_id, redact(text), reasoning and redact(reasoning))


@record
class _Passage:
    """A text on its way: what waits of it, and the end of what was let through."""

    held: str = ""
    before: str = ""

    def take(self, text: str, redaction: Redaction) -> tuple[str, _Passage]:
        """Return what can be written now, and what is left."""
        if not text and not self.held:
            return "", self
        safe, held = redaction.split(self.held + text, self.before)
        through = self.held + text
        return safe, _Passage(held, (self.before + through[: len(through) - len(held)])[-CONTEXT:])

    def end(self, redaction: Redaction) -> str:
        """Return the rest of it."""
        safe, held = redaction.split(self.held, self.before)
        return safe + redaction.redact(held)


_NOTHING = (_Passage(), _Passage())


class RedactingJournal(PassingJournal):
    """A `Journal` that writes redacted text through another. What may be the beginning of a secret waits here."""

    def __init__(self, kept: Journal, redaction: Redaction) -> None:
        super().__init__(kept)
        self._redaction = redaction
        self._under_way: dict[UUID, tuple[_Passage, _Passage]] = {}

    def open(self, message_id: UUID, call: Call, conversation: Conversation) -> None:
        """Begin the entry of an answer, or note the next request for it."""
        conversation = redacted_conversation(conversation, self._redaction)
        self._kept.open(message_id, redacted_call(call, self._redaction), conversation)

    def append(self, message_id: UUID, text: str = "", reasoning: str = "") -> None:
        """Add what has come, as far as it can't be the beginning of a secret."""
        said, thought = self._under_way.get(message_id, _NOTHING)
        safe_text, said = said.take(text, self._redaction)
        safe_reasoning, thought = thought.take(reasoning, self._redaction)
        if safe_text or safe_reasoning:
            self._kept.append(message_id, safe_text, safe_reasoning)
        # Only now: what could not be written is going to be given again.
        self._under_way[message_id] = said, thought

    def note_generation(self, message_id: UUID, generation_id: str) -> None:
        """Remember the service's id of the answer."""
        self._kept.note_generation(message_id, self._redaction.without_keys(generation_id))

    def keep(self, message_id: UUID, unsaved: Unsaved) -> None:
        """Keep the end of an answer that the database did not take, after the text that waited here."""
        from neuralterm.application.journal import Unsaved

        rests = [passage.end(self._redaction) for passage in self._under_way.get(message_id, _NOTHING)]
        if any(rests):
            self._kept.append(message_id, *rests)
        self._under_way.pop(message_id, None)
        messages = [redacted_message(message, self._redaction) for message in unsaved.messages]
        self._kept.keep(message_id, Unsaved(redacted_call(unsaved.call, self._redaction), messages))

    def close(self, message_id: UUID) -> None:
        """Forget the entry: the database has all of it."""
        self._under_way.pop(message_id, None)
        self._kept.close(message_id)
