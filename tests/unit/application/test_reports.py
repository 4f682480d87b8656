from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.application.records import CallFilter, CallTotals
from neuralterm.application.reports import all_billed, cost_report, known_usd, require_all_billed, time_zone
from neuralterm.domain.exceptions import ValidationError

EVERYTHING = CallFilter()


class FakeLedger:
    """Answers with what it is given, and remembers what it was asked."""

    def __init__(self, **rows):
        self.rows = rows
        self.asked = []

    def totals(self, filter, by):
        self.asked.append((filter, by))
        return self.rows.get(by or "total", [])


def row(key, billed="0.01", calls=1, **fields) -> CallTotals:
    return CallTotals(key=key, calls=calls, prompt_tokens=10, by_source={"billed": Decimal(billed)}, **fields)


def keys(report):
    return [group.key for group in report.groups]


def test_an_empty_ledger_gives_zeros():
    report = cost_report(FakeLedger(), EVERYTHING, by="day")

    assert report.total == CallTotals(key="")
    assert known_usd(report.total) == 0
    assert report.groups == ()


def test_without_grouping_only_the_total_is_asked_for():
    ledger = FakeLedger(total=[row("", calls=3)])
    wanted = CallFilter(since=datetime(2026, 11, 1, tzinfo=UTC), tag="ci")

    report = cost_report(ledger, wanted)

    assert report.total.calls == 3
    assert report.filter is wanted
    assert ledger.asked == [(wanted, None)]


@pytest.mark.parametrize("by", ["model", "provider", "conversation", "tag", "run", "source"])
def test_other_groups_are_the_ledgers_own(by):
    ledger = FakeLedger(**{by: [row("a"), row("b")]})

    assert keys(cost_report(ledger, EVERYTHING, by=by)) == ["a", "b"]
    assert ledger.asked[-1] == (EVERYTHING, by)


@pytest.mark.parametrize(
    ("by", "timezone", "expected"),
    [
        ("day", "UTC", ["2026-11-22", "2026-11-23"]),
        ("day", "utc", ["2026-11-22", "2026-11-23"]),
        ("day", "Asia/Tokyo", ["2026-11-23"]),
        ("day", "America/Los_Angeles", ["2026-11-22"]),
        ("week", "UTC", ["2026-11-16", "2026-11-23"]),
        ("week", "Asia/Tokyo", ["2026-11-23"]),
        ("week", "America/Los_Angeles", ["2026-11-16"]),
        ("month", "UTC", ["2026-11"]),
    ],
)
def test_hours_are_folded_into_the_calendar_of_the_zone(by, timezone, expected):
    hours = [row("2026-11-22T23:00:00Z"), row("2026-11-23T00:00:00Z")]

    assert keys(cost_report(FakeLedger(hour=hours), EVERYTHING, by=by, timezone=timezone)) == expected


def test_a_year_has_its_months_in_order():
    hours = [row("2025-12-31T23:00:00Z"), row("2026-01-01T00:00:00Z"), row("2026-10-01T00:00:00Z")]

    assert keys(cost_report(FakeLedger(hour=hours), EVERYTHING, by="month")) == ["2025-12", "2026-01", "2026-10"]


