from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest

from neuralterm.application.budgets import BudgetChange, Budgets, Origin, PlacedBudget
from neuralterm.domain.budget import Budget, Scope, Window
from neuralterm.domain.exceptions import NotFoundError, ValidationError
from tests.fakes.budgets import InMemoryBudgetStore

DAY = Budget("day budget", Decimal(2), Window.DAY)
TEAM = Budget("team", Decimal(5), Window.DAY, zone="Asia/Tokyo")
STORED = Budget(
    "ci", Decimal(1), Window.WEEK, Decimal("0.5"), Scope("ci", "openai/*", UUID(int=1)), zone="Europe/Berlin"
)


@pytest.fixture
def store():
    return InMemoryBudgetStore()


@pytest.fixture
def budgets(store):
    placed = [PlacedBudget(DAY, Origin.ENVIRONMENT), PlacedBudget(TEAM, Origin.USER_FILE)]
    return Budgets(store, placed, timezone="America/New_York", warning_level=Decimal("0.9"))


def change(name="ci", limit="3", **more):
    return BudgetChange(name, Decimal(limit), **more)


class TestAll:
    def test_all_places_together_also_for_the_same_window(self, budgets, store):
        store.save_budget(replace(STORED, window=Window.DAY))
        assert [(each.budget.name, each.origin.value, each.budget.window) for each in budgets.all()] == [
            ("day budget", "environment", Window.DAY),
            ("team", "user file", Window.DAY),
            ("ci", "command", Window.DAY),
        ]

    def test_the_zone_of_the_settings_is_filled_in(self, budgets, store):
        store.save_budget(replace(STORED, zone=None))
        assert [each.budget.zone for each in budgets.all()] == ["America/New_York", "Asia/Tokyo", "America/New_York"]

    def test_the_usual_zone_is_utc(self, store):
        store.save_budget(replace(STORED, zone=None))
        assert [each.budget.zone for each in Budgets(store).all()] == ["UTC"]


class TestSetting:
    def test_a_fresh_budget(self, budgets, store):
        placed = budgets.set(change(limit="0", window=Window.MONTH))
        assert store.budgets() == [Budget("ci", Decimal(0), Window.MONTH, Decimal("0.9"))]
        assert (placed.origin, placed.budget.zone) == (Origin.COMMAND, "America/New_York")

    def test_what_is_said_of_a_limit_is_what_is_kept_of_it(self, budgets):
        placed = budgets.set(change(limit="0.0000000000019", window=Window.MONTH))
        assert placed.budget.limit_usd == Decimal("0.000000000001")

    def test_everything_that_can_be_said(self, budgets, store):
        budgets.set(
            change(
                " ci ",
                "1",
                window=Window.WEEK,
                tag="ci",
                model="openai/*",
                conversation=UUID(int=1),
                warning_level=Decimal("0.5"),
                zone="Europe/Berlin",
            )
        )
        assert store.budgets() == [STORED]

    def test_what_is_left_out_stays(self, budgets, store):
        store.save_budget(STORED)
        budgets.set(change())
        assert store.budgets() == [replace(STORED, limit_usd=Decimal(3))]

    @pytest.mark.parametrize(
        ("given", "after"),
        [
            ({"window": Window.TOTAL}, {"window": Window.TOTAL}),
            ({"tag": "docs"}, {"scope": replace(STORED.scope, tag="docs")}),
            ({"model": "x/y"}, {"scope": replace(STORED.scope, model="x/y")}),
            ({"conversation": UUID(int=2)}, {"scope": replace(STORED.scope, conversation=UUID(int=2))}),
            ({"warning_level": Decimal(1)}, {"warning_level": Decimal(1)}),
            ({"zone": "UTC"}, {"zone": "UTC"}),
        ],
    )
    def test_one_thing_can_be_changed(self, budgets, store, given, after):
        store.save_budget(STORED)
        budgets.set(change(limit="1", **given))
        assert store.budgets() == [replace(STORED, **after)]

    def test_a_fresh_budget_needs_a_window(self, budgets, store):
        store.save_budget(STORED)
        with pytest.raises(ValidationError, match="'other' yet") as caught:
            budgets.set(change("other"))
        assert "--window" in caught.value.hint

    @pytest.mark.parametrize(("name", "origin"), [("team", "user file"), (" team", "user file")])
    def test_a_budget_of_the_settings_is_not_shadowed(self, budgets, name, origin):
        with pytest.raises(ValidationError, match=f"'team' comes from the {origin}"):
            budgets.set(change(name, window=Window.DAY))

    @pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\x1b[31m", "ceiling", "day budget", "total budget"])
    def test_what_is_no_name(self, budgets, name):
        with pytest.raises(ValidationError, match="name"):
            budgets.set(change(name, window=Window.DAY))

    @pytest.mark.parametrize("stored", [False, True])
    def test_the_budget_of_one_invocation_is_set_elsewhere(self, budgets, store, stored):
        if stored:
            store.save_budget(STORED)
        with pytest.raises(ValidationError, match="one invocation") as caught:
            budgets.set(change(window=Window.CALL))
        assert "--max-cost" in caught.value.hint

    @pytest.mark.parametrize(
        ("given", "complaint"),
        [
            ({"zone": "Mars/Base"}, "no time zone"),
            ({"warning_level": Decimal(0)}, "warning level"),
            ({"warning_level": Decimal(80)}, "warning level is 80"),
            ({"tag": ""}, "tag of the budget is empty"),
            ({"model": " "}, "model of the budget is empty"),
        ],
    )
    def test_nonsense_changes_nothing(self, budgets, store, given, complaint):
        store.save_budget(STORED)
        with pytest.raises(ValidationError, match=complaint):
            budgets.set(change(**given))
        assert store.budgets() == [STORED]


class TestRemoving:
    def test_one_that_was_set(self, budgets, store):
        store.save_budget(STORED)
        budgets.remove("ci")
        assert store.budgets() == []

    def test_one_that_is_not_there(self, budgets):
        with pytest.raises(NotFoundError, match="no budget 'ci'"):
            budgets.remove("ci")

    def test_one_of_the_settings(self, budgets):
        with pytest.raises(ValidationError, match="comes from the environment"):
            budgets.remove("day budget")

    def test_one_that_was_set_before_the_settings_had_it(self, budgets, store):
        store.save_budget(replace(STORED, name="team"))
        budgets.remove("team")
        assert [each.origin for each in budgets.all()] == [Origin.ENVIRONMENT, Origin.USER_FILE]
