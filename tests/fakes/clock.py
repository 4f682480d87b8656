"""A clock that moves only when it is told to, or slept on."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import anyio.lowlevel

MONDAY_NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class FakeClock:
    def __init__(self, start: datetime = MONDAY_NOON) -> None:
        self._start = start
        self._passed = 0.0
        self.slept: list[float] = []
        self._due: list[tuple[float, Callable[[], object]]] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        return self._passed

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)
        await anyio.lowlevel.checkpoint()

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        """Do something when so much time has passed."""
        self._due.append((seconds, action))

    def advance(self, seconds: float) -> None:
        self._passed += seconds
        due, self._due = self._due, []
        for moment, action in due:
            if moment <= self._passed:
                action()
            else:
                self._due.append((moment, action))
