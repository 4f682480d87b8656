"""The journal of running answers: a file for each, in a folder beside the database.

A file takes no lock that another process could hold and grows by what came, so that text is on disk as soon as it is
here, and the end of an answer is kept when the database can't be written. Each line is a JSON object:
`{"call", "conversation"}` for each request, `{"generation"}`, `{"text"}`, `{"reasoning"}`, and `{"call", "messages"}` at an
end that the database did not take. What a killed process left of its last line is not read.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID

from neuralterm.application.journal import JournalEntry, Unsaved
from neuralterm.application.records import Call
from neuralterm.domain.exceptions import StorageError
from neuralterm.domain.models import Conversation
from neuralterm.infrastructure.database_file import SPOOL_SUFFIX, journal_name
from neuralterm.infrastructure.storage_errors import spool_error

# Room that is taken on the disk before the request is made, and kept ahead of what is written: a disk that fills up
# meanwhile still holds the end of the answer.
_RESERVE = 64 * 1024
_TRIES = 1000
# The first line follows at once when a file was made (seconds).
_BEGUN_WITHIN_S = 5
# Where the file system has no such reservations, there is none.
_NO_RESERVATIONS = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.ENODEV)


class Spool:
    """The journal files beside a database file. Writing raises StorageError; what failed may be written again."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._files: dict[UUID, _JournalFile] = {}

    def open(self, message_id: UUID, call: Call, conversation: Conversation) -> None:
        """Begin the file of an answer, or note the next request for it."""
        from neuralterm.infrastructure.spool_records import opening_line

        file = self._files.get(message_id)
        if file is None:
            file = self._files[message_id] = self._create(message_id)
        try:
            file.write(opening_line(call, conversation))
        except StorageError:
            self.close(message_id)
            raise

    def append(self, message_id: UUID, text: str = "", reasoning: str = "") -> None:
        """Add what has come. A line is written at once, so that all of it is there when this returns, or nothing."""
        record = {name: value for name, value in (("text", text), ("reasoning", reasoning)) if value}
        if record:
            self._file(message_id).write(record)

    def note_generation(self, message_id: UUID, generation_id: str) -> None:
        """Remember the service's id of the answer."""
        self._file(message_id).write({"generation": generation_id})

    def keep(self, message_id: UUID, unsaved: Unsaved) -> None:
        """Keep the end of an answer that the database did not take; its text is here already."""
        from neuralterm.infrastructure.spool_records import ending_line

        file = self._file(message_id)
        if not file.is_there():
            file = self._made_anew(message_id, file)
        file.write(ending_line(unsaved))

    def close(self, message_id: UUID) -> None:
        """Forget the file: the database has all of it."""
        file = self._files.pop(message_id, None)
        if file is not None:
            file.close()
        # What can't be removed is found again at the next start, and nothing in it is new then.
        with suppress(OSError):
            os.unlink(self._path(message_id))
            os.rmdir(self._directory)  # if this was the last one

    def left(self) -> list[UUID]:
        """Return the answers that have a file, of whatever process."""
        try:
            names = os.listdir(self._directory)
        except OSError:
            return []
        return list(_ids(names))

    def read(self, message_id: UUID) -> JournalEntry | None:
        """Return what the file of an answer holds; None when there is none, or none that can be read."""
        from neuralterm.infrastructure.spool_records import entry_from

        path = self._path(message_id)
        try:
            with open(path, "rb") as file:
                data = file.read()
            if not data.strip(b"\x00") and time.time() - os.stat(path).st_mtime > _BEGUN_WITHIN_S:
                os.unlink(path)  # its process died before it had written anything, and so before it asked anything
        except OSError:
            return None
        return entry_from(message_id, data)

    def _path(self, message_id: UUID) -> str:
        return os.path.join(self._directory, journal_name(message_id))

    def _file(self, message_id: UUID) -> _JournalFile:
        try:
            return self._files[message_id]
        except KeyError:
            raise StorageError(f"no answer {message_id} is running here") from None

    def _made_anew(self, message_id: UUID, gone: _JournalFile) -> _JournalFile:
        """Write a file that was deleted once more."""
        written = gone.content()
        file = self._create(message_id)
        gone.close()
        self._files[message_id] = file
        file.write_bytes(written)
        return file

    def _create(self, message_id: UUID) -> _JournalFile:
        for _ in range(_TRIES):
            _make_private(self._directory)
            try:
                return _JournalFile(self._path(message_id))
            except FileNotFoundError:
                continue  # another process has just removed the empty folder
            except StorageError:
                with suppress(OSError):
                    os.rmdir(self._directory)
                raise
        raise StorageError(f"the folder {self._directory} goes as soon as it is made")


class _JournalFile:
    """One file, open for writing, with room ahead."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._end = 0
        self._reserved = 0
        try:
            self._descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | _AS_IT_IS, 0o600)
        except FileNotFoundError:
            raise
        except OSError as exc:
            raise spool_error(path, exc) from exc
        try:
            self._reserve()
        except OSError as exc:
            self.close()
            with suppress(OSError):
                os.unlink(path)
            raise spool_error(path, exc) from exc

    def write(self, record: dict[str, Any]) -> None:
        self.write_bytes(f"{_encoded(record)}\n".encode())

    def write_bytes(self, data: bytes) -> None:
        try:
            if self._end + len(data) > self._reserved - _RESERVE // 2:
                self._reserve_more(len(data))
            written = os.write(self._descriptor, data)
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
        except OSError as exc:
            with suppress(OSError):
                os.lseek(self._descriptor, self._end, os.SEEK_SET)
            raise spool_error(self._path, exc) from exc
        self._end += len(data)

    def content(self) -> bytes:
        try:
            with open(os.dup(self._descriptor), "rb") as file:
                file.seek(0)
                return file.read(self._end)
        except OSError as exc:
            raise spool_error(self._path, exc) from exc

    def is_there(self) -> bool:
        """Say whether the file of that name is still this one."""
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._descriptor))
        except OSError:
            return False

    def close(self) -> None:
        with suppress(OSError):
            os.close(self._descriptor)

    def _reserve_more(self, size: int) -> None:
        # There may be enough room for this record all the same.
        with suppress(OSError):
            self._reserve(size)

    def _reserve(self, size: int = 0) -> None:
        if not hasattr(os, "posix_fallocate"):
            return
        start = max(self._reserved, self._end)
        length = self._end + size + _RESERVE - start
        try:
            os.posix_fallocate(self._descriptor, start, length)
        except OSError as exc:
            if exc.errno not in _NO_RESERVATIONS:
                raise
        self._reserved = start + length


_encoded = json.JSONEncoder(separators=(",", ":")).encode
# For no other program, and on Windows with no byte put before the end of a line.
_AS_IT_IS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def _make_private(directory: str) -> None:
    try:
        os.mkdir(directory, 0o700)
    except FileExistsError:
        return
    except OSError as exc:
        raise spool_error(directory, exc) from exc


def _ids(names: list[str]) -> Iterator[UUID]:
    for name in names:
        if name.endswith(SPOOL_SUFFIX):
            with suppress(ValueError):
                yield UUID(name.removesuffix(SPOOL_SUFFIX))
