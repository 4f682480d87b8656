"""Sums between the steps of price lists cost exactly what the calls cost one by one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuralterm.application.records import Call, CallFilter
from neuralterm.application.what_if import what_if
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.exceptions import ValidationError
from neuralterm.domain.models import Cost, CostSource, MessageStatus, TokenUsage
from neuralterm.infrastructure.database import Database
from neuralterm.infrastructure.ledger import SQLiteLedger
from tests.fakes.storage import InMemoryLedger
from tests.integration.sqlite.samples import NOON


def call(**fields):
    return Call(
        **({"requested_model": "a/one", "cost": None, "status": MessageStatus.COMPLETE, "started_at": NOON} | fields)
    )


LONG = OpenRouterModel(
    "a/long",
    pricing={
        "prompt": "0.0000004166666666666667",
        "completion": "0.000002",
        "request": "0.001",
        "input_cache_read": "0.0000001",
        "input_cache_write": "0.0000008",
        "internal_reasoning": "0.000003",
        "discount": "0.25",
        "overrides": [
            {"min_prompt_tokens": 20, "prompt": "0.000001", "completion": "0.000004"},
            {"min_prompt_tokens": 40, "completion": "0.00001"},
            {"utc_start": 1630, "utc_end": 30, "prompt": "0.0000002"},
            {"utc_start": 300, "utc_end": 1200, "min_prompt_tokens": 30, "input_cache_read": "0"},
        ],
    },
)
PLAIN = OpenRouterModel("b/plain", pricing={"prompt": "0.000001", "completion": "0.000002"})
ROUTER = OpenRouterModel("router/auto", pricing={"prompt": "-1", "completion": "-1"})
MODELS = (LONG, PLAIN, ROUTER)

COUNTS = st.integers(0, 60)
USAGES = st.builds(
    lambda prompt, completion, reasoning, cached, written: TokenUsage(
        prompt, completion, prompt + completion, reasoning, cached, written
    ),
    st.sampled_from([19, 20, 21, 30, 31, 40, 41]) | COUNTS,
    *(COUNTS,) * 4,
)
AMOUNTS = st.none() | st.decimals(min_value=0, max_value=9, places=12)
CALLS = st.builds(
    lambda at, usage, usd, upstream, source, status, fields: call(
        started_at=at,
        usage=usage,
        cost=Cost(usd, CostSource.UNSETTLED if usd is None else source, None, upstream),
        status=status,
        **fields,
    ),
    at=st.builds(
        lambda day, minute: datetime(*day, tzinfo=UTC) + timedelta(minutes=minute),
        st.sampled_from([(2026, 11, 23), (1969, 12, 30)]),
        st.integers(0, 24 * 60 - 1) | st.sampled_from([29, 30, 179, 180, 719, 720, 989, 990]),
    ),
    usage=st.none() | USAGES,
    usd=AMOUNTS,
    upstream=AMOUNTS,
    source=st.sampled_from([CostSource.BILLED, CostSource.RECONCILED, CostSource.COMPUTED, CostSource.ESTIMATED]),
    status=st.sampled_from([MessageStatus.COMPLETE, MessageStatus.FAILED, MessageStatus.INTERRUPTED]),
    fields=st.fixed_dictionaries(
        {
            "requested_model": st.sampled_from(["a/one", "b/two"]),
            "model": st.none() | st.sampled_from(["a/one", "c/three"]),
            "provider": st.none() | st.just("P"),
            "tags": st.sampled_from([(), ("x",), ("x", "y")]),
            "run_id": st.none() | st.just("r1"),
            "conversation_id": st.none() | st.just(UUID(int=1)),
        }
    ),
)
FILTERS = st.builds(
    CallFilter,
    since=st.none() | st.just(NOON),
    until=st.none() | st.just(NOON + timedelta(hours=3)),
    tag=st.none() | st.just("x"),
    run=st.none() | st.just("r1"),
    model=st.none() | st.sampled_from(["a/*", "C/THREE"]),
    provider=st.none() | st.just("p"),
    conversation=st.none() | st.just(UUID(int=1)),
)


def both_ways(calls, wanted):
    """What SQLite adds up, and what the calls are one by one."""
    database = Database(":memory:")
    kept, scanned = SQLiteLedger(database), InMemoryLedger()
    with database.transaction():
        for each in calls:
            for ledger in (kept, scanned):
                ledger.open_call(each)
                ledger.settle_call(each)
    found, expected = what_if(kept, wanted, MODELS), what_if(scanned, wanted, MODELS)
    database.close()
    return found, expected


@settings(deadline=None, max_examples=40)
@given(st.lists(CALLS, max_size=10), FILTERS)
def test_it_is_what_the_calls_cost_one_by_one(calls, wanted):
    found, expected = both_ways(calls, wanted)

    assert found == expected
    assert found.total.paid_usd == sum(found.by_source.values()) + found.upstream_usd


def test_prices_change_exactly_at_their_steps():
    paid = Cost(Decimal(1), CostSource.BILLED)
    times = [NOON.replace(hour=0, minute=0) + timedelta(minutes=m) for m in (0, 29, 30, 179, 180, 719, 720, 989, 990)]
    calls = [
        call(usage=TokenUsage(size, 7, size + 7, 3, 5, 2), cost=paid, started_at=at)
        for size in (0, 19, 20, 21, 30, 31, 40, 41)
        for at in times
    ]

    found, expected = both_ways(calls, CallFilter())

    assert found == expected
    assert found.total.calls == len(calls)


def test_a_filter_ends_before_its_end_and_a_count_that_was_never_told_is_no_zero():
    paid = Cost(Decimal(1), CostSource.BILLED)
    calls = [
        call(usage=TokenUsage(10, 1, 11), cost=paid, started_at=NOON),
        call(usage=TokenUsage(10, 1, 11), cost=paid, started_at=NOON + timedelta(hours=1)),
        call(usage=TokenUsage(0, 0, 0), cost=paid, started_at=NOON),
        call(usage=TokenUsage(0, 0, 0), cost=Cost(Decimal(0), CostSource.BILLED), started_at=NOON),
        call(usage=TokenUsage(0, 5, 5), cost=paid, started_at=NOON),
    ]

    found, expected = both_ways(calls, CallFilter(since=NOON, until=NOON + timedelta(hours=1)))

    assert found == expected
    assert (found.total.calls, found.unknown_usage, found.unknown_usage_usd) == (3, 1, 1)


def test_what_was_written_and_read_is_never_more_than_the_prompt():
    odd = TokenUsage(2168, 10, 2178, reasoning_tokens=11, cached_tokens=2161, cache_write_tokens=2161)

    found, expected = both_ways([call(usage=odd, cost=Cost(Decimal(1), CostSource.BILLED))], CallFilter())

    assert found == expected
    tokens = found.total.tokens
    assert (tokens.plain, tokens.cached, tokens.written, tokens.visible, tokens.reasoning) == (0, 2161, 7, 0, 10)


def test_money_and_tokens_of_single_calls():
    ledger = InMemoryLedger()
    usage = TokenUsage(100, 10, 110, cached_tokens=40)
    paid = Cost(Decimal("0.5"), CostSource.BILLED, upstream_usd=Decimal("0.25"))
    for each in (
        call(requested_model="b/two", usage=usage, cost=paid),
        call(requested_model="a/one", usage=usage, cost=Cost(Decimal(1), CostSource.ESTIMATED)),
        call(requested_model="a/one", usage=None, cost=Cost(Decimal(7), CostSource.ESTIMATED)),
        call(requested_model="a/one", usage=TokenUsage(0, 0, 0), cost=Cost(Decimal(2), CostSource.BILLED)),
        call(requested_model="a/one", usage=usage, cost=Cost.unsettled(Decimal(3))),
        call(requested_model="a/one", usage=None, cost=Cost.unsettled()),
    ):
        ledger.open_call(replace(each, status=MessageStatus.COMPLETE))

    found = what_if(ledger, CallFilter(), [PLAIN, ROUTER])

    assert (found.total.calls, found.total.paid_usd) == (2, Decimal("1.75"))
    assert found.total.would_usd == (Decimal("0.00024"), None)
    assert [(each.model, each.paid_usd, each.would_usd[0]) for each in found.groups] == [
        ("a/one", Decimal(1), Decimal("0.00012")),
        ("b/two", Decimal("0.75"), Decimal("0.00012")),
    ]
    assert (found.unknown_usage, found.unknown_usage_usd, found.unknown_cost) == (3, Decimal(9), 1)
    assert (found.upstream_usd, found.longest_prompt) == (Decimal("0.25"), 100)
    assert found.by_source == {
        "billed": Decimal("0.5"),
        "reconciled": Decimal(0),
        "computed": Decimal(0),
        "estimated": Decimal(1),
    }


def test_conditions_that_nobody_knows_make_the_amount_unknown_where_they_apply():
    ledger = InMemoryLedger()
    odd = {"min_prompt_tokens": 50, "utc_days": ["monday"], "prompt": "1"}
    model = replace(PLAIN, pricing=PLAIN.pricing | {"overrides": [odd]})
    ledger.open_call(call(usage=TokenUsage(50, 0, 50), cost=Cost(Decimal(1), CostSource.BILLED)))
    assert what_if(ledger, CallFilter(), [model]).total.would_usd == (Decimal("0.00005"),)

    ledger.open_call(call(usage=TokenUsage(51, 0, 51), cost=Cost(Decimal(1), CostSource.BILLED)))
    assert what_if(ledger, CallFilter(), [model]).total.would_usd == (None,)


def test_of_nothing_it_is_nothing_except_where_there_is_no_price():
    found = what_if(InMemoryLedger(), CallFilter(), MODELS)
    assert found.total.would_usd == (Decimal(0), Decimal(0), None)

    with pytest.raises(ValidationError):
        what_if(InMemoryLedger(), CallFilter(since=NOON, until=NOON - timedelta(1)), MODELS)
