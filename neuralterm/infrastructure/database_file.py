"""The database as a file: making it, what stands in its place, the logs beside it, and whether it is still the same."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from neuralterm.infrastructure.storage_errors import (
    access_error,
    directory_error,
    file_error,
    foreign_log_error,
    not_a_file_error,
)

# What the data directory is called where the platform says where it is.
OWN_DIRECTORY = "neuralterm"

Identity = tuple[int, ...]

# What the name of an answer's journal ends with, behind the id of the message.
SPOOL_SUFFIX = ".jsonl"

# Where the file's first page says that its changes go through a log.
_HEADER_LENGTH = 20
_USES_A_LOG = 2

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def spool_beside(path: Path) -> Path:
    """Return the folder of the journals that belong to a database."""
    return path.with_name(f"{path.name}-spool")


def journal_name(message_id: object) -> str:
    """Return what the journal of an answer is called in that folder."""
    return f"{message_id}{SPOOL_SUFFIX}"


def make_private_file(path: Path) -> None:
    """Create the file (0600) and the directories above it (0700) where they are missing, whatever the umask."""
    try:
        for directory in reversed([each for each in path.parents if not each.exists()]):
            directory.mkdir(mode=0o700, exist_ok=True)
    except OSError as exc:
        raise directory_error(path.parent, exc) from exc
    try:
        # Never open a file that exists: closing it would drop the locks of other connections of this process.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        require_file(path)
    except OSError as exc:
        raise file_error(path, exc) from exc


def require_file(path: Path) -> None:
    """Refuse what is no regular file, before anything waits for the other end of a pipe; close it to other users."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as exc:
        raise not_a_file_error(path, f"a link to {os.path.realpath(path)}, which does not exist") from exc
    except OSError as exc:
        raise access_error(path, exc) from exc
    for is_kind, kind in _KINDS:
        if is_kind(mode):
            raise not_a_file_error(path, kind)
    with suppress(OSError):  # someone else's file: opening it tells what may be done with it
        _close_to_others(path, mode)
        for directory in (path.parent, path.parent.parent):
            if directory.name == OWN_DIRECTORY:  # any other may be shared with what is not ours
                _close_to_others(directory, directory.stat().st_mode)


def _close_to_others(path: Path, mode: int) -> None:
    if mode & 0o077:
        path.chmod(mode & 0o700)


def is_missing(path: Path) -> bool:
    """Say whether there is nothing at all of that name; a link to nothing is something."""
    return not os.path.lexists(path)


def identity_of(name: str, *, precise: bool = False) -> Identity | None:
    """Return what tells the file from another one of that name, with `precise` from a changed one; None if it is gone."""
    try:
        found = os.stat(name)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if precise:
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
    return found.st_dev, found.st_ino


def is_empty(path: Path) -> bool:
    """Say whether nothing was written into the file yet, nor into its logs."""
    return path.stat().st_size == 0 and unread_log(path) is None


def unread_log(path: Path) -> str | None:
    """Return the name of a log beside the file that holds something, None if there is none."""
    for suffix in ("-wal", "-journal"):
        with suppress(OSError):
            found = os.stat(f"{path}{suffix}")
            if stat.S_ISREG(found.st_mode) and found.st_size:
                return f"{path}{suffix}"
    return None


def require_own_log(path: Path) -> None:
    """Refuse a file with a log that can't be its own: SQLite would write it into the file.

    Reads the file, so no other connection of this process may have it open.
    """
    log = f"{path}-wal"
    with suppress(OSError):
        if not os.stat(log).st_size:
            return
        with path.open("rb", buffering=0) as file:
            header = file.read(_HEADER_LENGTH)
        uses_a_log = len(header) == _HEADER_LENGTH and header[-1] >= _USES_A_LOG
        if not uses_a_log and os.stat(log).st_size:  # another process may have ended the log in between
            raise foreign_log_error(path, log)
