"""What was spent, cut in several ways: for a page that shows all of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from neuralterm.application.ports import Ledger
from neuralterm.application.records import CallTotals
from neuralterm.application.report_days import days_of, periods, unit_for
from neuralterm.application.reports import CALENDAR_KEYS, CostReport, cost_report, dearest_first
from neuralterm.domain.record import record, replace

USUAL = ("day", "model", "tag")


@record
class Spent:
    """A report in all, and one for each key that it is cut by, at one moment.

    Groups by time are all from the first to the last, those without calls too; others begin with the dearest.
    """

    whole: CostReport
    parts: tuple[CostReport, ...]
    made_at: datetime


def spent(ledger: Ledger, whole: CostReport, by: Sequence[str], now: datetime) -> Spent:
    """Cut a report by each of the keys. Without any: by model, by tag, and by days, or what is coarse enough for as many."""
    cut = {name: _cut(ledger, whole, name) for name in by or USUAL}
    first, last = days_of(cut["day"] if "day" in cut else _cut(ledger, whole, "day"), now)
    unit = unit_for(first, last)
    if not by and unit != "day":
        cut = {unit: _cut(ledger, whole, unit), **{name: part for name, part in cut.items() if name != "day"}}
    return Spent(whole, tuple(_arranged(part, first, last) for part in cut.values()), now)


def _cut(ledger: Ledger, whole: CostReport, key: str) -> CostReport:
    return cost_report(ledger, whole.filter, by=[key], timezone=whole.timezone)


def _arranged(part: CostReport, first: date, last: date) -> CostReport:
    (key,) = part.by
    if key not in CALENDAR_KEYS:
        return replace(part, groups=tuple(dearest_first(part.groups)))
    known = {group.keys: group for group in part.groups}
    keys = [(name,) for name in periods(key, first, last)]
    return replace(part, groups=tuple(known.get(name) or CallTotals(name) for name in keys))
