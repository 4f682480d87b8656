"""Amounts side by side, drawn with block characters."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

_EIGHTHS = " ▏▎▍▌▋▊▉"
_FULL = "█"
_HEIGHTS = "▁▂▃▄▅▆▇█"


def bar(amount: Decimal, largest: Decimal, width: int) -> str:
    """Return a bar that is `width` columns long for the largest amount; one that is more than nothing can be seen."""
    if amount <= 0 or largest <= 0:
        return ""
    eighths = max(int(amount * width * 8 / largest), 1)
    return (_FULL * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()


def sparkline(values: Sequence[Decimal]) -> str:
    """Return one character for each amount, the highest for the largest; nothing is the lowest, and more can be seen."""
    largest = max(values, default=Decimal(0))
    return "".join(_HEIGHTS[_height(value, largest)] for value in values)


def _height(value: Decimal, largest: Decimal) -> int:
    """Return the height of an amount, from 0 for nothing to that of the largest; any amount is higher than nothing."""
    if value <= 0 or largest <= 0:
        return 0
    return max(int(value * (len(_HEIGHTS) - 1) / largest), 1)
