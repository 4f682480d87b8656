"""Reads for a shell what completes a word: at once, without changing anything, and as well as it can."""

from __future__ import annotations

import sqlite3
from typing import Literal

from neuralterm.infrastructure.peeking import peek

WordKind = Literal["models", "conversations", "trash", "tags", "budgets"]

# So many conversations are offered, the ones last changed.
_MOST_CONVERSATIONS = 50
_LAST = chr(0x10FFFF)


def _conversations(condition: str) -> str:
    return f"""
        SELECT id, coalesce(title, 'Untitled') FROM conversations WHERE id >= ? AND id <= ? AND {condition}
        ORDER BY updated_at DESC LIMIT {_MOST_CONVERSATIONS}
    """  # noqa: S608  # words of our own


# Each takes the beginning of the word, and the end of the words that begin so.
_QUERIES: dict[WordKind, str] = {
    "models": "SELECT DISTINCT id, NULL FROM models WHERE id >= ? AND id <= ? ORDER BY id",
    "conversations": _conversations("deleted_at IS NULL"),
    "trash": _conversations("deleted_at IS NOT NULL"),
    "budgets": "SELECT name, window FROM budgets WHERE name >= ? AND name <= ? ORDER BY name",
    # From one tag to the next: most have many conversations.
    "tags": """
        WITH RECURSIVE found (tag) AS (
            SELECT min(tag) FROM conversation_tags WHERE tag >= ?
            UNION ALL
            SELECT (SELECT min(tag) FROM conversation_tags WHERE tag > found.tag) FROM found WHERE tag IS NOT NULL
        )
        SELECT tag, NULL FROM found WHERE tag <= ?
    """,
}


def known_words(database: str, kind: WordKind, beginning: str) -> list[tuple[str, str | None]]:
    """Return words that begin so, each with what describes it; none where the database can't be read at once."""
    try:
        connection = peek(database)
        if connection is None:
            return []
        try:
            return connection.execute(_QUERIES[kind], (beginning, beginning + _LAST)).fetchall()
        finally:
            connection.close()
    except (OSError, ValueError, sqlite3.Error):
        return []
