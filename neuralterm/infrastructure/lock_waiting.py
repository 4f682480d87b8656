"""Waiting for other processes step by step, so that it can be seen, ended early, and limited for a while.

SQLite's own waiting is switched off: it is deaf to signals and to the event loop, and begins anew with the shortest pauses.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Seconds. Most locks are free after some milliseconds. Where many processes wait, each that looks takes time from the one
# that holds the lock, so who has waited for long looks seldom.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.1
_GROWTH = 2
_TOLD_AFTER = 2.0


def _never() -> bool:
    return False


def _nothing() -> None:
    return None


class LockWaiting:
    """How long to wait for locks, and who is told.

    `patience`: seconds. `interrupted` is asked before each pause, whether to give up now. `on_wait` is called once, when a wait
    has lasted two seconds.
    """

    def __init__(
        self,
        patience: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.patience = patience
        self.monotonic = monotonic
        self.sleep = sleep
        self.interrupted: Callable[[], bool] = _never
        self.on_wait: Callable[[], None] = _nothing
        self._limited = False

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
        self._begun = waiting.monotonic()
        self._pause = _FIRST_PAUSE

    def again(self) -> bool:
        """Pause a moment and return True, or False when it is time to give up."""
        waited = self._waiting.monotonic() - self._begun
        if waited >= self._waiting.patience or self._waiting.gives_up():
            return False
        if waited >= _TOLD_AFTER:
            self._waiting.tell()
        self._waiting.sleep(self._pause * _share())
        self._pause = min(self._pause * _GROWTH, _LONGEST_PAUSE)
        return True


def _share() -> float:
    """Return something between a half and one, different for each, so that no process is always the one too late."""
    return 0.5 + os.urandom(1)[0] / 510  # importing `random` takes longer than most waits
