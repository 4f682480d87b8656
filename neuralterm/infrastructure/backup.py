"""A copy of the database as it is at one moment, while other processes go on writing."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from neuralterm.domain.exceptions import NotFoundError, ValidationError
from neuralterm.domain.record import record
from neuralterm.infrastructure.database import Database
from neuralterm.infrastructure.database_file import is_missing
from neuralterm.infrastructure.storage_errors import damaged_copy_error, sqlite_error, target_error

# Steps of the virtual machine of SQLite between two looks at whether Ctrl-C was pressed: some milliseconds.
_STEPS = 200_000
# Errors of writing, which only the copy can have.
_OF_THE_TARGET = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR_WRITE: errno.EIO,
    sqlite3.SQLITE_IOERR_TRUNCATE: errno.EIO,
}
# What SQLite may leave beside a file.
_COMPANIONS = ("", "-wal", "-shm", "-journal")


@record
class BackupReport:
    """What was written: `size` in bytes."""

    size: int
    conversations: int
    calls: int


def back_up(
    database: Database, target: Path, *, overwrite: bool = False, on_progress: Callable[[int, int], None] | None = None
) -> BackupReport:
    """Copy the database into the file `target` (0600), which appears whole or not at all.

    The copy is checked before it gets its name. `on_progress` is told of pages copied and pages in all, and may raise.

    Raises:
        ValidationError: the target exists (code `FILE_EXISTS`, unless `overwrite`), is no place for a backup, or there is
            no database.
        StorageError: the database can't be read or is damaged, or the target can't be written.
    """
    try:
        target = _checked(database.path, target, overwrite=overwrite)
        descriptor, name = tempfile.mkstemp(prefix=".neuralterm-backup-", suffix=".part", dir=target.parent)
    except OSError as exc:
        raise target_error(target, exc) from exc
    part = Path(name)
    try:
        report = _copied(database, part, target, on_progress or (lambda done, total: None))
        os.fsync(descriptor)
        _put_in_place(part, target, overwrite=overwrite)
    except OSError as exc:
        raise target_error(target, exc) from exc
    finally:
        os.close(descriptor)
        for suffix in _COMPANIONS:
            with suppress(OSError):
                os.unlink(f"{part}{suffix}")
    return report


def _checked(source: Path, target: Path, *, overwrite: bool) -> Path:
    """Return where links lead to. Raises `ValidationError` for what must not be written."""
    target = Path(os.path.realpath(target))
    if is_missing(str(source)):
        raise NotFoundError(f"there is nothing to back up: there is no database {source} yet")
    if not target.parent.is_dir():
        raise ValidationError(f"the directory {target.parent} does not exist", hint="make it, or name another one")
    own = [Path(f"{source}{suffix}") for suffix in _COMPANIONS]
    if any(target == Path(os.path.realpath(each)) or _is_same(target, each) for each in own):
        raise ValidationError(f"{target} is the database itself", hint="name another file")
    with suppress(FileNotFoundError):
        mode = target.stat().st_mode
        if not stat.S_ISREG(mode):
            what = "a directory" if stat.S_ISDIR(mode) else "no regular file"
            raise ValidationError(f"{target} is {what}", hint="name a file")
        if not overwrite:
            raise ValidationError(f"{target} exists already", "FILE_EXISTS", hint="--force overwrites it")
    for log in (f"{target}-wal", f"{target}-journal"):
        if os.path.lexists(log):
            raise ValidationError(
                f"{target} can't become a backup: the log {log} of another database is beside it",
                hint="name another file",
            )
    return target


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _copied(database: Database, part: Path, target: Path, on_progress: Callable[[int, int], None]) -> BackupReport:
    try:
        with closing(sqlite3.connect(part, isolation_level=None)) as copy:
            # What is half written is thrown away, so the copy needs no journal; it is flushed to the disk when it is whole.
            copy.execute("PRAGMA synchronous = OFF")
            copy.execute("PRAGMA journal_mode = OFF")
            database.copy_to(copy, on_progress)
            return _examined(database.path, copy, part)
    except sqlite3.Error as exc:
        code = getattr(exc, "sqlite_errorcode", 0)
        if code == sqlite3.SQLITE_INTERRUPT:
            raise KeyboardInterrupt from None
        if code in _OF_THE_TARGET:
            raise target_error(target, OSError(_OF_THE_TARGET[code], "")) from exc
        raise sqlite_error(database.path, exc) from exc


def _examined(source: Path, copy: sqlite3.Connection, part: Path) -> BackupReport:
    """Check the copy, and make it independent of logs, so that none of another file can be taken for its own."""
    copy.execute("PRAGMA journal_mode = DELETE")
    copy.set_progress_handler(lambda: 0, _STEPS)  # where Python notices signals
    found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise damaged_copy_error(source, str(found))
    conversations, calls = copy.execute(
        "SELECT (SELECT count(*) FROM conversations), (SELECT count(*) FROM calls)"
    ).fetchone()
    return BackupReport(part.stat().st_size, conversations, calls)


def _put_in_place(part: Path, target: Path, *, overwrite: bool) -> None:
    if overwrite:
        part.replace(target)
    else:
        try:
            os.link(part, target)  # unlike a renaming it fails when somebody has made the file meanwhile
        except FileExistsError as exc:
            raise ValidationError(f"{target} exists already", "FILE_EXISTS", hint="--force overwrites it") from exc
        except OSError:  # not every file system has links
            part.replace(target)
    with suppress(OSError):  # not every file system can flush a directory
        directory = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
