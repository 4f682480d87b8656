"""Where the money went."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import reduce

from neuralterm.application.ports import Ledger
from neuralterm.application.records import CallFilter, CallTotals
from neuralterm.domain.exceptions import ValidationError
from neuralterm.domain.models import KNOWN_SOURCES, CostSource
from neuralterm.domain.money import EXACT
from neuralterm.domain.zones import time_zone

_CALENDAR: dict[str, Callable[[date], str]] = {
    "day": lambda day: day.isoformat(),
    "week": lambda day: (day - timedelta(days=day.weekday())).isoformat(),
    "month": lambda day: day.strftime("%Y-%m"),
}


@dataclass(frozen=True, slots=True)
class CostReport:
    """What calls cost, all together and, if asked for, by group (ordered by key).

    The key of a day is its date, of a week the date of its Monday, of a month `2026-11`. `inexact_days` says that the
    time zone's midnight lies within an hour of UTC, and so each whole UTC hour was given to the day it begins in.
    """

    filter: CallFilter
    timezone: str
    by: str | None
    total: CallTotals
    groups: tuple[CallTotals, ...] = ()
    inexact_days: bool = False


def cost_report(ledger: Ledger, filter: CallFilter, *, by: str | None = None, timezone: str = "UTC") -> CostReport:
    """Add up the calls, in all and by `day`, `week`, `month` or a grouping of the ledger.

    `timezone` is an IANA name and tells where days begin.

    Raises:
        ValidationError: no such time zone, or the time ends before it begins.
    """
    zone = time_zone(timezone)
    if filter.since is not None and filter.until is not None and filter.since > filter.until:
        raise ValidationError("--since is later than --until")
    total = next(iter(ledger.totals(filter, None)), CallTotals(key=""))
    report = CostReport(filter, timezone, by, total)
    if by is None:
        return report
    if by not in _CALENDAR:
        return replace(report, groups=tuple(ledger.totals(filter, by)))
    hours = ledger.totals(filter, "hour")
    begins = [_start_of(row).astimezone(zone) for row in hours]
    names = [_CALENDAR[by](begin.date()) for begin in begins]
    return replace(
        report,
        groups=tuple(_folded(zip(names, hours, strict=True))),
        inexact_days=any(begin.minute or begin.second for begin in begins),
    )


def known_usd(totals: CallTotals) -> Decimal:
    """Return the sum of all amounts that are known, USD; unsettled calls are not in it."""
    return _add(usd_from(totals, source) for source in KNOWN_SOURCES)


def usd_from(totals: CallTotals, source: CostSource) -> Decimal:
    """Return the sum of the amounts from one source, USD."""
    return totals.by_source.get(source.value, Decimal(0))


def all_billed(totals: CallTotals) -> bool:
    """Say whether the service itself named every amount, in its replies or later."""
    return (
        totals.unsettled_calls == 0
        and usd_from(totals, CostSource.COMPUTED) == 0
        and usd_from(totals, CostSource.ESTIMATED) == 0
    )


def require_all_billed(report: CostReport) -> None:
    """Raise `ValidationError` (code `NOT_ALL_BILLED`) unless the service itself named every amount."""
    if not all_billed(report.total):
        raise ValidationError("not every amount was billed by the service", "NOT_ALL_BILLED")


def _start_of(row: CallTotals) -> datetime:
    return datetime.fromisoformat(row.key)


def _folded(rows: Iterable[tuple[str, CallTotals]]) -> list[CallTotals]:
    found: dict[str, list[CallTotals]] = {}
    for key, row in rows:
        found.setdefault(key, []).append(replace(row, key=key))
    return [reduce(_sum, found[key]) for key in sorted(found)]


def _sum(one: CallTotals, other: CallTotals) -> CallTotals:
    sources = [*one.by_source, *(source for source in other.by_source if source not in one.by_source)]
    bounds = (one.unsettled_at_most_usd, other.unsettled_at_most_usd)
    return CallTotals(
        key=one.key,
        calls=one.calls + other.calls,
        prompt_tokens=one.prompt_tokens + other.prompt_tokens,
        completion_tokens=one.completion_tokens + other.completion_tokens,
        reasoning_tokens=one.reasoning_tokens + other.reasoning_tokens,
        cached_tokens=one.cached_tokens + other.cached_tokens,
        by_source={
            source: _add(totals.by_source.get(source, Decimal(0)) for totals in (one, other)) for source in sources
        },
        unsettled_calls=one.unsettled_calls + other.unsettled_calls,
        unsettled_at_most_usd=None if None in bounds else _add(bound for bound in bounds if bound is not None),
        upstream_usd=EXACT.add(one.upstream_usd, other.upstream_usd),
    )


def _add(amounts: Iterable[Decimal]) -> Decimal:
    return reduce(EXACT.add, amounts, Decimal(0))
