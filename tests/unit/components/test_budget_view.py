from datetime import UTC, datetime
from decimal import Decimal
from textwrap import dedent
from uuid import UUID

import pytest

from neuralterm.application.bounds import BudgetStatus
from neuralterm.application.budgets import Origin, PlacedBudget
from neuralterm.components.budget_view import budget_line, budgets_table, placed_document, scope_words, states_table
from neuralterm.components.text_width import columns_of
from neuralterm.domain.budget import Budget, Scope, Window


def state(budget, origin=Origin.COMMAND, spent="0", reserved="0", resets_at=None):
    left = budget.limit_usd - Decimal(spent) - Decimal(reserved)
    return PlacedBudget(budget, origin), BudgetStatus(budget, Decimal(spent), Decimal(reserved), left, resets_at)


MIDNIGHT = datetime(2026, 11, 24, tzinfo=UTC)
CI = Budget("ci", Decimal(5), Window.MONTH, scope=Scope("ci", "openai/*", UUID(int=7)), zone="Asia/Tokyo")
ALL = [
    state(Budget("day budget", Decimal("0.5"), Window.DAY), Origin.ENVIRONMENT, "0.0412", "0.01", MIDNIGHT),
    state(Budget("one call", Decimal(1), Window.CALL, scope=Scope(tag="x")), Origin.PROJECT_FILE),
    state(Budget("for ever", Decimal(0), Window.TOTAL, scope=Scope(model="a/*")), Origin.USER_FILE),
]


def test_the_table():
    assert budgets_table(ALL) == dedent(
        """\
        name        scope      window      limit    spent    reserved     left  resets                origin
        ----------  ---------  --------  -------  -------  ----------  -------  --------------------  ------------
        day budget  all calls  day         $0.50  $0.0412       $0.01  $0.4488  2026-11-24 00:00 UTC  environment
        one call    tag x      call        $1.00    $0.00       $0.00    $1.00  each time             project file
        for ever    model a/*  total       $0.00    $0.00       $0.00    $0.00  never                 user file"""
    )


def test_a_narrow_terminal_gets_what_fits():
    for width in range(60, 110):
        text = budgets_table(ALL, width)
        assert columns_of(text) <= width
        assert "$0.4488" in text
    assert budgets_table(ALL, 60).splitlines()[0].split() == ["name", "scope", "window", "limit", "spent", "left"]
    assert budgets_table(ALL, 120) == budgets_table(ALL)


def test_the_document():
    assert placed_document(*state(CI, spent="1.25", resets_at=datetime(2026, 11, 30, 15, tzinfo=UTC))) == {
        "name": "ci",
        "window": "month",
        "limit_usd": "5",
        "spent_usd": "1.25",
        "reserved_usd": "0",
        "remaining_usd": "3.75",
        "resets_at": "2026-11-30T15:00:00.000Z",
        "tag": "ci",
        "model": "openai/*",
        "conversation": "00000000-0000-0000-0000-000000000007",
        "warning_level": "0.8",
        "timezone": "Asia/Tokyo",
        "origin": "command",
    }


def test_what_is_not_limited_is_null():
    document = placed_document(*ALL[2])
    assert (document["tag"], document["model"], document["conversation"]) == (None, "a/*", None)
    assert (document["resets_at"], document["timezone"]) == (None, None)


@pytest.mark.parametrize(
    ("window", "words"), [(Window.DAY, "$5.00 a day"), (Window.MONTH, "$5.00 a month"), (Window.TOTAL, "$5.00 in all")]
)
def test_one_line(window, words):
    budget = Budget("team", Decimal(5), window)
    assert budget_line(*state(budget, spent="1")) == f"team: {words} for all calls, $4.00 left"


def test_scopes_in_words():
    assert scope_words(Scope()) == "all calls"
    assert scope_words(CI.scope) == "tag ci, model openai/*, conversation 00000000-0000-0000-0000-000000000007"


def test_budgets_beside_a_report_on_a_narrow_terminal():
    statuses = [status for _, status in ALL]

    assert "reserved" in states_table(statuses, 80)
    narrow = states_table(statuses, 60)
    assert columns_of(narrow) <= 60
    assert narrow.splitlines()[0].split() == ["budget", "limit", "spent", "left", "resets"]
