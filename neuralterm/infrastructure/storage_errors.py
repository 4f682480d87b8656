"""What SQLite and the file system refuse, as `StorageError`: one sentence and the next step."""

from __future__ import annotations

import errno
import os
import sqlite3
from typing import TYPE_CHECKING

from neuralterm.domain.exceptions import StorageError

if TYPE_CHECKING:
    from pathlib import Path

_ELSEWHERE = "set NEURALTERM_DATA_DIR to a directory that can be written"
_LOCAL = "network drives often can't lock files: set NEURALTERM_DATA_DIR to a directory of this machine"
_BEGIN_ANEW = "move it away to begin with an empty history, or put a backup in its place"
_WRITABLE = f"make the file and its directory writable, or {_ELSEWHERE}"
_FREE_SPACE = "free some space and try again"
_LOOK_AT_DISK = "look at the disk, its free space and your quota"
_PERMISSIONS = f"look at the permissions of the file and its directory, or {_ELSEWHERE}"

# Extended codes first: what is not among them is explained by its primary code, the lowest eight bits.
_EXPLANATIONS = {
    sqlite3.SQLITE_NOTADB: ("is damaged or not a database", _BEGIN_ANEW),
    sqlite3.SQLITE_CORRUPT: ("is damaged", _BEGIN_ANEW),
    sqlite3.SQLITE_FORMAT: ("is damaged or not a database", _BEGIN_ANEW),
    sqlite3.SQLITE_BUSY: ("stays locked by another process", "end the program that holds it and try again"),
    sqlite3.SQLITE_LOCKED: ("stays locked by this process", "report this: it should not happen"),
    sqlite3.SQLITE_PROTOCOL: (
        "can't be locked: other processes keep coming between, or locks don't work there",
        _LOCAL,
    ),
    sqlite3.SQLITE_NOLFS: ("is too large for its file system", _ELSEWHERE),
    sqlite3.SQLITE_READONLY: ("can't be written", _WRITABLE),
    sqlite3.SQLITE_READONLY_DBMOVED: ("was moved or deleted while it was open", "try again"),
    sqlite3.SQLITE_READONLY_DIRECTORY: ("can't be written: its directory can't", _WRITABLE),
    sqlite3.SQLITE_PERM: ("can't be opened", _PERMISSIONS),
    sqlite3.SQLITE_AUTH: ("can't be opened", _PERMISSIONS),
    sqlite3.SQLITE_CANTOPEN: ("can't be opened", _PERMISSIONS),
    sqlite3.SQLITE_CANTOPEN_ISDIR: ("can't be opened: it is a directory", _ELSEWHERE),
    sqlite3.SQLITE_CANTOPEN_SYMLINK: ("can't be opened: it is a symbolic link", _ELSEWHERE),
    sqlite3.SQLITE_CANTOPEN_FULLPATH: ("can't be opened: its path can't be resolved", _ELSEWHERE),
    sqlite3.SQLITE_FULL: ("can't grow: the disk is full", _FREE_SPACE),
    sqlite3.SQLITE_TOOBIG: ("can't hold so long a text", None),
    sqlite3.SQLITE_NOMEM: ("can't be used: there is not enough memory", None),
    sqlite3.SQLITE_INTERRUPT: ("was interrupted at its work", None),
    sqlite3.SQLITE_IOERR: ("can't be read or written: the disk reports an error", _LOOK_AT_DISK),
    sqlite3.SQLITE_IOERR_NOMEM: ("can't be used: there is not enough memory", None),
    sqlite3.SQLITE_IOERR_SHORT_READ: ("is damaged: a part of it is missing", _BEGIN_ANEW),
    sqlite3.SQLITE_IOERR_SHMSIZE: ("can't be opened: the disk has no room for its index", _FREE_SPACE),
    **dict.fromkeys(
        (sqlite3.SQLITE_IOERR_SHMOPEN, sqlite3.SQLITE_IOERR_SHMMAP),
        ("can't be opened: the index beside it can't be made", f"{_LOOK_AT_DISK}; {_LOCAL}"),
    ),
    **dict.fromkeys(
        (
            sqlite3.SQLITE_IOERR_LOCK,
            sqlite3.SQLITE_IOERR_UNLOCK,
            sqlite3.SQLITE_IOERR_RDLOCK,
            sqlite3.SQLITE_IOERR_BLOCKED,
            sqlite3.SQLITE_IOERR_CHECKRESERVEDLOCK,
            sqlite3.SQLITE_IOERR_SHMLOCK,
        ),
        ("can't be locked: its file system reports an error", _LOCAL),
    ),
}

# Primary codes, and extended ones, of a place that can perhaps be read all the same.
_UNWRITABLE = frozenset(
    {
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_IOERR_TRUNCATE,
        sqlite3.SQLITE_IOERR_SHMOPEN,
        sqlite3.SQLITE_IOERR_SHMSIZE,
        sqlite3.SQLITE_IOERR_SHMMAP,
    }
)


