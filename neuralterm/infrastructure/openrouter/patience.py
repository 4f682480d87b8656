"""Ends a stream that lives but gets nowhere: comments, blank padding, bytes that never become an event."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from neuralterm.domain.exceptions import StreamInterruptedError, StreamStalledError
from neuralterm.infrastructure.openrouter.limits import MOST_WITHOUT_A_PIECE

RAISE_IDLE_TIMEOUT = "--idle-timeout raises this limit, which is five times as long"


class Patience:
    """Counts the time waited and the bytes read since the last piece of the answer.

    `seconds` is the limit for the waiting; what the reader of the answer needs for itself does not count. `clock` is in
    seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._waited = 0.0
        self._bytes = 0

    async def wait_for(self, reading: Awaitable[bytes]) -> bytes:
        """Return the block that is read."""
        began = self._clock()
        block = await reading
        self._waited += self._clock() - began
        self._bytes += len(block)
        return block

    def renew(self) -> None:
        """Count anew: a piece of the answer came."""
        self._waited = 0.0
        self._bytes = 0

    def check(self) -> None:
        """Raise StreamStalledError past the time, StreamInterruptedError past the bytes."""
        if self._waited > self._seconds:
            raise stalled(self._seconds)
        if self._bytes > MOST_WITHOUT_A_PIECE:
            raise StreamInterruptedError(f"the service sent {self._bytes:,} bytes without a piece of an answer in them")


def stalled(seconds: float) -> StreamStalledError:
    """Return the error for signs of life without an answer."""
    return StreamStalledError(
        f"the service sent no piece of the answer for {seconds:g} seconds, only signs of life", hint=RAISE_IDLE_TIMEOUT
    )
