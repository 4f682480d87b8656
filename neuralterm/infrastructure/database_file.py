"""The database as a file: making it, what stands in its place, the logs beside it, and whether it is still the same."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from neuralterm.infrastructure.storage_errors import (
    access_error,
    directory_error,
    file_error,
    foreign_log_error,
    not_a_file_error,
)
from neuralterm.setting_files import OWN_FOLDER, make_private_folder

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


def spool_beside(name: str) -> str:
    """Return the folder of the journals that belong to a database."""
    return f"{name}-spool"


def journal_name(message_id: object) -> str:
    """Return what the journal of an answer is called in that folder."""
    return f"{message_id}{SPOOL_SUFFIX}"


def make_private_file(name: str) -> None:
    """Create the file (0600) and the directories above it (0700) where they are missing, whatever the umask."""
    folder = os.path.dirname(name)
    try:
        make_private_folder(folder)
    except OSError as exc:
        raise directory_error(folder, exc) from exc
    try:
        # Never open a file that exists: closing it would drop the locks of other connections of this process.
        os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        require_file(name)
    except OSError as exc:
        raise file_error(name, exc) from exc


def require_file(name: str) -> None:
    """Refuse what is no regular file, before anything waits for the other end of a pipe; close it to other users."""
    try:
        mode = os.stat(name).st_mode
    except FileNotFoundError as exc:
        raise not_a_file_error(name, f"a link to {os.path.realpath(name)}, which does not exist") from exc
    except OSError as exc:
        raise access_error(name, exc) from exc
    for is_kind, kind in _KINDS:
        if is_kind(mode):
            raise not_a_file_error(name, kind)
    with suppress(OSError):  # someone else's file: opening it tells what may be done with it
        _close_to_others(name, mode)
        folder = os.path.dirname(name)
        for directory in (folder, os.path.dirname(folder)):
            if os.path.basename(directory) == OWN_FOLDER:  # any other may be shared with what is not ours
                _close_to_others(directory, os.stat(directory).st_mode)


def _close_to_others(name: str, mode: int) -> None:
    if mode & 0o077:
        os.chmod(name, mode & 0o700)


def is_missing(name: str) -> bool:
    """Say whether there is nothing at all of that name; a link to nothing is something."""
    return not os.path.lexists(name)


def identity_of(name: str, *, precise: bool = False) -> Identity | None:
    """Return what tells the file from another one of that name, with `precise` from a changed one; None if it is gone."""
    try:
        found = os.stat(name)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if precise:
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
    return found.st_dev, found.st_ino


def is_empty(name: str) -> bool:
    """Say whether nothing was written into the file yet, nor into its logs."""
    return os.stat(name).st_size == 0 and unread_log(name) is None


def unread_log(name: str) -> str | None:
    """Return the name of a log beside the file that holds something, None if there is none."""
    for suffix in ("-wal", "-journal"):
        with suppress(OSError):
            found = os.stat(f"{name}{suffix}")
            if stat.S_ISREG(found.st_mode) and found.st_size:
                return f"{name}{suffix}"
    return None


def require_own_log(name: str) -> None:
    """Refuse a file with a log that can't be its own: SQLite would write it into the file.

    Reads the file, so no other connection of this process may have it open.
    """
    log = f"{name}-wal"
    with suppress(OSError):
        if not os.stat(log).st_size:
            return
        with open(name, "rb", buffering=0) as file:
            header = file.read(_HEADER_LENGTH)
        uses_a_log = len(header) == _HEADER_LENGTH and header[-1] >= _USES_A_LOG
        if not uses_a_log and os.stat(log).st_size:  # another process may have ended the log in between
            raise foreign_log_error(name, log)
