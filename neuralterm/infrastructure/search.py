"""Full-text search over messages."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

from neuralterm.application.search import SearchFilter, SearchHit
from neuralterm.domain.exceptions import StorageError
from neuralterm.domain.snippets import snippet_of
from neuralterm.domain.text import join_surrogates
from neuralterm.infrastructure.columns import from_ms, to_json, to_ms
from neuralterm.infrastructure.filtering import asked_for
from neuralterm.infrastructure.signs import has_signs

if TYPE_CHECKING:
    from neuralterm.infrastructure.database import Database, Row

_ASCII_LETTER = re.compile("[A-Za-z]")

_BY_INDEX = """
    SELECT m.conversation_id, m.id, m.role, c.title, m.created_at, m.content
    FROM message_search
    CROSS JOIN messages AS m ON m.number = message_search.rowid
    CROSS JOIN conversations AS c ON c.id = m.conversation_id
    WHERE message_search MATCH :words AND {}
    ORDER BY message_search.rowid DESC LIMIT :limit
"""
_BY_READING = """
    SELECT m.conversation_id, m.id, m.role, c.title, m.created_at, m.content
    FROM messages AS m
    CROSS JOIN conversations AS c ON c.id = m.conversation_id
    WHERE {} AND {} AND m.status <> 'pending'
    ORDER BY m.number DESC LIMIT :limit
"""
# instr() instead of LIKE: nothing to escape, and no limit on the length of a word. lower() folds ASCII, like LIKE; a word
# without such letters is found without it, which takes a fraction of the time.
_AS_IT_IS, _FOLDED = "instr(m.content, :word{0}) > 0", "instr(lower(m.content), lower(:word{0})) > 0"
_ALL_OF = "NOT EXISTS (SELECT 1 FROM json_each(:rest) AS word WHERE instr(lower(m.content), lower(word.value)) = 0)"
# Going through a list for each message takes ten times as long as a condition each, of which there is a limit.
_CONDITIONS = 8
# Blocks of messages: so few are read in some milliseconds, and may change again before they are indexed.
_READ_QUICKLY = 4
# Seconds to wait for others who write.
_PATIENCE = 0.1

_WITHIN = {
    "since": "m.created_at >= :since",
    "until": "m.created_at < :until",
    "tag": "c.id IN (SELECT conversation_id FROM conversation_tags WHERE tag = :tag)",
    "model": "model_matches(coalesce(m.model_id, c.model_id), :model)",
}


def search_messages(database: Database, query: str, limit: int, filter: SearchFilter | None = None) -> list[SearchHit]:
    """Return messages that hold every word of the query, newest first; none for a query without words.

    Any text is a valid query: quotes and operators of the query language are taken as text. Messages are read where no
    index knows a word as such: words of signs only, and words of scripts without spaces in messages that are not yet in the
    index of signs (see `sign_index`).
    """
    words = _words(query)
    if not words:
        return []
    within, parameters = _chosen(database, filter or SearchFilter())
    if all(_is_indexed(word) for word in words):
        phrases = " ".join('"' + word.replace('"', '""') + '"' for word in words)
        parameters |= {"words": phrases, "limit": max(limit, 0)}
        rows = database.query(_BY_INDEX.format(within), parameters)
    elif any(map(has_signs, words)):
        rows = _read_by_signs(database, words, limit, within, parameters)
    else:
        rows = _read(database, words, limit, within, parameters)
    return [_hit(row, words) for row in rows]


def index_for(database: Database, query: str, on_step: Callable[[int, int], bool]) -> None:
    """Put messages into the index that searches like this have to read, if they are many and it can be done now.

    `on_step` is told steps done and in all, and says whether to go on.
    """
    if not any(map(has_signs, _words(query))):
        return
    from neuralterm.infrastructure.sign_index import index_messages, unindexed

    # Whatever is in the way (a lock, a full disk): the next search tries again, and reads what is missing.
    with suppress(StorageError), database.patience(_PATIENCE):
        if not database.is_read_only and len(unindexed(database)) > _READ_QUICKLY:
            index_messages(database, on_step)


def _words(query: str) -> list[str]:
    return list(dict.fromkeys(join_surrogates(query).replace("\0", " ").split()))


def _chosen(database: Database, filter: SearchFilter) -> tuple[str, dict[str, Any]]:
    """Return the condition of a filter, and its parameters."""
    asked = {
        "since": filter.since and to_ms(filter.since),
        "until": filter.until and to_ms(filter.until),
        "tag": filter.tag,
        "model": filter.model,
    }
    parameters = asked_for(database, asked)
    return " AND ".join(["c.deleted_at IS NULL", *(_WITHIN[name] for name in parameters)]), parameters


def _read_by_signs(
    database: Database, words: list[str], limit: int, within: str, parameters: dict[str, Any]
) -> list[Row]:
    from neuralterm.infrastructure.sign_index import stretches

    rows: list[Row] = []
    with database.snapshot():
        for stretch, bounds in stretches(database, words):
            rows += _read(database, words, limit - len(rows), f"{stretch} AND {within}", parameters | bounds)
            if len(rows) >= limit:
                break
    return rows


def _read(database: Database, words: list[str], limit: int, where: str, parameters: dict[str, Any]) -> list[Row]:
    longest_first = sorted(words, key=len, reverse=True)
    conditions: list[str] = []
    parameters = {"limit": max(limit, 0), **parameters}
    for number, word in enumerate(longest_first[:_CONDITIONS]):
        conditions.append((_FOLDED if _ASCII_LETTER.search(word) else _AS_IT_IS).format(number))
        parameters[f"word{number}"] = word
    if rest := longest_first[_CONDITIONS:]:
        conditions.append(_ALL_OF)
        parameters["rest"] = to_json(rest)
    return database.query(_BY_READING.format(where, " AND ".join(conditions)), parameters)


def _is_indexed(word: str) -> bool:
    return any(character.isalnum() for character in word) and not has_signs(word)


def _hit(row: tuple[Any, ...], words: list[str]) -> SearchHit:
    conversation_id, message_id, role, title, created_at, content = row
    snippet, found = snippet_of(content, words)
    return SearchHit(
        conversation_id=UUID(conversation_id),
        message_id=UUID(message_id),
        role=role,
        snippet=snippet,
        title=title,
        created_at=from_ms(created_at),
        matches=found,
    )
