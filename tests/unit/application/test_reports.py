from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.application.records import Call, CallFilter, CallTotals
from neuralterm.application.reports import cost_report, known_usd, require_all_billed, time_zone
from neuralterm.domain.exceptions import ValidationError
from neuralterm.domain.models import Cost
from tests.fakes.storage import InMemoryLedger

EVERYTHING = CallFilter()


class FakeLedger:
    """Answers with what it is given, by grouping, and remembers what it was asked."""

    def __init__(self, *rows, **rows_by):
        self.rows = {"": list(rows) or [CallTotals()]} | rows_by
        self.asked = []

    def totals(self, filter, by=(), zone=UTC):
        self.asked.append((filter, tuple(by)))
        self.zone = zone
        return self.rows.get("_".join(by), [])


def row(*keys, billed="0.01", calls=1, **fields) -> CallTotals:
    return CallTotals(keys, calls=calls, prompt_tokens=10, by_source={"billed": Decimal(billed)}, **fields)


def keys(report):
    return [", ".join(group.keys) for group in report.groups]


def test_an_empty_ledger_gives_zeros():
    report = cost_report(FakeLedger(), EVERYTHING, by=["day"])

    assert report.total == CallTotals()
    assert known_usd(report.total) == 0
    assert report.groups == ()


def test_without_grouping_only_the_total_is_asked_for():
    ledger = FakeLedger(row(calls=3))
    wanted = CallFilter(since=datetime(2026, 11, 1, tzinfo=UTC), tag="ci")

    report = cost_report(ledger, wanted)

    assert report.total.calls == 3
    assert report.filter is wanted
    assert ledger.asked == [(wanted, ())]


@pytest.mark.parametrize("by", ["model", "provider", "conversation", "tag", "run", "source"])
def test_other_groups_are_the_ledgers_own(by):
    ledger = FakeLedger(**{by: [row("a"), row("b")]})

    assert keys(cost_report(ledger, EVERYTHING, by=[by])) == ["a", "b"]
    assert ledger.asked[-1] == (EVERYTHING, (by,))


@pytest.mark.parametrize(("timezone", "zone"), [("utc", UTC), ("Asia/Tokyo", ZoneInfo("Asia/Tokyo"))])
@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("day", ["2026-11-22", "2026-11-23"]),
        ("week", ["2026-11-16", "2026-11-23"]),
        ("month", ["2026-11"]),
    ],
)
def test_days_of_the_zone_are_folded_into_the_calendar(by, timezone, zone, expected):
    ledger = FakeLedger(day=[row("2026-11-22"), row("2026-11-23")])

    assert keys(cost_report(ledger, EVERYTHING, by=[by], timezone=timezone)) == expected
    assert ledger.asked[-1] == (EVERYTHING, ("day",))
    assert ledger.zone == zone


def test_a_year_has_its_months_in_order():
    days = [row("2025-12-31"), row("2026-01-01"), row("2026-10-01")]

    assert keys(cost_report(FakeLedger(day=days), EVERYTHING, by=["month"])) == ["2025-12", "2026-01", "2026-10"]


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)])
def test_days_of_another_length_have_all_their_calls(day, hours):
    ledger = InMemoryLedger()
    first = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
    for quarter in range(-1, 4 * hours + 1):
        ledger.open_call(Call("m", Cost.unsettled(), started_at=first + quarter * timedelta(minutes=15)))

    report = cost_report(ledger, EVERYTHING, by=["day"], timezone="Europe/Berlin")

    assert [group.calls for group in report.groups] == [1, 4 * hours, 1]
    assert report.groups[1].keys == (day.isoformat(),)


def test_several_groupings_come_in_the_order_asked_for():
    days = [row("m", "2026-11-22", "a"), row("m", "2026-11-23", "a"), row("n", "2026-11-23", "b")]
    ledger = FakeLedger(model_day_tag=days)

    report = cost_report(ledger, EVERYTHING, by=["model", "month", "tag", "day"])

    assert report.by == ("model", "month", "tag", "day")
    assert keys(report) == [
        "m, 2026-11, a, 2026-11-22",
        "m, 2026-11, a, 2026-11-23",
        "n, 2026-11, b, 2026-11-23",
    ]


