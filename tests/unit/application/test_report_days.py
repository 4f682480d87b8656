from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.application.records import CallFilter, CallTotals
from neuralterm.application.report_days import days_of, periods, unit_for
from neuralterm.application.reports import CostReport

NOW = datetime(2026, 11, 26, 23, 30, tzinfo=UTC)


def at(day):
    return datetime.fromisoformat(f"{day}T00:00+00:00")


def report(*days, since=None, until=None, zone="UTC"):
    wanted = CallFilter(since=since and at(since), until=until and at(until))
    return CostReport(wanted, zone, ("day",), CallTotals(), tuple(CallTotals((day,)) for day in days))


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        (report(), "2026-11-26", "2026-11-26"),
        (report(zone="Asia/Tokyo"), "2026-11-27", "2026-11-27"),
        (report("2026-11-03", "2026-11-20"), "2026-11-03", "2026-11-26"),
        (report("2026-11-03", since="2026-10-01"), "2026-10-01", "2026-11-26"),
        (report("2026-11-03", since="2020-01-01"), "2026-11-03", "2026-11-26"),
        (report("2026-11-03", until="2026-11-10"), "2026-11-03", "2026-11-09"),
        (report("2026-11-03", until="2030-01-01"), "2026-11-03", "2026-11-26"),
        (report("2027-01-05"), "2027-01-05", "2027-01-05"),
        (report(since="2026-11-20"), "2026-11-20", "2026-11-26"),
        (report(since="2030-01-01"), "2026-11-26", "2026-11-26"),
        (report(until="2020-01-01"), "2019-12-31", "2019-12-31"),
    ],
)
def test_days_of_a_report(asked, first, last):
    assert days_of(asked, NOW) == (date.fromisoformat(first), date.fromisoformat(last))


@pytest.mark.parametrize(("days", "unit"), [(1, "day"), (93, "day"), (94, "week"), (651, "week"), (652, "month")])
def test_units_that_can_be_told_apart(days, unit):
    assert unit_for(date(2024, 1, 1), date(2024, 1, 1) + timedelta(days=days - 1)) == unit


@given(st.dates(date(2000, 1, 1), date(2030, 1, 1)), st.integers(0, 800))
def test_periods_have_no_gap(first, length):
    last = first + timedelta(days=length)

    days, weeks, months = (list(periods(unit, first, last)) for unit in ("day", "week", "month"))

    assert days == [(first + timedelta(days=number)).isoformat() for number in range(length + 1)]
    assert weeks == sorted(set(weeks))
    assert all(date.fromisoformat(week).weekday() == 0 for week in weeks)
    assert months == sorted({day[:7] for day in days})
