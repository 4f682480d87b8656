from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from neuralterm.application.records import Call, CallFilter
from neuralterm.application.reports import cost_report, known_usd
from neuralterm.application.spent import spent
from neuralterm.domain.models import Cost, CostSource, MessageStatus
from tests.fakes.storage import InMemoryLedger

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def ledger_of(*calls):
    ledger = InMemoryLedger()
    for days_ago, model, tags, usd in calls:
        ledger.open_call(
            Call(
                requested_model=model,
                cost=Cost(Decimal(usd), CostSource.BILLED),
                status=MessageStatus.COMPLETE,
                tags=tags,
                started_at=NOW - timedelta(days=days_ago),
            )
        )
    return ledger


def cut(ledger, by=()):
    return spent(ledger, cost_report(ledger, CallFilter()), by, NOW)


def test_by_day_model_and_tag_with_every_day_and_the_dearest_first():
    found = cut(ledger_of((3, "a/cheap", (), "1"), (1, "b/dear", ("x",), "2"), (1, "a/cheap", ("x", "y"), "0.5")))

    assert [part.by for part in found.parts] == [("day",), ("model",), ("tag",)]
    days, models, tags = ([(each.keys[0], known_usd(each)) for each in part.groups] for part in found.parts)
    assert days == [
        ("2026-11-23", 1),
        ("2026-11-24", 0),
        ("2026-11-25", Decimal("2.5")),
        ("2026-11-26", 0),
    ]
    assert models == [("b/dear", 2), ("a/cheap", Decimal("1.5"))]
    assert tags == [("x", Decimal("2.5")), ("", 1), ("y", Decimal("0.5"))]


@pytest.mark.parametrize(("days", "unit"), [(92, "day"), (93, "week"), (1000, "month")])
def test_what_is_long_ago_makes_the_parts_coarser(days, unit):
    found = cut(ledger_of((days, "a/b", (), "1"), (0, "a/b", (), "1")))

    assert [part.by for part in found.parts] == [(unit,), ("model",), ("tag",)]
    assert len(found.parts[0].groups) < 94
    assert sum(known_usd(each) for each in found.parts[0].groups) == 2


def test_keys_that_were_asked_for_are_as_asked_for():
    found = cut(ledger_of((1000, "a/b", (), "1")), by=("provider", "day"))

    assert [part.by for part in found.parts] == [("provider",), ("day",)]
    assert len(found.parts[1].groups) == 1001


def test_of_nothing_there_is_one_day_without_calls():
    found = cut(InMemoryLedger())

    assert [[each.calls for each in part.groups] for part in found.parts] == [[0], [], []]
