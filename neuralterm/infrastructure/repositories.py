"""Conversations and their messages in SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from uuid import UUID

from neuralterm.application.context import has_attachments
from neuralterm.application.journal import MemoryJournal
from neuralterm.application.ports import ConversationRepository, Journal
from neuralterm.application.records import ANYWHERE, ConversationSummary, HistoryFilter, SearchFilter, SearchHit
from neuralterm.domain.exceptions import MissingRecordError, StorageError
from neuralterm.domain.models import Conversation, Cost, Message, MessageStatus, TokenUsage
from neuralterm.infrastructure.database import Database, default_database_path
from neuralterm.infrastructure.rows import (
    CONVERSATION,
    conversation_from,
    conversation_parameters,
    message_from,
    message_parameters,
)

__all__ = ["ConversationRepository", "SQLiteConversationRepository"]

# Totals and the time of the last change never go back: a conversation that was read a while ago may be saved.
_SAVE = """
    INSERT INTO conversations (id, title, model_id, created_at, updated_at, total_cost, total_tokens, forked_from)
    VALUES (:id, :title, :model_id, :created_at, :updated_at, :total_cost, :total_tokens, :forked_from)
    ON CONFLICT (id) DO UPDATE SET
        title = excluded.title,
        model_id = excluded.model_id,
        updated_at = max(updated_at, excluded.updated_at),
        total_cost = max(total_cost, excluded.total_cost),
        total_tokens = max(total_tokens, excluded.total_tokens)
"""
_BY_ID = CONVERSATION + "FROM conversations AS c WHERE c.id = ? AND c.deleted_at IS NULL"
_MESSAGES = """
    SELECT m.id, m.conversation_id, m.role,
           CASE m.status WHEN 'pending' THEN m.content || coalesce(
               (SELECT group_concat(text, '')
                FROM (SELECT text FROM journal WHERE message_id = m.id ORDER BY sequence)), '')
           ELSE m.content END,
           m.status, m.model_id, m.created_at, m.finish_reason, m.reasoning,
           m.cost, m.cost_source, m.latency_ms, m.metadata,
           m.prompt_tokens, m.completion_tokens, m.total_tokens, m.reasoning_tokens, m.cached_tokens,
           m.cache_write_tokens, m.charged, m.upstream, m.is_byok, m.withdrawn_at
    FROM messages AS m WHERE m.conversation_id = ? AND (? OR m.withdrawn_at IS NULL) ORDER BY m.position
"""
_ADD_MESSAGE = """
    INSERT INTO messages (
        id, conversation_id, position, role, content, status, model_id, created_at, finish_reason, reasoning,
        prompt_tokens, completion_tokens, total_tokens, reasoning_tokens, cached_tokens, cache_write_tokens,
        charged, upstream, is_byok, cost, cost_source, latency_ms, metadata
    ) VALUES (
        :id, :conversation_id,
        (SELECT coalesce(max(position), 0) + 1 FROM messages WHERE conversation_id = :conversation_id),
        :role, :content, :status, :model_id, :created_at, :finish_reason, :reasoning,
        :prompt_tokens, :completion_tokens, :total_tokens, :reasoning_tokens, :cached_tokens, :cache_write_tokens,
        :charged, :upstream, :is_byok, :cost, :cost_source, :latency_ms, :metadata
    )
"""
_FINISH_MESSAGE = """
    UPDATE messages SET
        role = :role, content = :content, status = :status, model_id = :model_id, finish_reason = :finish_reason,
        reasoning = :reasoning, prompt_tokens = :prompt_tokens, completion_tokens = :completion_tokens,
        total_tokens = :total_tokens, reasoning_tokens = :reasoning_tokens, cached_tokens = :cached_tokens,
        cache_write_tokens = :cache_write_tokens, charged = :charged, upstream = :upstream, is_byok = :is_byok,
        cost = :cost, cost_source = :cost_source, latency_ms = :latency_ms, metadata = :metadata
    WHERE id = :id
"""
_TOUCH = "UPDATE conversations SET updated_at = max(updated_at, ?) WHERE id = ?"
_ADD_TO_TOTALS = """
    UPDATE conversations SET
        total_cost = total_cost + ?, total_tokens = total_tokens + ?, updated_at = max(updated_at, ?)
    WHERE id = ?