def sqlite_error(path: Path | str, error: Exception) -> StorageError:
    """Translate an error of the sqlite3 module about the database at `path`."""
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
        return StorageError(f"the database {path} does not hold what this record belongs to")
    if code in (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY):
        return StorageError(f"the database {path} holds this record already")
    explained = None if code is None else _EXPLANATIONS.get(code, _EXPLANATIONS.get(code & 0xFF))
    what, hint = explained or (f"refused: {error}", None)
    if code == sqlite3.SQLITE_CANTOPEN:
        what += _what_is_closed(path)
    return StorageError(f"the database {path} {what}", hint=hint)


def passes_by_itself(error: BaseException | None) -> bool:
    """Say whether the same statement may succeed a moment later, because another process is at work.

    Only for a statement outside a transaction, or one that begins it: nothing of it has happened.
    """
    return _primary(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL)


def may_be_readable(error: BaseException | None) -> bool:
    """Say whether a place that refused to be opened for writing can perhaps be read."""
    return _primary(error) in _UNWRITABLE or getattr(error, "sqlite_errorcode", None) in _UNWRITABLE


def is_unwritable(error: BaseException | None) -> bool:
    """Say whether writing is not allowed there, whatever the state of disk and locks."""
    return _primary(error) in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)


def newer_schema_error(path: Path | str) -> StorageError:
    """Return the error for a file whose schema this version does not know."""
    return StorageError(
        f"the database {path} was written by a newer neuralterm",
        hint="update neuralterm, or set NEURALTERM_DATA_DIR to another directory",
    )


def older_schema_error(path: Path | str) -> StorageError:
    """Return the error for a file that would have to be brought up to date where nothing can be written."""
    return StorageError(
        f"the database {path} was written by an older neuralterm, and it can't be brought up to date where it is",
        hint=f"copy it to a directory that can be written and name that one: {_ELSEWHERE}",
    )


def log_in_read_only_place_error(path: Path | str, log: str) -> StorageError:
    """Return the error for a file whose newest records are in a log that can't be read without writing."""
    return StorageError(
        f"the database {path} can't be read where it is: its newest records are in {log}, "
        "and reading them needs a directory that can be written",
        hint="copy both files to such a directory, and set NEURALTERM_DATA_DIR to it",
    )


def undone_error(path: Path | str) -> StorageError:
    """Return the error for a step of a transaction that SQLite has undone after an error before: alone it must not stand."""
    return StorageError(f"the database {path} has undone this change, because an earlier part of it failed")


def changing_error(path: Path | str) -> StorageError:
    """Return the error for a file that can only be read as it lies there, and that somebody keeps changing."""
    return StorageError(f"the database {path} can't be read where it is: somebody changes it", hint="try again later")


def foreign_log_error(path: Path | str, log: str) -> StorageError:
    """Return the error for a log that was written for another file."""
    return StorageError(
        f"the database {path} does not belong to the log {log} beside it",
        hint=f"if a backup was put in its place, move {log} and the file that ends in -shm away",
    )


def not_a_file_error(path: Path | str, kind: str) -> StorageError:
    """Return the error for something else in the place of the database."""
    return StorageError(f"the database {path} can't be opened: it is {kind}", hint=f"move it away, or {_ELSEWHERE}")


def directory_error(directory: str, error: OSError) -> StorageError:
    """Translate a failure to make the directory of the database."""
    return StorageError(f"the directory {directory} can't be made: {_reason(error)}", hint=_hint(error))


def file_error(path: Path | str, error: OSError) -> StorageError:
    """Translate a failure to create the database file."""
    return StorageError(f"the database {path} can't be created: {_reason(error)}", hint=_hint(error))


def access_error(path: Path | str, error: OSError) -> StorageError:
    """Translate a failure to look at the database file."""
    return StorageError(f"the database {path} can't be opened: {_reason(error)}", hint=_PERMISSIONS)


def target_error(target: Path, error: OSError) -> StorageError:
    """Translate a failure to write a backup."""
    return StorageError(f"the backup {target} can't be written: {_reason(error)}", hint="nothing was left behind there")


def damaged_copy_error(path: Path | str, finding: str) -> StorageError:
    """Return the error for a database whose copy does not pass SQLite's check."""
    return StorageError(
        f"the database {path} is damaged, so no backup was written: {finding}",
        hint="keep your older backups; `sqlite3 FILE .recover` may save what can be read",
    )


def _what_is_closed(path: Path | str) -> str:
    """Return why SQLite may not be able to open a file: it does not say."""
    effective = os.access in os.supports_effective_ids
    for closed, mode, reason in (
        (path, os.R_OK, "it may not be read"),
        (os.path.dirname(path) or os.curdir, os.W_OK, "its directory can't be written"),
    ):
        if os.path.lexists(closed) and not os.access(closed, mode, effective_ids=effective):
            return f": {reason}"
    return ""


def _primary(error: BaseException | None) -> int:
    code = getattr(error, "sqlite_errorcode", None)
    return -1 if code is None else int(code) & 0xFF


def _hint(error: OSError) -> str:
    return _FREE_SPACE if error.errno in (errno.ENOSPC, errno.EDQUOT) else _ELSEWHERE


def spool_error(path: Path | str, error: OSError) -> StorageError:
    """Translate a failure to write a file, or to make the folder, of the journal."""
    return StorageError(f"the journal {path} can't be written: {_reason(error)}", hint=_hint(error))


def _reason(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else str(error)
