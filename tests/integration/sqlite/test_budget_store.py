"""What every store of budgets does, in memory and on disk."""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest

from neuralterm.domain.budget import Budget, Scope, Window
from neuralterm.domain.exceptions import StorageError
from neuralterm.infrastructure.budget_store import SQLiteBudgetStore
from neuralterm.infrastructure.database import Database
from tests.fakes.budgets import InMemoryBudgetStore

PLAIN = Budget("plain", Decimal("0.1"), Window.TOTAL)
FULL = Budget(
    "été 2026",
    Decimal("12.345678901234"),
    Window.WEEK,
    Decimal("0.755"),
    Scope("branch:main", "OpenAI/*", UUID(int=7)),
    "Europe/Berlin",
)


@pytest.fixture(params=["memory", "sqlite"])
def store(request, database):
    return SQLiteBudgetStore(database) if request.param == "sqlite" else InMemoryBudgetStore()


def test_at_first_there_are_none(store):
    assert store.budgets() == []
    assert store.remove_budget("plain") is False


def test_budgets_come_back_as_they_were_ordered_by_name(store):
    for budget in (FULL, PLAIN, replace(PLAIN, name="Plain"), replace(PLAIN, name="1st")):
        store.save_budget(budget)

    names = ["1st", "Plain", "plain", "été 2026"]
    assert store.budgets() == [*(replace(PLAIN, name=name) for name in names[:3]), FULL]


@pytest.mark.parametrize("window", Window)
def test_every_window(store, window):
    store.save_budget(replace(PLAIN, window=window))

    assert store.budgets()[0].window is window


def test_one_of_the_same_name_is_replaced_as_a_whole(store):
    store.save_budget(replace(FULL, name="plain"))

    store.save_budget(PLAIN)

    assert store.budgets() == [PLAIN]


def test_a_budget_is_removed_once(store):
    store.save_budget(PLAIN)
    store.save_budget(FULL)

    assert store.remove_budget("plain") is True
    assert store.remove_budget("plain") is False
    assert store.budgets() == [FULL]


@pytest.mark.parametrize(
    ("limit", "kept"),
    [("0", "0"), ("0.000000000001", "0.000000000001"), ("0.0000000000019", "0.000000000001"), ("1000000", "1000000")],
)
def test_limits_are_exact_and_never_rounded_up(store, limit, kept):
    store.save_budget(replace(PLAIN, limit_usd=Decimal(limit)))

    assert store.budgets()[0].limit_usd == Decimal(kept)


def test_a_limit_beyond_64_bits_is_refused(database):
    with pytest.raises(StorageError, match="can't be stored"):
        SQLiteBudgetStore(database).save_budget(replace(PLAIN, limit_usd=Decimal(10**8)))


def test_another_process_sees_them_at_once(database):
    SQLiteBudgetStore(database).save_budget(FULL)

    other = Database(database.path)
    assert SQLiteBudgetStore(other).budgets() == [FULL]
    other.close()


@pytest.mark.parametrize("damage", ["window = 'hour'", "warning_level = 'much'", "conversation_id = 'none'"])
def test_a_damaged_budget_is_a_storage_error(database, damage):
    """Were it left out, its money could be spent."""
    store = SQLiteBudgetStore(database)
    store.save_budget(PLAIN)
    database.change(f"UPDATE budgets SET {damage}")

    with pytest.raises(StorageError, match=r"'plain'.*damaged"):
        store.budgets()
