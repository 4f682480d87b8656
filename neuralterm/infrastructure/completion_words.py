"""Reads for a shell what completes a word: at once, without changing anything, and as well as it can."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path
from typing import Literal
from urllib.parse import quote

WordKind = Literal["models", "conversations", "tags"]

# So many conversations are offered, the ones last changed.
_MOST_CONVERSATIONS = 50
_LAST = chr(0x10FFFF)

# Each takes the beginning of the word, and the end of the words that begin so.
_QUERIES: dict[WordKind, str] = {
    "models": "SELECT DISTINCT id, NULL FROM models WHERE id >= ? AND id <= ? ORDER BY id",
    "conversations": f"""
        SELECT id, coalesce(title, 'Untitled') FROM conversations WHERE id >= ? AND id <= ?
        ORDER BY updated_at DESC LIMIT {_MOST_CONVERSATIONS}
    """,  # noqa: S608  # a number of our own
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


def known_words(database: Path, kind: WordKind, beginning: str) -> list[tuple[str, str | None]]:
    """Return words that begin so, each with what describes it; none where the database can't be read at once."""
    try:
        uri = _uri(database)
        if uri is None:
            return []
        connection = sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None)
        try:
            return connection.execute(_QUERIES[kind], (beginning, beginning + _LAST)).fetchall()
        finally:
            connection.close()
    except (OSError, ValueError, sqlite3.Error):
        return []


def _uri(database: Path) -> str | None:
    """Return how to open the file without making another beside it; None where it is no file.

    Without a log nobody is writing, and it may be read as it lies there; SQLite would make a log and leave it behind.
    """
    if not stat.S_ISREG(os.stat(database).st_mode):
        return None
    log = f"{database}-wal"
    is_quiet = not os.path.exists(log) or not os.stat(log).st_size
    return f"file:{quote(str(database.absolute()))}?mode=ro" + ("&immutable=1" if is_quiet else "")
