"""Standard streams as the system sees them: a pipe whose reader stops reading, and a stream that is given up."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

_PATIENCE_MS = 50


class NobodyReadsError(Exception):
    """There was no room for what was to be written, and the invocation has been told to end."""


class Outlet:
    """A pipe, or something else that may have no room for what is written, and that for hours. Signals are noticed."""

    def __init__(self, stream: TextIO, descriptor: int, interrupted: Callable[[], bool]) -> None:
        import select

        self._stream = stream
        self._descriptor = descriptor
        # What a pipe that takes anything takes without waiting.
        self._part = select.PIPE_BUF
        self._interrupted = interrupted
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    @classmethod
    def behind(cls, stream: TextIO, interrupted: Callable[[], bool]) -> Outlet | None:
        """Return the outlet of a stream; None if writing to it does not wait for a reader, or nobody can wait for room."""
        import select

        descriptor = descriptor_of(stream)
        if descriptor is None or not hasattr(select, "poll"):
            return None
        may_wait = is_pipe(descriptor) or not os.get_blocking(descriptor)
        return cls(stream, descriptor, interrupted) if may_wait else None

    def write(self, text: str) -> None:
        """Write a text, part by part as there is room.

        Raises NobodyReadsError when interrupted while there is none, OSError as writing does.
        """
        self._stream.flush()
        # Not through the stream, which would take two calls of the system more where Python buffers nothing.
        data = text.encode(self._stream.encoding, self._stream.errors or "strict")
        start = 0
        while start < len(data):
            self._wait()
            with suppress(BlockingIOError):
                start += os.write(self._descriptor, data[start : _end_of_part(data, start, self._part)])

    def _wait(self) -> None:
        while not self._poll.poll(_PATIENCE_MS):
            if self._interrupted():
                raise NobodyReadsError


def _end_of_part(data: bytes, start: int, size: int) -> int:
    """Return the end of a part of UTF-8 of at most so many bytes, between two characters."""
    end = start + size
    while start < end < len(data) and data[end] & 0xC0 == 0x80:
        end -= 1
    return end


def descriptor_of(stream: TextIO | None) -> int | None:
    """Return the number under which the system knows a stream; None for one that is in memory, closed or not there."""
    try:
        return None if stream is None else stream.fileno()
    except (OSError, ValueError):
        return None


def is_pipe(descriptor: int) -> bool:
    """Say whether a descriptor is a pipe, with a name or without."""
    try:
        return stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    except OSError:
        return False


def flush_or_silence(stream: TextIO | None) -> None:
    """Write what a stream still holds, if it can be written."""
    try:
        if stream is not None:
            stream.flush()
    except (OSError, ValueError):
        silence(stream)


def silence(stream: TextIO | None) -> None:
    """Point a stream at nothing, so that what is still to be written, at the end at the latest, can't fail."""
    descriptor = descriptor_of(stream)
    if descriptor is None:
        return
    with suppress(OSError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, descriptor)
        os.close(nothing)
