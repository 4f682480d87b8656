"""Budgets: how much may be spent in which window, and how far an output cap must shrink to fit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from enum import Enum

from neuralterm.domain.money import EXACT
from neuralterm.domain.pricing import PriceSet, worst_case

DEFAULT_WARNING_LEVEL = Decimal("0.8")

# Some providers refuse a smaller cap (`max_tokens` of at least 16), and a shorter answer is of no use to anyone.
SMALLEST_OUTPUT_CAP = 16

# The cap for output that costs nothing; any finite number would do, this one is beyond every model of 2026.
UNPRICED_OUTPUT_CAP = 1_000_000


class Window(str, Enum):
    """The time a budget counts: one invocation, or a calendar period in UTC. Weeks start on Monday."""

    CALL = "call"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    TOTAL = "total"

    def start(self, now: datetime) -> datetime | None:
        """Return the beginning of the window that `now` (UTC) is in; None for windows without one."""
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        if self is Window.DAY:
            return midnight
        if self is Window.WEEK:
            return midnight - timedelta(days=midnight.weekday())
        if self is Window.MONTH:
            return midnight.replace(day=1)
        return None

    def end(self, now: datetime) -> datetime | None:
        """Return when the window that `now` (UTC) is in ends and the budget starts afresh."""
        start = self.start(now)
        if start is None:
            return None
        if self is Window.DAY:
            return start + timedelta(days=1)
        if self is Window.WEEK:
            return start + timedelta(days=7)
        return (start + timedelta(days=32)).replace(day=1)


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit in USD for a window. A warning is due when `warning_level` (0 to 1) of it is used."""

    name: str
    limit_usd: Decimal
    window: Window
    warning_level: Decimal = DEFAULT_WARNING_LEVEL


@dataclass(frozen=True, slots=True)
class Admission:
    """What a call may do: at most `output_cap` output tokens, and so at most `at_most_usd`."""

    output_cap: int
    at_most_usd: Decimal
    cap_was_reduced: bool


def fit_output_cap(
    prices: PriceSet, *, prompt_tokens: int, wanted_output_tokens: int | None, remaining_usd: Decimal
) -> Admission | None:
    """Return the largest output cap whose worst case fits what is left.

    `prompt_tokens` is an upper bound; `wanted_output_tokens` is the cap that the user or the model sets anyway (None:
    none). Returns None when not even `SMALLEST_OUTPUT_CAP` (or the smaller wanted cap) fits, and when the prices can't
    be bounded.
    """
    fixed = worst_case(prices, prompt_tokens, 0)
    price = prices.highest_completion_price()
    if fixed is None or price is None:
        return None
    left = EXACT.subtract(remaining_usd, fixed)
    if left < 0:
        return None
    cap = wanted_output_tokens
    if price > 0:
        affordable = int(EXACT.divide(left, price).to_integral_value(ROUND_FLOOR))
        cap = affordable if cap is None else min(cap, affordable)
    elif cap is None:
        cap = UNPRICED_OUTPUT_CAP
    floor = SMALLEST_OUTPUT_CAP if wanted_output_tokens is None else min(SMALLEST_OUTPUT_CAP, wanted_output_tokens)
    if cap < floor:
        return None
    bound = worst_case(prices, prompt_tokens, cap)
    assert bound is not None
    reduced = price > 0 if wanted_output_tokens is None else cap < wanted_output_tokens
    return Admission(cap, bound, reduced)