def test_a_day_without_its_spring_hour_is_still_one_day():
    first = datetime(2026, 3, 29, 0, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
    hours = [row((first + timedelta(hours=hour)).strftime("%Y-%m-%dT%H:00:00Z")) for hour in range(24)]

    report = cost_report(FakeLedger(hour=hours), EVERYTHING, by="day", timezone="Europe/Berlin")

    assert [(group.key, group.calls) for group in report.groups] == [("2026-03-29", 23), ("2026-03-30", 1)]


@pytest.mark.parametrize(
    ("timezone", "inexact"), [("Asia/Kolkata", True), ("Asia/Kathmandu", True), ("Asia/Tokyo", False)]
)
def test_zones_off_by_less_than_an_hour_are_pointed_out(timezone, inexact):
    ledger = FakeLedger(hour=[row("2026-11-22T18:00:00Z")])

    report = cost_report(ledger, EVERYTHING, by="day", timezone=timezone)

    assert report.inexact_days is inexact


def test_every_field_is_summed():
    def hour(at, bound):
        return CallTotals(
            key=at,
            calls=2,
            prompt_tokens=3,
            completion_tokens=4,
            reasoning_tokens=5,
            cached_tokens=6,
            by_source={"billed": Decimal("0.1"), "computed": Decimal("0.2")},
            unsettled_calls=1,
            unsettled_at_most_usd=bound,
            upstream_usd=Decimal("0.7"),
        )

    hours = [hour("2026-11-23T01:00:00Z", Decimal("0.05")), hour("2026-11-23T02:00:00Z", Decimal("0.06"))]
    (group,) = cost_report(FakeLedger(hour=hours), EVERYTHING, by="day").groups

    assert group == CallTotals(
        key="2026-11-23",
        calls=4,
        prompt_tokens=6,
        completion_tokens=8,
        reasoning_tokens=10,
        cached_tokens=12,
        by_source={"billed": Decimal("0.2"), "computed": Decimal("0.4")},
        unsettled_calls=2,
        unsettled_at_most_usd=Decimal("0.11"),
        upstream_usd=Decimal("1.4"),
    )


def test_one_hour_without_a_bound_leaves_the_day_without():
    hours = [
        row("2026-11-23T01:00:00Z", unsettled_calls=1, unsettled_at_most_usd=None),
        row("2026-11-23T02:00:00Z", unsettled_calls=1, unsettled_at_most_usd=Decimal("0.5")),
    ]
    (group,) = cost_report(FakeLedger(hour=hours), EVERYTHING, by="day").groups

    assert group.unsettled_at_most_usd is None


PICO_DOLLARS = st.integers(0, 10**18).map(lambda pico: Decimal(pico).scaleb(-12))
HOURS = st.lists(st.tuples(st.integers(0, 20_000), PICO_DOLLARS, st.sampled_from(["billed", "estimated"])))


@given(HOURS, st.sampled_from(["day", "week", "month"]), st.sampled_from(["UTC", "Asia/Kolkata", "America/New_York"]))
def test_folding_loses_and_invents_nothing(spent, by, timezone):
    hours = [
        CallTotals(
            key=(datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=hour)).strftime("%Y-%m-%dT%H:00:00Z"),
            calls=1,
            by_source={source: usd},
        )
        for hour, usd, source in spent
    ]

    report = cost_report(FakeLedger(hour=hours), EVERYTHING, by=by, timezone=timezone)

    assert sum((known_usd(group) for group in report.groups), Decimal(0)) == sum(
        (usd for _, usd, _ in spent), Decimal(0)
    )
    assert sum(group.calls for group in report.groups) == len(spent)
    assert keys(report) == sorted(set(keys(report)))


def test_the_total_counts_every_source_that_names_an_amount():
    amounts = {"billed": "1", "reconciled": "0.1", "computed": "0.01", "estimated": "0.000000000001"}
    totals = CallTotals("", by_source={source: Decimal(usd) for source, usd in amounts.items()})

    assert known_usd(totals) == Decimal("1.110000000001")


@pytest.mark.parametrize("name", ["Mars/Base", "", "../etc/passwd", "Europe", "/etc/localtime", "a\0b"])
def test_an_unknown_zone_is_an_input_error(name):
    with pytest.raises(ValidationError, match="time zone"):
        time_zone(name)


def test_a_time_that_ends_before_it_begins_is_an_input_error():
    wanted = CallFilter(since=datetime(2026, 2, 1, tzinfo=UTC), until=datetime(2026, 1, 1, tzinfo=UTC))

    with pytest.raises(ValidationError, match="--since"):
        cost_report(FakeLedger(), wanted)


@pytest.mark.parametrize(
    ("totals", "expected"),
    [
        (CallTotals(""), True),
        (CallTotals("", by_source={"billed": Decimal(1), "reconciled": Decimal(1)}), True),
        (CallTotals("", by_source={"computed": Decimal("1E-12")}), False),
        (CallTotals("", by_source={"estimated": Decimal("1E-12")}), False),
        (CallTotals("", by_source={"billed": Decimal(1)}, unsettled_calls=1), False),
    ],
)
def test_all_billed(totals, expected):
    report = cost_report(FakeLedger(total=[totals]), EVERYTHING)

    assert all_billed(totals) is expected
    if expected:
        require_all_billed(report)
    else:
        with pytest.raises(ValidationError) as caught:
            require_all_billed(report)
        assert caught.value.code == "NOT_ALL_BILLED"
