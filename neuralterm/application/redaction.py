"""Secrets blotted out of what is stored: always the API key, and what further patterns find where they are switched on.

What is sent to the model and what is printed stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from neuralterm.application.context import ATTACHMENTS
from neuralterm.domain.models import Conversation, Cost, Message, TokenUsage
from neuralterm.domain.text import key_forms

if TYPE_CHECKING:
    from neuralterm.application.journal import JournalEntry, Unsaved
    from neuralterm.application.ports import ConversationRepository, Journal
    from neuralterm.application.records import Call, ConversationSummary, HistoryFilter, SearchHit

KEY_MARK = "[redacted: api key]"
_CUT_MARK = "…"
_TEXTS_OF_ATTACHMENTS = ("name", "url")


class Patterns(Protocol):
    """Finds secrets of other kinds."""

    def redact(self, text: str) -> str:
        """Return the text with every secret replaced by a mark that names its kind."""

    def held_from(self, text: str) -> int:
        """Return where the end of the text begins that may become a secret when more comes; its length if nothing may."""


class Redaction:
    """Blots secrets out. `keys` returns the API keys that are known now; `patterns` find secrets of other kinds."""

    def __init__(self, keys: Callable[[], Sequence[str]], patterns: Patterns | None = None) -> None:
        self._keys = keys
        self._patterns = patterns

    def without_keys(self, text: str) -> str:
        """Return the text without API keys."""
        for form in self._forms():
            if form in text:
                text = text.replace(form, KEY_MARK)
        return text

    def redact(self, text: str) -> str:
        """Return the text without secrets of any kind."""
        text = self.without_keys(text)
        return text if self._patterns is None else self._patterns.redact(text)

    def split(self, text: str) -> tuple[str, str]:
        """Return what can be stored of a text that goes on, redacted, and what must wait: it may begin a secret."""
        cut = len(text) if self._patterns is None else self._patterns.held_from(text)
        forms = self._forms()
        for form in forms:
            cut = min(cut, _start_of_beginning(text, form))
        while (earlier := min((_before_whole(text, form, cut) for form in forms), default=cut)) < cut:
            cut = earlier
        return self.redact(text[:cut]), text[cut:]

    def redact_title(self, title: str) -> str:
        """Return a title without secrets, nor the beginning of one that was cut by shortening the title."""
        if not title.endswith(_CUT_MARK):
            return self.redact(title)
        return self.split(title.removesuffix(_CUT_MARK))[0] + _CUT_MARK

    def conversation(self, conversation: Conversation) -> Conversation:
        """Return a conversation whose title holds no secret, and whose tags hold no key."""
        title, clean = conversation.title and self.redact_title(conversation.title), self.without_keys
        tags, model = tuple(map(clean, conversation.tags)), clean(conversation.model_id)
        return replace(conversation, title=title, tags=tags, model_id=model)

    def message(self, message: Message) -> Message:
        """Return a message without secrets."""
        redact, clean = self.redact, self.without_keys
        return replace(
            message,
            content=redact(message.content),
            reasoning=message.reasoning and redact(message.reasoning),
            model_id=message.model_id and clean(message.model_id),
            finish_reason=message.finish_reason and clean(message.finish_reason),
            metadata=self._metadata(message.metadata),
        )

    def _metadata(self, metadata: dict[str, Any]) -> dict[str, Any]:
        if ATTACHMENTS not in metadata:
            return metadata
        redact = self.redact
        records = [
            {key: redact(value) if key in _TEXTS_OF_ATTACHMENTS and value else value for key, value in record.items()}
            for record in metadata[ATTACHMENTS]
        ]
        return {**metadata, ATTACHMENTS: records}

    def _forms(self) -> list[str]:
        return [form for key in self._keys() for form in key_forms(key)]


def _start_of_beginning(text: str, form: str) -> int:
    """Return where the end of the text begins that is the beginning of a form of the key; its length if there is none."""
    start = max(len(text) - len(form) + 1, 0)
    while (start := text.find(form[0], start)) >= 0:
        if form.startswith(text[start:]):
            return start
        start += 1
    return len(text)


def _before_whole(text: str, form: str, cut: int) -> int:
    """Return the cut, or the start of a whole form of the key that it would go through."""
    start = text.find(form, max(cut - len(form) + 1, 0), cut + len(form) - 1)
    return cut if start < 0 else start


class RedactingConversations:
    """A `ConversationRepository` that stores through another what `redaction` leaves of it."""

    def __init__(self, kept: ConversationRepository, redaction: Redaction) -> None:
        self._kept = kept
        self._redaction = redaction
        self.journal: Journal = RedactingJournal(kept.journal, redaction)

    def patience(self, seconds: float) -> AbstractContextManager[None]:
        """Wait for other processes at most so long in the block."""
        return self._kept.patience(seconds)

    def transaction(self) -> AbstractContextManager[None]:
        """Make all writes inside one atomic step. May be nested."""
        return self._kept.transaction()

    def save(self, conversation: Conversation) -> None:
        """Insert or update a conversation; its title is redacted, its tags hold no key."""
        self._kept.save(self._redaction.conversation(conversation))

    def get_by_id(self, conversation_id: UUID) -> Conversation | None:
        """Return the conversation, or None."""
        return self._kept.get_by_id(conversation_id)

    def get_messages(self, conversation_id: UUID) -> list[Message]:
        """Return its messages as they are stored, oldest first."""
        return self._kept.get_messages(conversation_id)

    def add_message(self, message: Message) -> None:
        """Append a message, redacted."""
        self._kept.add_message(self._redaction.message(message))

    def finish_message(self, message: Message) -> None:
        """Replace a pending answer by its final state, redacted."""
        self._kept.finish_message(self._redaction.message(message))

    def price_message(self, message_id: UUID, cost: Cost, usage: TokenUsage | None) -> bool:
        """Replace the cost of a finished answer. False if gone."""
        return self._kept.price_message(message_id, cost, usage)

    def abandon_message(self, message_id: UUID, text: str = "", reasoning: str | None = None) -> bool:
        """Call a pending answer interrupted; what came of it was redacted before. False if it is not pending."""
        return self._kept.abandon_message(message_id, text, reasoning)

    def delete(self, conversation_id: UUID) -> bool:
        """Delete a conversation. False if it did not exist."""
        return self._kept.delete(conversation_id)

    def latest(self) -> Conversation | None:
        """Return the conversation that was changed last."""
        return self._kept.latest()

    def find_by_prefix(self, prefix: str) -> list[Conversation]:
        """Return at most three conversations whose id begins so."""
        return self._kept.find_by_prefix(prefix)

    def summaries(self, filter: HistoryFilter) -> list[ConversationSummary]:
        """Return conversations, last changed first."""
        return self._kept.summaries(filter)

    def search(self, query: str, limit: int) -> list[SearchHit]:
        """Return messages that hold all words of the query."""
        return self._kept.search(query, limit)


class RedactingJournal:
    """A `Journal` that keeps through another what `redaction` leaves of it.

    Text waits here while it may be the beginning of a secret.
    """

    def __init__(self, kept: Journal, redaction: Redaction) -> None:
        self._kept = kept
        self._redaction = redaction
        self._held: dict[UUID, tuple[str, str]] = {}

    def open(self, message_id: UUID, call: Call, conversation: Conversation) -> None:
        """Begin the entry of an answer, or note the next request for it."""
        redaction = self._redaction
        self._kept.open(message_id, call.cleaned(redaction.without_keys), redaction.conversation(conversation))

    def append(self, message_id: UUID, text: str = "", reasoning: str = "") -> None:
        """Add what has come, as far as it can't be the beginning of a secret."""
        held_text, held_reasoning = self._held.get(message_id, ("", ""))
        text, text_left = self._redaction.split(held_text + text)
        reasoning, reasoning_left = self._redaction.split(held_reasoning + reasoning)
        self._kept.append(message_id, text, reasoning)
        self._held[message_id] = text_left, reasoning_left

    def note_generation(self, message_id: UUID, generation_id: str) -> None:
        """Remember the service's id of the answer."""
        self._kept.note_generation(message_id, self._redaction.without_keys(generation_id))

    def keep(self, message_id: UUID, unsaved: Unsaved) -> None:
        """Keep the end of an answer that the database did not take."""
        self._kept.append(message_id, *map(self._redaction.redact, self._held.pop(message_id, ("", ""))))
        messages = tuple(map(self._redaction.message, unsaved.messages))
        self._kept.keep(
            message_id, replace(unsaved, call=unsaved.call.cleaned(self._redaction.without_keys), messages=messages)
        )

    def close(self, message_id: UUID) -> None:
        """Forget the entry."""
        self._kept.close(message_id)
        self._held.pop(message_id, None)

    def left(self) -> list[UUID]:
        """Return the answers that have an entry."""
        return self._kept.left()

    def read(self, message_id: UUID) -> JournalEntry | None:
        """Return the entry of an answer."""
        return self._kept.read(message_id)
