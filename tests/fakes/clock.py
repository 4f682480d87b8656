"""A clock that moves only when it is told to, or slept on."""

from datetime import UTC, datetime, timedelta

import anyio.lowlevel

MONDAY_NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class FakeClock:
    def __init__(self, start: datetime = MONDAY_NOON) -> None:
        self._start = start
        self._passed = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        return self._passed

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)
        await anyio.lowlevel.checkpoint()

    def advance(self, seconds: float) -> None:
        self._passed += seconds
