"""Bars of block characters, for amounts side by side."""

from __future__ import annotations

from decimal import Decimal

_EIGHTHS = " ▏▎▍▌▋▊▉"
_FULL = "█"


def bar(amount: Decimal, largest: Decimal, width: int) -> str:
    """Return a bar that is `width` columns long for the largest amount; one that is more than nothing can be seen."""
    if amount <= 0 or largest <= 0:
        return ""
    eighths = max(int(amount * width * 8 / largest), 1)
    return (_FULL * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()
