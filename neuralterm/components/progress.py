"""How far long work has come, for people who wait."""

from __future__ import annotations

from collections.abc import Callable

# Seconds: work that is done sooner needs no words, and after that so much lies between two lines.
_PATIENCE = 1.0


class Progress:
    """Called with what is done and what is to be done, in any unit: says the percentage now and then, from a second on."""

    def __init__(self, verb: str, say: Callable[[str], None], monotonic: Callable[[], float]) -> None:
        self._verb = verb
        self._say = say
        self._monotonic = monotonic
        self._next_at = monotonic() + _PATIENCE

    def __call__(self, done: int, total: int) -> None:
        """Take note."""
        now = self._monotonic()
        if now >= self._next_at and 0 < done < total:
            self._next_at = now + _PATIENCE
            self._say(f"{self._verb} {done * 100 // total}%")
