"""The system's time."""

from __future__ import annotations

import time
from datetime import datetime

from neuralterm.domain.zones import utc_now


class SystemClock:
    """Tells the time of this machine."""

    def now(self) -> datetime:
        """Return the wall-clock time, in UTC."""
        return utc_now()

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        from neuralterm.application import waiting

        await waiting.sleep(seconds)
