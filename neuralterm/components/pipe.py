"""Standard streams as the system sees them: a pipe whose reader stops reading, and a stream that is given up."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TextIO

# A pipe that takes anything takes a page, which is as much text as this has at most in UTF-8.
_PART = 1024
_PATIENCE_MS = 50


class NobodyReadsError(Exception):
    """There was no room for what was to be written, and the invocation has been told to end."""


class Outlet:
    """A pipe, or something else that may have no room for what is written, and that for hours. Signals are noticed."""

    def __init__(self, stream: TextIO, descriptor: int, interrupted: Callable[[], bool]) -> None:
        import select

        self._stream = stream
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
        """Write a text and flush it, part by part as there is room.

        Raises NobodyReadsError when interrupted while there is none, OSError as writing does.
        """
        for part in _parts(text):
            self._wait()
            self._stream.write(part)
            self._flush()

    def _flush(self) -> None:
        while True:
            try:
                self._stream.flush()
                return
            except BlockingIOError:  # what did not go is kept for the next try
                self._wait()

    def _wait(self) -> None:
        while not self._poll.poll(_PATIENCE_MS):
            if self._interrupted():
                raise NobodyReadsError


def _parts(text: str) -> Iterator[str]:
    return (text[start : start + _PART] for start in range(0, len(text), _PART))


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
