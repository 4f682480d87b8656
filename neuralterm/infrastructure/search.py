"""Full-text search over messages."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

from neuralterm.application.records import SearchHit
from neuralterm.domain.exceptions import StorageError
from neuralterm.domain.text import join_surrogates
from neuralterm.infrastructure.columns import from_ms, to_json
from neuralterm.infrastructure.signs import has_signs

if TYPE_CHECKING:
    from neuralterm.infrastructure.database import Database, Row

_ASCII_LETTER = re.compile("[A-Za-z]")
_CONTEXT_BEFORE, _CONTEXT_AFTER = 40, 120

_BY_INDEX = """
    SELECT m.conversation_id, m.id, m.role, c.title, m.created_at,
           snippet(message_search, 0, '[', ']', '…', 24)
    FROM message_search
    CROSS JOIN messages AS m ON m.number = message_search.rowid
    CROSS JOIN conversations AS c ON c.id = m.conversation_id
    WHERE message_search MATCH :words
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


def search_messages(database: Database, query: str, limit: int) -> list[SearchHit]:
    """Return messages that hold every word of the query, newest first; none for a query without words.

    Any text is a valid query: quotes and operators of the query language are taken as text. Messages are read where no
    index knows a word as such: words of signs only, and words of scripts without spaces in messages that are not yet in the
    index of signs (see `sign_index`).
    """
    words = _words(query)
    if not words:
        return []
    if all(_is_indexed(word) for word in words):
        phrases = " ".join('"' + word.replace('"', '""') + '"' for word in words)
        return [_hit(row, row[5]) for row in database.query(_BY_INDEX, {"words": phrases, "limit": max(limit, 0)})]
    by_signs = any(map(has_signs, words))
    rows = _read_by_signs(database, words, limit) if by_signs else _read(database, words, limit, "true", {})
    return [_hit(row, _snippet(row[5], words)) for row in rows]


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


def _read_by_signs(database: Database, words: list[str], limit: int) -> list[Row]:
    from neuralterm.infrastructure.sign_index import stretches

    rows: list[Row] = []
    with database.snapshot():
        for condition, parameters in stretches(database, words):
            rows += _read(database, words, limit - len(rows), condition, parameters)
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


def _hit(row: tuple[Any, ...], snippet: str) -> SearchHit:
    conversation_id, message_id, role, title, created_at, _ = row
    return SearchHit(
        conversation_id=UUID(conversation_id),
        message_id=UUID(message_id),
        role=role,
        snippet=snippet,
        title=title,
        created_at=from_ms(created_at),
    )


def _snippet(content: str, words: list[str]) -> str:
    longest_first = sorted(words, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE | re.ASCII)
    match = pattern.search(content)
    position = match.start() if match else 0
    start, end = max(position - _CONTEXT_BEFORE, 0), position + _CONTEXT_AFTER
    marked = pattern.sub(lambda found: f"[{found[0]}]", content[start:end])
    return ("…" if start else "") + marked + ("…" if end < len(content) else "")
