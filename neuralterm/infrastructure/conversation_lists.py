"""Conversations one after the other: those that fit a filter, the last ones, those whose id begins so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuralterm.application.records import ConversationSummary
from neuralterm.domain.text import one_line
from neuralterm.infrastructure.amounts import to_bound
from neuralterm.infrastructure.columns import to_ms
from neuralterm.infrastructure.filtering import asked_for
from neuralterm.infrastructure.rows import CONVERSATION, CONVERSATION_COLUMNS, conversation_from, status_from

if TYPE_CHECKING:
    from neuralterm.application.records import HistoryFilter
    from neuralterm.domain.models import Conversation
    from neuralterm.infrastructure.database import Database

PREVIEW_LENGTH = 100
_HEXADECIMAL = frozenset("0123456789abcdef")
_GROUPS_OF_AN_ID = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))
_WIDTH = len(CONVERSATION_COLUMNS)

_BY_CHANGE = CONVERSATION + (
    "FROM conversations AS c WHERE c.deleted_at IS NULL ORDER BY c.updated_at DESC, c.number DESC LIMIT ?"
)
_BY_PREFIX = CONVERSATION + (
    "FROM conversations AS c WHERE c.id >= ? AND c.id < ? || 'g' AND (c.deleted_at IS NOT NULL) = ? ORDER BY c.id LIMIT 3"
)
_WITH_SUMMARY = """,
           (SELECT count(*) FROM messages WHERE conversation_id = c.id),
           (SELECT substr(content, 1, 1000) FROM messages
            WHERE conversation_id = c.id AND role = 'user' ORDER BY position LIMIT 1) AS first_question,
           coalesce(
               (SELECT status FROM messages
                WHERE conversation_id = c.id AND withdrawn_at IS NULL ORDER BY position DESC LIMIT 1),
               'complete'),
           (SELECT count(*) FROM messages
            WHERE conversation_id = c.id AND (cost_source = 'unsettled' OR status = 'pending'))
    FROM conversations AS c
    WHERE first_question IS NOT NULL AND {}
    ORDER BY c.updated_at DESC, c.number DESC LIMIT :limit
"""
_SUMMARIES = CONVERSATION + _WITH_SUMMARY
# Written out, so that each has its own index.
_OUTSIDE, _IN_TRASH = "c.deleted_at IS NULL", "c.deleted_at IS NOT NULL"
# There is an index of unfinished messages, which are few; the last answer that anything came of must be one of them.
_PARTIAL = """c.id IN (SELECT conversation_id FROM messages WHERE status NOT IN ('complete', 'failed'))
    AND 'complete' <> (SELECT status FROM messages
                       WHERE conversation_id = c.id AND role = 'assistant' AND status <> 'failed' AND withdrawn_at IS NULL
                       ORDER BY position DESC LIMIT 1)"""
_CONDITIONS = {
    "since": "c.updated_at >= :since",
    "until": "c.updated_at < :until",
    "tag": "c.id IN (SELECT conversation_id FROM conversation_tags WHERE tag = :tag)",
    "min_cost": "c.total_cost >= :min_cost",
    "model": """(model_matches(c.model_id, :model) OR EXISTS (
        SELECT 1 FROM messages WHERE conversation_id = c.id AND model_id IS NOT NULL AND model_matches(model_id, :model)
    ))""",
}


def by_change(database: Database, limit: int) -> list[Conversation]:
    """Return conversations outside the trash, last changed first."""
    return [conversation_from(row) for row in database.query(_BY_CHANGE, (max(limit, 0),))]


def find_by_prefix(database: Database, prefix: str, *, deleted: bool) -> list[Conversation]:
    """Return at most three conversations whose id begins so (hyphens and case ignored), outside or in the trash.

    None for an empty prefix.
    """
    digits = prefix.replace("-", "").lower()
    if not digits or len(digits) > 32 or not _HEXADECIMAL.issuperset(digits):
        return []
    written = "-".join(group for start, end in _GROUPS_OF_AN_ID if (group := digits[start:end]))
    return [conversation_from(row) for row in database.query(_BY_PREFIX, (written, written, deleted))]


def summaries(database: Database, filter: HistoryFilter) -> list[ConversationSummary]:
    """Return the conversations of a filter that have at least one user message, last changed first."""
    asked = {
        "since": filter.since and to_ms(filter.since),
        "until": filter.until and to_ms(filter.until),
        "tag": filter.tag,
        "min_cost": to_bound(filter.min_cost),
        "model": filter.model,
    }
    parameters = asked_for(database, asked)
    conditions = [_IN_TRASH if filter.deleted else _OUTSIDE, *(_CONDITIONS[name] for name in parameters)]
    if filter.partial_only:
        conditions.append(_PARTIAL)
    parameters["limit"] = -1 if filter.limit is None else max(filter.limit, 0)
    return [
        ConversationSummary(
            conversation=conversation_from(row[:_WIDTH]),
            message_count=row[_WIDTH],
            preview=one_line(row[_WIDTH + 1])[:PREVIEW_LENGTH],
            status=status_from(row[_WIDTH + 2]),
            unsettled=row[_WIDTH + 3],
        )
        for row in database.query(_SUMMARIES.format(" AND ".join(conditions)), parameters)
    ]