"""


class SQLiteConversationRepository:
    """The conversations of a database; without one, those of the user's default database."""

    def __init__(self, database: Database | Path | str | None = None) -> None:
        if not isinstance(database, Database):
            database = Database(default_database_path() if database is None else database)
        self.database = database

    @cached_property
    def journal(self) -> Journal:
        """The journal of the answers that are under way: files beside the database."""
        if str(self.database.path) == ":memory:":
            return MemoryJournal()
        from neuralterm.infrastructure.spool import Spool, spool_beside

        return Spool(spool_beside(self.database.path))

    def patience(self, seconds: float) -> AbstractContextManager[None]:
        """Wait for other processes at most so long in the block."""
        return self.database.patience(seconds)

    def transaction(self) -> AbstractContextManager[None]:
        """Make all writes inside one atomic step, those of other adapters on the same `Database` included."""
        return self.database.transaction()

    def save(self, conversation: Conversation) -> None:
        """Insert or update a conversation. Totals and `updated_at` only grow; they are set on insertion."""
        identity = str(conversation.id)
        with self.database.transaction():
            self.database.change(_SAVE, conversation_parameters(conversation))
            self.database.change("DELETE FROM conversation_tags WHERE conversation_id = ?", (identity,))
            for position, tag in enumerate(dict.fromkeys(conversation.tags)):
                self.database.change("INSERT INTO conversation_tags VALUES (?, ?, ?)", (identity, tag, position))

    def get_by_id(self, conversation_id: UUID) -> Conversation | None:
        """Return the conversation; None when there is none, or when it is in the trash."""
        rows = self.database.query(_BY_ID, (str(conversation_id),))
        return conversation_from(rows[0]) if rows else None

    def get_messages(self, conversation_id: UUID, *, withdrawn: bool = False) -> list[Message]:
        """Return its messages, oldest first, with `withdrawn` those too; a pending answer with what the journal has of it."""
        messages = [message_from(row) for row in self.database.query(_MESSAGES, (str(conversation_id), withdrawn))]
        for message in messages:
            entry = self.journal.read(message.id) if message.status is MessageStatus.PENDING else None
            if entry is not None:
                message.content += entry.text
                message.reasoning = entry.reasoning
        return messages

    def add_message(self, message: Message) -> None:
        """Append a message to its conversation, which must exist; its cost is not added to the total.

        The contents of its attachments must be stored.
        """
        if message.conversation_id is None:
            raise StorageError("a message without a conversation can't be stored")
        parameters = message_parameters(message)
        with self.database.transaction():
            self.database.change(_ADD_MESSAGE, parameters)
            if has_attachments(message):
                from neuralterm.infrastructure.attachment_store import link_attachments

                link_attachments(self.database, message)
            self.database.change(_TOUCH, (parameters["created_at"], parameters["conversation_id"]))

    def finish_message(self, message: Message) -> None:
        """Replace a pending answer by its final state; adds cost and tokens to the conversation.

        Finishing again (a cost that is known later) adds only the difference. Raises `MissingRecordError` for an unknown
        message.
        """
        parameters = message_parameters(message)
        identity = parameters["id"]
        finished_at = parameters["created_at"] + (message.latency_ms or 0)
        with self.database.transaction():
            before = self.database.query(
                "SELECT conversation_id, coalesce(cost, 0), coalesce(total_tokens, 0) FROM messages WHERE id = ?",
                (identity,),
            )
            if not before:
                raise MissingRecordError(f"there is no message {identity} in the database {self.database.path}")
            conversation_id, cost, tokens = before[0]
            self.database.change(_FINISH_MESSAGE, parameters)
            self.database.change("DELETE FROM journal WHERE message_id = ?", (identity,))
            more_cost, more_tokens = (parameters["cost"] or 0) - cost, (parameters["total_tokens"] or 0) - tokens
            self.database.change(_ADD_TO_TOTALS, (more_cost, more_tokens, finished_at, conversation_id))

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

    def search(self, query: str, limit: int, filter: SearchFilter = ANYWHERE) -> list[SearchHit]:
        """Return messages outside the trash that hold all words of the query, newest first. Any text is a valid query."""
        from neuralterm.infrastructure.search import search_messages

        return search_messages(self.database, query, limit, filter)
