"""What SQLite and the file system refuse, as `StorageError`: one sentence and the next step."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from neuralterm.domain.exceptions import StorageError

_ELSEWHERE = "set NEURALTERM_DATA_DIR to a directory that can be written"
_BEGIN_ANEW = "move it away to begin with an empty history, or put a backup in its place"

_EXPLANATIONS = {
    sqlite3.SQLITE_NOTADB: ("is damaged or not a database", _BEGIN_ANEW),
    sqlite3.SQLITE_CORRUPT: ("is damaged", _BEGIN_ANEW),
    sqlite3.SQLITE_BUSY: ("stays locked by another process", "end the program that holds it and try again"),
    sqlite3.SQLITE_LOCKED: ("stays locked by this process", "report this: it should not happen"),
    sqlite3.SQLITE_READONLY: ("can't be written", f"make the file and its directory writable, or {_ELSEWHERE}"),
    sqlite3.SQLITE_PERM: ("can't be opened", f"look at the permissions of the file, or {_ELSEWHERE}"),
    sqlite3.SQLITE_CANTOPEN: (
        "can't be opened",
        f"look at the permissions of the file and its directory, or {_ELSEWHERE}",
    ),
    sqlite3.SQLITE_FULL: ("can't grow: the disk is full", "free some space and try again"),
    sqlite3.SQLITE_IOERR: (
        "can't be read or written: the disk reports an error",
        "look at the disk and its free space",
    ),
}


def sqlite_error(path: Path, error: Exception) -> StorageError:
    """Translate an error of the sqlite3 module about the database at `path`."""
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
        return StorageError(f"the database {path} does not hold what this record belongs to")
    if code in (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY):
        return StorageError(f"the database {path} holds this record already")
    what, hint = _EXPLANATIONS.get(-1 if code is None else code & 0xFF, (f"refused: {error}", None))
    return StorageError(f"the database {path} {what}", hint=hint)


def newer_schema_error(path: Path) -> StorageError:
    """Return the error for a file whose schema this version does not know."""
    return StorageError(
        f"the database {path} was written by a newer neuralterm",
        hint="update neuralterm, or set NEURALTERM_DATA_DIR to another directory",
    )


def directory_error(directory: Path, error: OSError) -> StorageError:
    """Translate a failure to make the directory of the database."""
    return StorageError(f"the directory {directory} can't be made: {_reason(error)}", hint=_ELSEWHERE)


def file_error(path: Path, error: OSError) -> StorageError:
    """Translate a failure to create the database file."""
    return StorageError(f"the database {path} can't be created: {_reason(error)}", hint=_ELSEWHERE)


def spool_error(path: Path, error: OSError) -> StorageError:
    """Translate a failure to write a file, or to make the folder, of the journal."""
    return StorageError(f"the journal {path} can't be written: {_reason(error)}", hint=_ELSEWHERE)


def _reason(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else str(error)
