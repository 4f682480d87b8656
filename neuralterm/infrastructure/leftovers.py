"""Whether processes may have left calls behind: by one look into a folder and one statement, at the start of most commands."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from neuralterm.infrastructure.database_file import spool_beside

if TYPE_CHECKING:
    from pathlib import Path

    from neuralterm.infrastructure.database import Database

# The calls that nobody has settled. Left to itself SQLite would rather read all calls than use the index of the few.
RUNNING = "INDEXED BY calls_running WHERE owner IS NOT NULL OR status = 'pending'"
_ANY = f"SELECT 1 FROM calls {RUNNING} LIMIT 1"  # noqa: S608 - made of constants


def may_be_left(database: Database) -> bool:
    """Say whether a call runs, in whatever process, or the journal holds an answer. Raises `StorageError`."""
    return _is_filled(spool_beside(database.path)) or bool(database.query(_ANY))


def _is_filled(folder: Path) -> bool:
    try:
        return bool(os.listdir(folder))
    except OSError:
        return False
