"""Waiting for other processes in slices, so that it can be seen, ended early, and limited for a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Seconds. SQLite tries again by itself for so long, deaf to signals and to the event loop.
SLICE = 0.05
# Different for each, so that no process is always the one too late. Some locks SQLite does not wait for at all.
_PAUSE = (0.002, 0.02)
_TOLD_AFTER = 2.0


def _never() -> bool:
    return False


def _nothing() -> None:
    return None


class LockWaiting:
    """How long to wait for locks, and who is told.

    `patience`: seconds. `interrupted` is asked between slices, whether to give up now. `on_wait` is called once, when a wait
    has lasted two seconds.
    """

    def __init__(self, patience: float, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.patience = patience
        self.monotonic = monotonic
        self.interrupted: Callable[[], bool] = _never
        self.on_wait: Callable[[], None] = _nothing
        self._limited = False

    @property
    def slice(self) -> float:
        """Seconds that SQLite may wait by itself."""
        return min(SLICE, self.patience)

    @contextmanager
    def limited_to(self, patience: float) -> Iterator[None]:
        """Wait at most so many seconds inside; who calls knows of interruptions, so nobody is asked."""
        before = self.patience, self._limited
        self.patience, self._limited = patience, True
        try:
            yield
        finally:
            self.patience, self._limited = before

    def begin(self) -> Wait:
        """Return a wait that begins now, after a first refusal."""
        return Wait(self)

    def tell(self) -> None:
        """Tell once that it takes long."""
        told, self.on_wait = self.on_wait, _nothing
        told()

    def gives_up(self) -> bool:
        """Say whether somebody wants the waiting to end."""
        return not self._limited and self.interrupted()


class Wait:
    """One wait for a lock."""

    def __init__(self, waiting: LockWaiting) -> None:
        self._waiting = waiting
        self._begun = waiting.monotonic() - waiting.slice

    def again(self) -> bool:
        """Pause a moment and return True, or False when it is time to give up."""
        waited = self._waiting.monotonic() - self._begun
        if waited >= self._waiting.patience or self._waiting.gives_up():
            return False
        if waited >= _TOLD_AFTER:
            self._waiting.tell()
        from random import uniform

        time.sleep(uniform(*_PAUSE))
        return True
