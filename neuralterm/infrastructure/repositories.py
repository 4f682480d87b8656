"""Conversations and their messages in SQLite."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from neuralterm.infrastructure.database import Database, default_database_path
from neuralterm.infrastructure.opening import IN_MEMORY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path
    from uuid import UUID

    from neuralterm.application.ports import ConversationRepository, Journal
    from neuralterm.application.records import ConversationSummary, HistoryFilter
    from neuralterm.application.search import SearchFilter, SearchHit
    from neuralterm.domain.models import Conversation, Cost, Message, TokenUsage

__all__ = ["ConversationRepository", "SQLiteConversationRepository"]


def __getattr__(name: str) -> object:
    """Load the port where it is asked for: what runs here does without."""
    if name != "ConversationRepository":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from neuralterm.application.ports import ConversationRepository

    return ConversationRepository


class SQLiteConversationRepository:
    """The conversations of a database; without one, those of the user's default database."""

    def __init__(self, database: Database | Path | str | None = None) -> None:
        if not isinstance(database, Database):
            database = Database(default_database_path() if database is None else database)
        self.database = database

    @cached_property
    def journal(self) -> Journal:
        """The journal of the answers that are under way: files beside the database."""
        if self.database.name == IN_MEMORY:
            from neuralterm.application.journal import MemoryJournal

            return MemoryJournal()
        from neuralterm.infrastructure.database_file import spool_beside
        from neuralterm.infrastructure.spool import Spool

        return Spool(spool_beside(self.database.name))

    def patience(self, seconds: float) -> AbstractContextManager[None]:
        """Wait for other processes at most so long in the block."""
        return self.database.patience(seconds)

    def transaction(self) -> AbstractContextManager[None]:
        """Make all writes inside one atomic step, those of other adapters on the same `Database` included."""
        return self.database.transaction()

    def save(self, conversation: Conversation) -> None:
        """Insert or update a conversation. Totals and `updated_at` only grow; they are set on insertion."""
        from neuralterm.infrastructure.message_store import save

        save(self.database, conversation)

    def get_by_id(self, conversation_id: UUID) -> Conversation | None:
        """Return the conversation; None when there is none, or when it is in the trash."""
        from neuralterm.infrastructure.message_store import get_by_id

        return get_by_id(self.database, conversation_id)

    def get_messages(self, conversation_id: UUID, *, withdrawn: bool = False) -> list[Message]:
        """Return its messages, oldest first, with `withdrawn` those too; a pending answer with what the journal has of it."""
        from neuralterm.infrastructure.message_store import get_messages

        return get_messages(self.database, self.journal, conversation_id, withdrawn=withdrawn)

    def add_message(self, message: Message) -> None:
        """Append a message to its conversation, which must exist; its cost is not added to the total.

        The contents of its attachments must be stored.
        """
        from neuralterm.infrastructure.message_store import add_message

        add_message(self.database, message)

    def finish_message(self, message: Message) -> None:
        """Replace a pending answer by its final state; adds cost and tokens to the conversation.

        Finishing again (a cost that is known later) adds only the difference. Raises `MissingRecordError` for an unknown
        message.
        """
        from neuralterm.infrastructure.message_store import finish_message

        finish_message(self.database, message)

    def price_message(self, message_id: UUID, cost: Cost, usage: TokenUsage | None) -> bool:
        """Replace the cost of a finished answer, and its usage unless None; the conversation's totals follow. False if gone."""
        from neuralterm.infrastructure.late_news import price_message

        return price_message(self.database, message_id, cost, usage)

    def abandon_message(self, message_id: UUID, text: str = "", reasoning: str | None = None) -> bool:
        """Give a pending answer what came of it and the status `interrupted`. False if it is not pending."""
        from neuralterm.infrastructure.late_news import abandon_message

        return abandon_message(self.database, message_id, text, reasoning)

    def withdraw(self, message_ids: Sequence[UUID], at: datetime) -> None:
        """Mark messages as withdrawn; those that are already, and unknown ones, stay as they are."""
        from neuralterm.infrastructure.second_thoughts import withdraw

        withdraw(self.database, message_ids, at)

    def trash(self, conversation_id: UUID, at: datetime) -> bool:
        """Put a conversation into the trash. False if it did not exist, or is there already."""
        from neuralterm.infrastructure.second_thoughts import trash

        return trash(self.database, conversation_id, at)

    def restore(self, conversation_id: UUID) -> bool:
        """Take a conversation out of the trash. False if it is not there."""
        from neuralterm.infrastructure.second_thoughts import restore

        return restore(self.database, conversation_id)

    def purge(self, before: datetime) -> int:
        """Delete for good what was put into the trash before then, and return how many conversations that were."""
        from neuralterm.infrastructure.second_thoughts import purge

        return purge(self.database, before)

    def delete(self, conversation_id: UUID) -> bool:
        """Delete a conversation with its messages for good; its calls stay in the ledger. False if it did not exist."""
        return self.database.change("DELETE FROM conversations WHERE id = ?", (str(conversation_id),)) > 0

    def latest(self) -> Conversation | None:
        """Return the conversation that was changed last, outside the trash."""
        found = self.list_active(limit=1)
        return found[0] if found else None

    def list_active(self, limit: int = 100) -> list[Conversation]:
        """Return conversations outside the trash, last changed first."""
        from neuralterm.infrastructure.conversation_lists import by_change

        return by_change(self.database, limit)

    def find_by_prefix(self, prefix: str, *, deleted: bool = False) -> list[Conversation]:
        """Return at most three conversations whose id begins so (hyphens and case ignored), outside or in the trash.

        None for an empty prefix.
        """
        from neuralterm.infrastructure.conversation_lists import find_by_prefix

        return find_by_prefix(self.database, prefix, deleted=deleted)

    def summaries(self, filter: HistoryFilter) -> list[ConversationSummary]:
        """Return conversations that have at least one user message, last changed first.

        The preview is the beginning of the first user message, on one line. An answer counts as unfinished when part of
        it was or may have been delivered: pending, truncated, cut, interrupted or stopped.
        """
        from neuralterm.infrastructure.conversation_lists import summaries

        return summaries(self.database, filter)

    def search(self, query: str, limit: int, filter: SearchFilter | None = None) -> list[SearchHit]:
        """Return messages outside the trash that hold all words of the query, newest first. Any text is a valid query."""
        from neuralterm.infrastructure.search import search_messages

        return search_messages(self.database, query, limit, filter)
