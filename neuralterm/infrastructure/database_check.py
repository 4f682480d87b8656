"""Says how a database file is, without changing it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from neuralterm.application.surroundings import DatabaseState, SpoolState
from neuralterm.domain.record import replace
from neuralterm.infrastructure.database_file import spool_beside
from neuralterm.infrastructure.peeking import peek
from neuralterm.infrastructure.schema import SCHEMA_VERSION, schema_version

# Seconds for looking for damage, which takes long in a large file.
LIMIT = 10.0
_STEPS = 10_000  # of SQLite's machine, between two looks at the clock
_MOST_FAULTS = 3
_HEADER_LENGTH, _USES_A_LOG = 20, 2


def database_state(path: Path, *, limit: float = LIMIT) -> DatabaseState:
    """Look at the file; what can't be looked at is told in the state."""
    state = DatabaseState(str(path), free=_free(path), newest_schema=SCHEMA_VERSION, exposed=tuple(_exposed(path)))
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return state
    except OSError as error:
        return replace(state, refusal=error.strerror)
    try:
        connection = peek(str(path))
        if connection is None:
            return replace(state, refusal="it is no file")
        with closing(connection):
            return replace(
                state,
                size=size,
                schema=schema_version(connection),
                has_log=_uses_a_log(path),
                is_writable=os.access(path, os.W_OK) and os.access(path.parent, os.W_OK),
                faults=_faults(connection, time.monotonic() + limit),
            )
    except (OSError, sqlite3.Error) as error:
        return replace(state, refusal=getattr(error, "strerror", None) or str(error))


def spool_state(database: Path) -> SpoolState:
    """Look at the journals of answers beside a database."""
    written = []
    with suppress(OSError):
        for entry in os.scandir(spool_beside(str(database))):
            with suppress(OSError):
                written.append(entry.stat().st_mtime)
    return (
        SpoolState(len(written), max(0.0, time.time() - min(written, default=0.0)) / 60) if written else SpoolState(0)
    )


def _faults(connection: sqlite3.Connection, deadline: float) -> tuple[str, ...] | None:
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    try:
        rows = connection.execute(f"PRAGMA quick_check({_MOST_FAULTS:d})").fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return None
        raise
    finally:
        connection.set_progress_handler(None, 0)
    return tuple(fault for (fault,) in rows if fault != "ok")


def _uses_a_log(path: Path) -> bool:
    with path.open("rb", buffering=0) as file:
        header = file.read(_HEADER_LENGTH)
    return len(header) == _HEADER_LENGTH and header[-1] == _USES_A_LOG


def _exposed(path: Path) -> Iterator[str]:
    """Yield what of folder and file others than the owner may use."""
    if os.name != "posix":
        return
    for each in (path.parent, path):
        with suppress(OSError):
            if each.stat().st_mode & 0o077:
                yield str(each)


def _free(path: Path) -> int | None:
    for folder in path.parents:
        with suppress(OSError):
            return shutil.disk_usage(folder).free
    return None
