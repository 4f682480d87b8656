"""Sums from the kept totals are those of a plain scan, whatever was asked; and plain reports read no calls."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuralterm.application.records import CallFilter
from neuralterm.domain.models import Cost, CostSource, MessageStatus, TokenUsage
from neuralterm.infrastructure.call_sums import GROUPINGS
from neuralterm.infrastructure.database import Database
from neuralterm.infrastructure.ledger import SQLiteLedger
from tests.fakes.storage import InMemoryLedger
from tests.integration.sqlite.samples import NOON, call

# Winter, the ends of summer time in Berlin and Lord Howe (which moves by half an hour), and a time before 1970.
MIDDLES = [NOON, *(datetime(*day, tzinfo=UTC) for day in ((2026, 10, 25), (2026, 3, 29), (2026, 4, 4), (1969, 12, 31)))]
MOMENTS = st.builds(
    lambda middle, ms: middle + timedelta(milliseconds=ms),
    st.sampled_from(MIDDLES),
    st.integers(-2 * 24 * 3_600_000, 2 * 24 * 3_600_000),
)
ZONES = st.sampled_from(["Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/St_Johns", "Africa/Abidjan"])
EDGES = st.builds(
    lambda middle, quarters: middle.replace(microsecond=0) + quarters * timedelta(minutes=15),
    st.sampled_from(MIDDLES),
    st.integers(-2 * 96, 2 * 96),
)
AMOUNTS = st.none() | st.decimals(min_value=0, max_value=9, places=12)
MODELS = st.sampled_from(["a/one", "a/two", "b/one"])
STATES = st.fixed_dictionaries(
    {
        "usd": AMOUNTS,
        "source": st.sampled_from([source for source in CostSource if source is not CostSource.UNSETTLED]),
        "at_most": AMOUNTS,
        "upstream": AMOUNTS,
        "model": st.none() | MODELS,
        "provider": st.none() | st.sampled_from(["P", "Q"]),
        "status": st.sampled_from([MessageStatus.COMPLETE, MessageStatus.FAILED, MessageStatus.PENDING]),
        "usage": st.none() | st.integers(0, 99).map(lambda count: TokenUsage(count, count + 1, 2 * count + 1, count)),
    }
)
CALLS = st.tuples(
    MOMENTS | EDGES,
    MODELS,
    st.lists(st.sampled_from(["x", "y", "z"]), max_size=3),
    st.none() | st.sampled_from(["r1", "r2"]),
    st.none() | st.sampled_from([UUID(int=1), UUID(int=2)]),
    STATES,
    st.none() | STATES,
)
FILTERS = st.builds(
    CallFilter,
    since=st.none() | MOMENTS | EDGES,
    until=st.none() | MOMENTS | EDGES,
    tag=st.none() | st.sampled_from(["x", "y"]),
    run=st.none() | st.just("r1"),
    model=st.none() | st.sampled_from(["a/*", "*ONE", "b/one", "[!a]*"]),
    provider=st.none() | st.sampled_from(["p", "Q"]),
    conversation=st.none() | st.just(UUID(int=1)),
)


class Plans(Database):
    """A database that keeps how SQLite goes about each query."""

    def __init__(self, path):
        super().__init__(path)
        self.steps = []

    def query(self, sql, parameters=()):
        self.steps += [row[-1] for row in super().query(f"EXPLAIN QUERY PLAN {sql}", parameters)]
        return super().query(sql, parameters)


@pytest.fixture
def plans(tmp_path):
    plans = Plans(tmp_path / "neuralterm.db")
    yield plans
    plans.close()


def _cost(state):
    source = CostSource.UNSETTLED if state["usd"] is None else state["source"]
    return Cost(state["usd"], source, state["at_most"], state["upstream"])


def _fields(state):
    return {name: state[name] for name in ("model", "provider", "status", "usage")}


@pytest.mark.no_cover
@settings(deadline=None, max_examples=40)
@given(
    st.lists(CALLS, max_size=12),
    st.lists(st.tuples(FILTERS, st.lists(st.sampled_from(GROUPINGS), max_size=3, unique=True)), min_size=1, max_size=5),
    st.just(UTC) | ZONES.map(ZoneInfo),
)
def test_sums_equal_a_plain_scan(calls, questions, zone):
    database = Database(":memory:")
    kept, scanned = SQLiteLedger(database), InMemoryLedger()
    for started_at, requested, tags, run, thread, opened, settled in calls:
        one = call(
            started_at=started_at, requested_model=requested, tags=tuple(tags), run_id=run, conversation_id=thread
        )
        one = replace(one, cost=_cost(opened), **_fields(opened))
        for ledger in (kept, scanned):
            ledger.open_call(one)
            if settled is not None:
                ledger.settle_call(replace(one, cost=_cost(settled), **_fields(settled)))

    answers = [
        [(ledger.committed(wanted), ledger.totals(wanted, by, zone)) for wanted, by in questions]
        for ledger in (kept, scanned)
    ]
    database.close()

    assert answers[0] == answers[1]


@pytest.mark.parametrize("by", [(), ("day",), ("model",), ("tag",), ("source", "provider"), ("day", "tag")])
@pytest.mark.parametrize(
    "filter",
    [
        CallFilter(),
        CallFilter(tag="x", model="a/*", provider="P"),
        CallFilter(since=NOON.replace(minute=45, microsecond=0)),
    ],
)
def test_plain_reports_read_no_calls(plans, by, filter):
    SQLiteLedger(plans).totals(filter, by)
    SQLiteLedger(plans).committed(filter)

    assert len(plans.steps) >= 2
    assert not [step for step in plans.steps if "calls" in step]
    assert any("USING PRIMARY KEY (span=? AND start>? AND start<?)" in step for step in plans.steps)


def test_days_come_in_the_order_of_the_totals(plans):
    SQLiteLedger(plans).totals(CallFilter(), ["day"])

    assert [step for step in plans.steps if "TEMP B-TREE" in step] == []


def test_days_of_a_zone_read_no_calls(plans):
    SQLiteLedger(plans).totals(CallFilter(), ["day", "model"], ZoneInfo("Europe/Berlin"))

    assert [step for step in plans.steps if "calls" in step] == []


def test_a_range_that_begins_between_quarters_reads_no_more_calls_than_that_one(plans):
    SQLiteLedger(plans).committed(CallFilter(since=NOON))

    (step,) = [step for step in plans.steps if "calls" in step]
    assert "USING INDEX calls_by_start (started_at>? AND started_at<?)" in step


@pytest.mark.parametrize("filter", [CallFilter(run="r1"), CallFilter(conversation=UUID(int=1))])
def test_a_run_and_a_conversation_have_an_index(plans, filter):
    SQLiteLedger(plans).committed(filter)

    steps = [step for step in plans.steps if "SCAN calls" in step or "calls_by" in step]
    assert len(steps) == 1
    assert "calls_by_run (run_id=?)" in steps[0] or "calls_by_conversation (conversation_id=?)" in steps[0]


def test_what_nobody_finds_again_is_not_looked_for(plans):
    ledger = SQLiteLedger(plans)

    ledger.running()
    ledger.to_reconcile("here", 5)

    found = [step for step in plans.steps if "calls" in step]
    by_service = "SEARCH calls USING INDEX calls_to_reconcile (service=?)"
    assert found == ["SCAN calls USING INDEX calls_running", by_service, by_service]
    # The few that run, and the two halves together.
    assert len([step for step in plans.steps if "TEMP B-TREE" in step]) == 2


def test_old_calls_have_their_totals_too(database):
    database.query("SELECT 1")
    ledger = SQLiteLedger(database)
    ledger.open_call(call("1", tags=("ü",)))
    database.change("UPDATE calls SET tags = '[\"ü\"]'")  # as the upgrade writes it
    ledger.open_call(call("2", tags=("ü",)))

    (row,) = ledger.totals(CallFilter(tag="ü"), ["tag"])

    assert (row.keys, row.by_source) == (("ü",), {"billed": Decimal(3)})
