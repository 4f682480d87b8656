"""Ledger against service: what can be true, and what can't."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from neuralterm.application.records import Call, KeyReport
from neuralterm.application.verification import require_verified, verify
from neuralterm.domain.budget import Window
from neuralterm.domain.exceptions import OpenRouterAPIError, ValidationError
from neuralterm.domain.models import Cost, CostSource, MessageStatus
from tests.fakes.account import FakeAccountClient
from tests.fakes.clock import MONDAY_NOON, FakeClock
from tests.fakes.storage import InMemoryLedger

pytestmark = pytest.mark.anyio

HERE = "https://here.example/v1"


def billed(usd, source=CostSource.BILLED):
    return Cost(Decimal(usd), source, Decimal(usd))


def a_ledger(*costs, started_at=MONDAY_NOON, service=HERE):
    ledger = InMemoryLedger()
    for cost in costs:
        ledger.open_call(Call("a/b", cost, status=MessageStatus.COMPLETE, started_at=started_at, service=service))
    return ledger


async def verified(ledger, key=None, now=MONDAY_NOON, **told):
    report = key or KeyReport(**{f"usage{name}_usd": Decimal(usd) for name, usd in told.items()})
    return await verify(ledger, FakeAccountClient(report), FakeClock(now), HERE)


async def total(ledger, usage, **more):
    return (await verified(ledger, KeyReport(Decimal(usage)), **more)).checks[0]


@pytest.mark.parametrize(
    ("usage", "excess"),
    [
        ("0.3", "0"),
        ("0.30000000000000004", "0"),
        ("0.2999999999999999", "0"),
        ("0.300000002", "0.000000002"),
        ("0.299999998", "-0.000000002"),
        ("0", "-0.3"),
        ("9", "8.7"),
    ],
)
async def test_confirmed_amounts_must_be_the_services(usage, excess):
    check = await total(a_ledger(billed("0.1"), billed("0.2", CostSource.RECONCILED)), usage)
    assert check.excess_usd == Decimal(excess)
    assert check.agrees is (Decimal(excess) == 0)
    assert check.difference_usd == Decimal(usage) - Decimal("0.3")


@pytest.mark.parametrize(("usage", "agrees"), [("0.1", True), ("1.6", True), ("1.61", False), ("0.09", False)])
async def test_what_is_not_confirmed_may_have_been_charged_or_not(usage, agrees):
    ledger = a_ledger(
        billed("0.1"),
        billed("0.5", CostSource.COMPUTED),
        Cost(Decimal("0.2"), CostSource.ESTIMATED, Decimal("0.4")),
        Cost.unsettled(Decimal("0.6")),
    )
    assert (await total(ledger, usage)).agrees is agrees


async def test_without_a_bound_the_service_can_charge_anything():
    check = await total(a_ledger(billed("0.1"), Cost.unsettled()), "1000")
    assert (check.most_usd, check.agrees) == (None, True)
    assert (await total(a_ledger(billed("0.1"), Cost.unsettled()), "0")).agrees is False


async def test_calls_without_a_service_may_be_anybodys():
    ledger = a_ledger(billed("0.1"), service=None)
    assert [(await total(ledger, usage)).agrees for usage in ("0", "0.1", "0.2")] == [True, True, False]
    assert (await total(a_ledger(billed("0.1"), service="https://elsewhere.example"), "0")).agrees is True


async def test_windows_begin_in_utc_and_weeks_on_monday():
    found = await verified(a_ledger(), now=MONDAY_NOON + timedelta(days=6), _daily="0")
    assert [(check.window, check.since and check.since.isoformat()[:16]) for check in found.checks] == [
        (Window.TOTAL, None),
        (Window.MONTH, "2026-11-01T00:00"),
        (Window.WEEK, "2026-11-23T00:00"),
        (Window.DAY, "2026-11-29T00:00"),
    ]


@pytest.mark.parametrize("minutes", [-30, 30])
@pytest.mark.parametrize("usage", ["0", "0.1"])
async def test_at_the_edge_of_a_window_either_side_may_count_a_call(minutes, usage):
    midnight = MONDAY_NOON.replace(hour=0)
    ledger = a_ledger(billed("0.1"), started_at=midnight + timedelta(minutes=minutes))
    day = (await verified(ledger, _daily=usage)).checks[-1]
    assert day.agrees is True
    assert day.ledger.confirmed_usd == (Decimal("0.1") if minutes > 0 else 0)


@pytest.mark.parametrize(("hours", "usage"), [(-2, "0.1"), (2, "0")])
async def test_away_from_the_edge_windows_count(hours, usage):
    ledger = a_ledger(billed("0.1"), started_at=MONDAY_NOON.replace(hour=0) + timedelta(hours=hours))
    assert (await verified(ledger, _daily=usage)).checks[-1].agrees is False


@pytest.mark.parametrize("usage", ["0", "0.5"])
async def test_calls_that_end_during_the_question_are_no_contradiction(usage):
    ledger = a_ledger(Cost.unsettled(Decimal("0.6")))
    (call,) = ledger.calls

    def meanwhile():
        ledger.settle_call(replace(call, cost=billed("0.5")))
        return KeyReport(Decimal(usage))

    found = await verify(ledger, FakeAccountClient(meanwhile), FakeClock(), HERE)
    assert found.checks[0].ledger.confirmed_usd == Decimal("0.5")
    assert found.is_verified


async def test_what_is_not_told_is_neither_true_nor_false():
    nothing = await verified(a_ledger(billed("0.1")), KeyReport())
    assert [check.agrees for check in nothing.checks] == [None] * 4
    assert [check.difference_usd for check in nothing.checks] == [None] * 4
    assert not nothing.is_verified
    with pytest.raises(ValidationError, match="does not say"):
        require_verified(nothing)
    require_verified(await verified(a_ledger(billed("0.1")), KeyReport(Decimal("0.1"))))


@pytest.mark.parametrize(
    ("told", "words"),
    [({"": "0.5"}, r"charged \$0.40 that"), ({"": "0.1", "_daily": "0"}, r"has \$0.10 that the service did not")],
)
async def test_a_contradiction_is_one_sentence_with_a_code(told, words):
    with pytest.raises(ValidationError, match=words) as caught:
        require_verified(await verified(a_ledger(billed("0.1")), **told))
    assert caught.value.code == "NOT_VERIFIED"


async def test_a_service_that_does_not_answer_is_an_error():
    with pytest.raises(OpenRouterAPIError):
        await verify(a_ledger(), FakeAccountClient(OpenRouterAPIError("no", 500)), FakeClock(), HERE)
