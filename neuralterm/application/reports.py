"""Where the money went."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta, tzinfo
from decimal import Decimal

from neuralterm.application.ports import Ledger
from neuralterm.application.records import CallFilter, CallTotals
from neuralterm.domain.exceptions import ValidationError
from neuralterm.domain.models import KNOWN_SOURCES, CostSource
from neuralterm.domain.money import EXACT, sum_usd
from neuralterm.domain.record import record, replace
from neuralterm.domain.zones import time_zone

_CALENDAR: dict[str, Callable[[date], str]] = {
    "day": lambda day: day.isoformat(),
    "week": lambda day: (day - timedelta(days=day.weekday())).isoformat(),
    "month": lambda day: day.strftime("%Y-%m"),
}
CALENDAR_KEYS = tuple(_CALENDAR)
# Sources whose amounts the service named itself, in its replies or later.
_OF_THE_SERVICE = (CostSource.BILLED.value, CostSource.RECONCILED.value)


@record
class CostReport:
    """What calls cost, all together and, if asked for, by group (ordered by keys).

    The key of a day is its date, of a week the date of its Monday, of a month `2026-11`.
    """

    filter: CallFilter
    timezone: str
    by: tuple[str, ...]
    total: CallTotals
    groups: tuple[CallTotals, ...] = ()


def cost_report(ledger: Ledger, filter: CallFilter, *, by: Sequence[str] = (), timezone: str = "UTC") -> CostReport:
    """Add up the calls, in all and by any of `day`, `week`, `month` and the groupings of the ledger, in this order.

    `timezone` is an IANA name and tells where days begin.

    Raises:
        ValidationError: no such time zone or grouping, or the time ends before it begins.
    """
    zone = time_zone(timezone)
    require_order(filter)
    (total,) = ledger.totals(filter)
    report = CostReport(filter, timezone, tuple(by), total)
    return replace(report, groups=tuple(_groups(ledger, filter, by, zone))) if by else report


def require_order(filter: CallFilter) -> None:
    """Raise `ValidationError` when the time ends before it begins."""
    if filter.since is not None and filter.until is not None and filter.since > filter.until:
        raise ValidationError("--since is later than --until")


def _groups(ledger: Ledger, filter: CallFilter, by: Sequence[str], zone: tzinfo) -> list[CallTotals]:
    if not _CALENDAR.keys() & set(by):
        return ledger.totals(filter, by)
    asked = list(dict.fromkeys("day" if name in _CALENDAR else name for name in by))
    found: dict[tuple[str, ...], CallTotals] = {}
    for row in ledger.totals(filter, asked, zone):
        known = dict(zip(asked, row.keys, strict=True))
        day = date.fromisoformat(known["day"])
        keys = tuple(_CALENDAR[name](day) if name in _CALENDAR else known[name] for name in by)
        row = replace(row, keys=keys)
        found[keys] = _sum(found[keys], row) if keys in found else row
    return [found[keys] for keys in sorted(found)]


def calendar_key(unit: str, day: date) -> str:
    """Return the key of the `day`, `week` or `month` that a day is in."""
    return _CALENDAR[unit](day)


def known_usd(totals: CallTotals) -> Decimal:
    """Return the sum of all amounts that are known, USD; unsettled calls are not in it."""
    return sum_usd(usd_from(totals, source) for source in KNOWN_SOURCES)


def dearest_first(groups: Iterable[CallTotals]) -> list[CallTotals]:
    """Return the groups by what is known of their cost, that of equal ones by what providers charged beside it."""
    return sorted(groups, key=lambda group: (known_usd(group), group.upstream_usd), reverse=True)


def usd_from(totals: CallTotals, source: CostSource) -> Decimal:
    """Return the sum of the amounts from one source, USD."""
    return totals.by_source.get(source.value, Decimal(0))


def require_all_billed(ledger: Ledger, report: CostReport) -> None:
    """Raise `ValidationError` (code `NOT_ALL_BILLED`) unless the service itself named every amount, zeros included."""
    calls = {row.keys[0]: row.calls for row in ledger.totals(report.filter, ["source"])}
    others = {source: count for source, count in calls.items() if source not in _OF_THE_SERVICE}
    if others:
        listed = ", ".join(f"{count} {source}" for source, count in others.items())
        raise ValidationError(
            f"{sum(others.values())} of {sum(calls.values())} calls have no amount from the service itself: {listed}",
            "NOT_ALL_BILLED",
            hint="`neuralterm cost reconcile` asks the service about what it did not bill in its replies",
        )


def _sum(one: CallTotals, other: CallTotals) -> CallTotals:
    sources = [*one.by_source, *(source for source in other.by_source if source not in one.by_source)]
    bounds = (one.unsettled_at_most_usd, other.unsettled_at_most_usd)
    return CallTotals(
        keys=one.keys,
        calls=one.calls + other.calls,
        prompt_tokens=one.prompt_tokens + other.prompt_tokens,
        completion_tokens=one.completion_tokens + other.completion_tokens,
        reasoning_tokens=one.reasoning_tokens + other.reasoning_tokens,
        cached_tokens=one.cached_tokens + other.cached_tokens,
        by_source={
            source: sum_usd(totals.by_source.get(source, Decimal(0)) for totals in (one, other)) for source in sources
        },
        unsettled_calls=one.unsettled_calls + other.unsettled_calls,
        unsettled_at_most_usd=None if None in bounds else sum_usd(bound for bound in bounds if bound is not None),
        upstream_usd=EXACT.add(one.upstream_usd, other.upstream_usd),
    )
