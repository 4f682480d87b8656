"""Which days a report is about."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from neuralterm.application.reports import CostReport, calendar_key
from neuralterm.domain.zones import time_zone

# Days without calls before the first one that are worth showing because somebody asked about them.
_MOST_EMPTY_DAYS = 366
# Up to so many days are told one by one, and up to so many as weeks.
_MOST_DAYS, _MOST_WEEK_DAYS = 93, 651


def days_of(report: CostReport, now: datetime) -> tuple[date, date]:
    """Return the first and the last day of a report by day, in its time zone: those asked for, or those with calls, until now.

    Asking for what was long before the first call shows nothing of that.
    """
    zone = time_zone(report.timezone)
    today = now.astimezone(zone).date()
    known = [date.fromisoformat(group.keys[0]) for group in report.groups]
    since, until = report.filter.since, report.filter.until
    last = today if until is None else min((until - timedelta(microseconds=1)).astimezone(zone).date(), today)
    last = max([last, *known])
    first = min([*known, last])
    if since is not None and since.astimezone(zone).date() >= first - timedelta(days=_MOST_EMPTY_DAYS):
        first = min(since.astimezone(zone).date(), first)
    return first, last


def unit_for(first: date, last: date) -> str:
    """Return which of `day`, `week` and `month` makes parts that can be told apart side by side."""
    count = (last - first).days + 1
    return "day" if count <= _MOST_DAYS else "week" if count <= _MOST_WEEK_DAYS else "month"


def periods(unit: str, first: date, last: date) -> Iterator[str]:
    """Yield the keys of all days, weeks or months from the first day to the last, without a gap."""
    key = ""
    for number in range((last - first).days + 1):
        following = calendar_key(unit, first + timedelta(days=number))
        if following != key:
            key = following
            yield key
