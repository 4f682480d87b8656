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


class Pipe:
    """A pipe to write to. Its reader may stop reading for hours, and signals must be noticed all the same."""

    def __init__(self, descriptor: int, interrupted: Callable[[], bool]) -> None:
        self._descriptor = descriptor
        self._interrupted = interrupted

    @classmethod
    def behind(cls, stream: TextIO, interrupted: Callable[[], bool]) -> Pipe | None:
        """Return the pipe that a stream writes to, None if it is something else, or can't be waited for."""
        import select

        descriptor = pipe_of(stream)
        return None if descriptor is None or not hasattr(select, "poll") else cls(descriptor, interrupted)

    def parts(self, text: str) -> Iterator[str]:
        """Yield the text in parts, each when there is room for it (or nobody left to make some).

        Raises KeyboardInterrupt when interrupted while there is none.
        """
        import select

        room = select.poll()
        room.register(self._descriptor, select.POLLOUT)
        for start in range(0, len(text), _PART):
            while not room.poll(_PATIENCE_MS):
                if self._interrupted():
                    raise KeyboardInterrupt
            yield text[start : start + _PART]


def pipe_of(stream: TextIO | None) -> int | None:
    """Return the descriptor of the pipe that a stream writes to, None if it is something else."""
    if stream is None:
        return None
    try:
        descriptor = stream.fileno()
        return descriptor if stat.S_ISFIFO(os.fstat(descriptor).st_mode) else None
    except (OSError, ValueError):
        return None


def silence(stream: TextIO | None) -> None:
    """Point a stream at nothing, so that what is still to be written, at the end at the latest, can't fail."""
    if stream is None:
        return
    with suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)