def test_folded_groups_are_in_order_and_added_up():
    days = [row("2026-11-22", "n"), row("2026-11-22", "m"), row("2026-11-23", "m")]

    report = cost_report(FakeLedger(day_model=days), EVERYTHING, by=["month", "model"])

    assert [(*group.keys, group.calls) for group in report.groups] == [("2026-11", "m", 2), ("2026-11", "n", 1)]


def test_every_field_is_summed():
    def part(day, bound):
        return CallTotals(
            (day,),
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

    days = [part("2026-11-23", Decimal("0.05")), part("2026-11-24", Decimal("0.06"))]
    (group,) = cost_report(FakeLedger(day=days), EVERYTHING, by=["month"]).groups

    assert group == CallTotals(
        ("2026-11",),
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


def test_one_day_without_a_bound_leaves_the_month_without():
    days = [
        row("2026-11-23", unsettled_calls=1, unsettled_at_most_usd=None),
        row("2026-11-24", unsettled_calls=1, unsettled_at_most_usd=Decimal("0.5")),
    ]
    (group,) = cost_report(FakeLedger(day=days), EVERYTHING, by=["month"]).groups

    assert group.unsettled_at_most_usd is None


PICO_DOLLARS = st.integers(0, 10**18).map(lambda pico: Decimal(pico).scaleb(-12))
DAYS = st.lists(st.tuples(st.integers(0, 2000), PICO_DOLLARS, st.sampled_from(["billed", "estimated"])))


@given(DAYS, st.sampled_from(["day", "week", "month"]))
def test_folding_loses_and_invents_nothing(spent, by):
    days = [
        CallTotals(((date(2025, 1, 1) + timedelta(days=number)).isoformat(),), calls=1, by_source={source: usd})
        for number, usd, source in spent
    ]

    report = cost_report(FakeLedger(day=days), EVERYTHING, by=[by])

    assert sum((known_usd(group) for group in report.groups), Decimal(0)) == sum(
        (usd for _, usd, _ in spent), Decimal(0)
    )
    assert sum(group.calls for group in report.groups) == len(spent)
    assert keys(report) == sorted(set(keys(report)))


def test_the_total_counts_every_source_that_names_an_amount():
    amounts = {"billed": "1", "reconciled": "0.1", "computed": "0.01", "estimated": "0.000000000001"}
    totals = CallTotals(by_source={source: Decimal(usd) for source, usd in amounts.items()})

    assert known_usd(totals) == Decimal("1.110000000001")


@pytest.mark.parametrize("name", ["Mars/Base", "", "../etc/passwd", "Europe", "/etc/localtime", "a\0b"])
def test_an_unknown_zone_is_an_input_error(name):
    with pytest.raises(ValidationError, match="time zone"):
        time_zone(name)


def test_a_time_that_ends_before_it_begins_is_an_input_error():
    wanted = CallFilter(since=datetime(2026, 2, 1, tzinfo=UTC), until=datetime(2026, 1, 1, tzinfo=UTC))

    with pytest.raises(ValidationError, match="--since"):
        cost_report(FakeLedger(), wanted)


@pytest.mark.parametrize("sources", [[], ["billed"], ["billed", "reconciled"]])
def test_what_the_service_named_itself_is_enough(sources):
    ledger = FakeLedger(source=[row(source) for source in sources])

    require_all_billed(ledger, cost_report(ledger, EVERYTHING))


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        (
            [row("billed", calls=9), row("computed", billed="0")],
            "1 of 10 calls have no amount from the service itself: 1 computed",
        ),
        ([row("estimated", calls=2), row("unsettled", calls=3)], "5 of 5 calls .* 2 estimated, 3 unsettled"),
    ],
)
def test_calls_of_other_sources_are_counted_those_for_nothing_included(sources, said):
    ledger = FakeLedger(source=sources)
    wanted = CallFilter(tag="ci")

    with pytest.raises(ValidationError, match=said) as caught:
        require_all_billed(ledger, cost_report(ledger, wanted))

    assert caught.value.code == "NOT_ALL_BILLED"
    assert ledger.asked[-1] == (wanted, ("source",))
