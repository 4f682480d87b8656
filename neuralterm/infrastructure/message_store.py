"""Conversations and their messages, one at a time: writing them down and reading them whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuralterm.application.context import has_attachments
from neuralterm.domain.exceptions import MissingRecordError, StorageError
from neuralterm.domain.models import MessageStatus
from neuralterm.infrastructure.rows import (
    CONVERSATION,
    conversation_from,
    conversation_parameters,
    message_from,
    message_parameters,
)

if TYPE_CHECKING:
    from uuid import UUID

    from neuralterm.application.ports import Journal
    from neuralterm.domain.models import Conversation, Message
    from neuralterm.infrastructure.database import Database

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


def save(database: Database, conversation: Conversation) -> None:
    """Insert or update a conversation. Totals and `updated_at` only grow; they are set on insertion."""
    identity = str(conversation.id)
    with database.transaction():
        database.change(_SAVE, conversation_parameters(conversation))
        database.change("DELETE FROM conversation_tags WHERE conversation_id = ?", (identity,))
        for position, tag in enumerate(dict.fromkeys(conversation.tags)):
            database.change("INSERT INTO conversation_tags VALUES (?, ?, ?)", (identity, tag, position))


def get_by_id(database: Database, conversation_id: UUID) -> Conversation | None:
    """Return the conversation; None when there is none, or when it is in the trash."""
    rows = database.query(_BY_ID, (str(conversation_id),))
    return conversation_from(rows[0]) if rows else None


def get_messages(database: Database, journal: Journal, conversation_id: UUID, *, withdrawn: bool) -> list[Message]:
    """Return its messages, oldest first, with `withdrawn` those too; a pending answer with what the journal has of it."""
    messages = [message_from(row) for row in database.query(_MESSAGES, (str(conversation_id), withdrawn))]
    for message in messages:
        entry = journal.read(message.id) if message.status is MessageStatus.PENDING else None
        if entry is not None:
            message.content += entry.text
            message.reasoning = entry.reasoning
    return messages


def add_message(database: Database, message: Message) -> None:
    """Append a message to its conversation, which must exist; its cost is not added to the total.

    The contents of its attachments must be stored.
    """
    if message.conversation_id is None:
        raise StorageError("a message without a conversation can't be stored")
    parameters = message_parameters(message)
    with database.transaction():
        database.change(_ADD_MESSAGE, parameters)
        if has_attachments(message):
            from neuralterm.infrastructure.attachment_store import link_attachments

            link_attachments(database, message)
        database.change(_TOUCH, (parameters["created_at"], parameters["conversation_id"]))


def finish_message(database: Database, message: Message) -> None:
    """Replace a pending answer by its final state; adds cost and tokens to the conversation.

    Finishing again (a cost that is known later) adds only the difference. Raises `MissingRecordError` for an unknown
    message.
    """
    parameters = message_parameters(message)
    identity = parameters["id"]
    finished_at = parameters["created_at"] + (message.latency_ms or 0)
    with database.transaction():
        before = database.query(
            "SELECT conversation_id, coalesce(cost, 0), coalesce(total_tokens, 0) FROM messages WHERE id = ?",
            (identity,),
        )
        if not before:
            raise MissingRecordError(f"there is no message {identity} in the database {database.name}")
        conversation_id, cost, tokens = before[0]
        database.change(_FINISH_MESSAGE, parameters)
        database.change("DELETE FROM journal WHERE message_id = ?", (identity,))
        more_cost, more_tokens = (parameters["cost"] or 0) - cost, (parameters["total_tokens"] or 0) - tokens
        database.change(_ADD_TO_TOTALS, (more_cost, more_tokens, finished_at, conversation_id))
