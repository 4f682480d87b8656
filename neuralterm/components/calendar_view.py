"""What days cost, as a calendar: a column for each week, a row for each day of the week."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from neuralterm.application.records import CallTotals
from neuralterm.application.reports import known_usd
from neuralterm.components.text_width import wrapped
from neuralterm.domain.money import dollars

_SHADES = "░▒▓█"
_NOTHING, _FREE, _UNKNOWN, _UPSTREAM = "·", "0", "?", "+"
# What a day is like on which no amount is known.
_TOLD_WITHOUT_AMOUNT = {_FREE: "for free", _UPSTREAM: "charged to your own keys only", _UNKNOWN: "not settled yet"}
# How the signs look where styles are allowed; what they tell does not depend on it.
STYLES: Mapping[str, Mapping[str, Any]] = {
    "░": {"fg": "cyan"},
    "▒": {"fg": "green"},
    "▓": {"fg": "yellow"},
    "█": {"fg": "red"},
    _NOTHING: {"dim": True},
}
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# The columns of a terminal that the names of the days take.
_MARGIN = 5
_NAME, _ANYWHERE = 3, 10**9
_GAP = "  "
_WEEK = timedelta(days=7)


def calendar_text(days: Sequence[CallTotals], first: date, last: date, width: int | None = None) -> str:
    """Return the calendar from `first` to `last`; the only key of `days` is a date, and a day without calls has no entry.

    Shades are quarters of the days that cost something, so that one dear day does not make all others alike. A terminal of
    so many columns has the weeks that fit, the last ones.
    """
    by_day = {date.fromisoformat(each.keys[0]): each for each in days}
    mondays = _mondays(first, last)
    step = 2
    if width is not None:
        step = 2 if _MARGIN + 2 * len(mondays) <= width else 1
        mondays = mondays[-max((width - _MARGIN) // step, 1) :]
    begin = max(first, mondays[0])
    shown = {day: totals for day, totals in by_day.items() if begin <= day <= last}
    limits = _limits([known_usd(each) for each in shown.values()])
    lines = [_month_line(mondays, step, width)]
    for weekday, name in enumerate(_DAYS):
        cells = [_cell(monday + timedelta(days=weekday), begin, last, shown, limits) for monday in mondays]
        lines.append((f"{name:<{_MARGIN}}" + "".join(f"{cell:<{step}}" for cell in cells)).rstrip())
    left_out = "; earlier weeks don't fit" if begin > first else ""
    told = [*_legend(limits, shown), f"{begin.isoformat()} to {last.isoformat()}{left_out}"]
    lines += ["", *(wrapped(line, width, gap=_GAP) for line in told)]
    return "\n".join(lines)


def _mondays(first: date, last: date) -> list[date]:
    monday = first - timedelta(days=first.weekday())
    return [monday + number * _WEEK for number in range((last - monday).days // 7 + 1)]


def _month_line(mondays: Sequence[date], step: int, width: int | None) -> str:
    """Write the name of a month above the first week that begins in it, where there is room before the next name."""
    places = [
        _MARGIN + number * step
        for number, monday in enumerate(mondays)
        if number == 0 or monday.month != mondays[number - 1].month
    ]
    line = ""
    for at, following in zip(places, [*places[1:], width or _ANYWHERE], strict=True):
        if following - at > _NAME or (following == width and following - at == _NAME):
            line = f"{line:<{at}}{_MONTHS[mondays[(at - _MARGIN) // step].month - 1]}"
    return line


def _cell(day: date, first: date, last: date, shown: Mapping[date, CallTotals], limits: Sequence[Decimal]) -> str:
    if not first <= day <= last:
        return " "
    totals = shown.get(day)
    if totals is None:
        return _NOTHING
    usd = known_usd(totals)
    return _SHADES[sum(usd > limit for limit in limits[:-1])] if usd else _sign_without_amount(totals)


def _sign_without_amount(totals: CallTotals) -> str:
    return _UNKNOWN if totals.unsettled_calls else _UPSTREAM if totals.upstream_usd else _FREE


def _limits(amounts: Sequence[Decimal]) -> list[Decimal]:
    """Return the largest amount of each quarter of those that are more than nothing, without repetitions."""
    sorted_amounts = sorted(amount for amount in amounts if amount)
    if not sorted_amounts:
        return []
    count = len(sorted_amounts)
    return sorted({sorted_amounts[-(-count * quarter // 4) - 1] for quarter in range(1, 5)})


def _legend(limits: Sequence[Decimal], shown: Mapping[date, CallTotals]) -> list[str]:
    parts = [f"{shade} to {dollars(limit)}" for shade, limit in zip(_SHADES, limits, strict=False)]
    signs = {_sign_without_amount(each) for each in shown.values() if not known_usd(each)}
    parts += [f"{sign} {told}" for sign, told in _TOLD_WITHOUT_AMOUNT.items() if sign in signs]
    parts.append(f"{_NOTHING} no calls")
    lines = [_GAP.join(parts)]
    if limits:
        dearest = max(shown, key=lambda day: known_usd(shown[day]))
        lines.append(f"most on {dearest.isoformat()}: {dollars(known_usd(shown[dearest]))}")
    return lines
