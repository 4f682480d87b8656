"""A repository and a journal that hand everything on to others: for those that change some of it on the way."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from neuralterm.application.journal import JournalEntry, Unsaved
    from neuralterm.application.ports import ConversationRepository, Journal
    from neuralterm.application.records import Call, ConversationSummary, HistoryFilter
    from neuralterm.application.search import SearchFilter, SearchHit
    from neuralterm.domain.models import Conversation, Cost, Message, TokenUsage


class PassingConversations:
    """A `ConversationRepository` that hands everything on to another; see there what the methods do."""

    def __init__(self, kept: ConversationRepository) -> None:
        self._kept = kept

    @property
    def journal(self) -> Journal:
        """The journal of the other."""
        return self._kept.journal

    def patience(self, seconds: float) -> AbstractContextManager[None]:
        """Hand on."""
        return self._kept.patience(seconds)

    def transaction(self) -> AbstractContextManager[None]:
        """Hand on."""
        return self._kept.transaction()

    def save(self, conversation: Conversation) -> None:
        """Hand on."""
        self._kept.save(conversation)

    def get_by_id(self, conversation_id: UUID) -> Conversation | None:
        """Hand on."""
        return self._kept.get_by_id(conversation_id)

    def get_messages(self, conversation_id: UUID, *, withdrawn: bool = False) -> list[Message]:
        """Hand on."""
        return self._kept.get_messages(conversation_id, withdrawn=withdrawn)

    def add_message(self, message: Message) -> None:
        """Hand on."""
        self._kept.add_message(message)

    def finish_message(self, message: Message) -> None:
        """Hand on."""
        self._kept.finish_message(message)

    def price_message(self, message_id: UUID, cost: Cost, usage: TokenUsage | None) -> bool:
        """Hand on."""
        return self._kept.price_message(message_id, cost, usage)

    def abandon_message(self, message_id: UUID, text: str = "", reasoning: str | None = None) -> bool:
        """Hand on."""
        return self._kept.abandon_message(message_id, text, reasoning)

    def withdraw(self, message_ids: Sequence[UUID], at: datetime) -> None:
        """Hand on."""
        self._kept.withdraw(message_ids, at)

    def delete(self, conversation_id: UUID) -> bool:
        """Hand on."""
        return self._kept.delete(conversation_id)

    def trash(self, conversation_id: UUID, at: datetime) -> bool:
        """Hand on."""
        return self._kept.trash(conversation_id, at)

    def restore(self, conversation_id: UUID) -> bool:
        """Hand on."""
        return self._kept.restore(conversation_id)

    def purge(self, before: datetime) -> int:
        """Hand on."""
        return self._kept.purge(before)

    def latest(self) -> Conversation | None:
        """Hand on."""
        return self._kept.latest()

    def find_by_prefix(self, prefix: str, *, deleted: bool = False) -> list[Conversation]:
        """Hand on."""
        return self._kept.find_by_prefix(prefix, deleted=deleted)

    def summaries(self, filter: HistoryFilter) -> list[ConversationSummary]:
        """Hand on."""
        return self._kept.summaries(filter)

    def search(self, query: str, limit: int, filter: SearchFilter | None = None) -> list[SearchHit]:
        """Hand on."""
        return self._kept.search(query, limit, filter)


class PassingJournal:
    """A `Journal` that hands everything on to another; see there what the methods do."""

    def __init__(self, kept: Journal) -> None:
        self._kept = kept

    def open(self, message_id: UUID, call: Call, conversation: Conversation) -> None:
        """Hand on."""
        self._kept.open(message_id, call, conversation)

    def append(self, message_id: UUID, text: str = "", reasoning: str = "") -> None:
        """Hand on."""
        self._kept.append(message_id, text, reasoning)

    def note_generation(self, message_id: UUID, generation_id: str) -> None:
        """Hand on."""
        self._kept.note_generation(message_id, generation_id)

    def keep(self, message_id: UUID, unsaved: Unsaved) -> None:
        """Hand on."""
        self._kept.keep(message_id, unsaved)

    def close(self, message_id: UUID) -> None:
        """Hand on."""
        self._kept.close(message_id)

    def left(self) -> list[UUID]:
        """Hand on."""
        return self._kept.left()

    def read(self, message_id: UUID) -> JournalEntry | None:
        """Hand on."""
        return self._kept.read(message_id)
