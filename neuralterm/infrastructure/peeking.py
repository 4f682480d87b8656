"""Looks into a database without changing anything: no file is made beside it, nothing is migrated, no lock is waited for."""

from __future__ import annotations

import os
import sqlite3
import stat
from urllib.parse import quote


def peek(database: str) -> sqlite3.Connection | None:
    """Return a connection that only reads; None where there is no regular file. Raises OSError and `sqlite3.Error`.

    Without a log nobody is writing, and the file may be read as it lies there; SQLite would make a log and leave it behind.
    """
    if not stat.S_ISREG(os.stat(database).st_mode):
        return None
    log = f"{database}-wal"
    is_quiet = not os.path.exists(log) or not os.stat(log).st_size
    return sqlite3.connect(read_only_uri(database, is_frozen=is_quiet), uri=True, timeout=0, isolation_level=None)


def read_only_uri(file: str, *, is_frozen: bool) -> str:
    """Return what SQLite opens a file by to read it; with `is_frozen` without locks, as one that nobody changes meanwhile."""
    absolute = file if os.path.isabs(file) else os.path.join(os.getcwd(), file)
    return f"file:{quote(os.fsencode(absolute))}?mode=ro" + ("&immutable=1" if is_frozen else "")
