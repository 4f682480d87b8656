"""Which budgets there are: those of the settings, and those that were set by command."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING
from uuid import UUID

from neuralterm.domain.budget import DEFAULT_WARNING_LEVEL, Budget, Scope, Window, checked_warning_level
from neuralterm.domain.exceptions import NotFoundError, ValidationError
from neuralterm.domain.money import LARGEST_USD, dollars, from_pico, to_pico_floor
from neuralterm.domain.record import record, replace
from neuralterm.domain.zones import time_zone

if TYPE_CHECKING:
    from neuralterm.application.ports import BudgetStore

# The budget of one invocation, and those that environment and `[budgets]` give by their window.
CEILING = "ceiling"
CALENDAR_NAMES = {window: f"{window.value} budget" for window in Window if window is not Window.CALL}


class Origin(str, Enum):
    """Where a budget comes from."""

    ENVIRONMENT = "environment"
    USER_FILE = "user file"
    PROJECT_FILE = "project file"
    COMMAND = "command"


@record
class PlacedBudget:
    """A budget and where it comes from."""

    budget: Budget
    origin: Origin


@record
class BudgetChange:
    """A budget as a command describes it. None: as it was, or for a fresh budget as usual; `window` is needed there."""

    name: str
    limit_usd: Decimal
    window: Window | None = None
    tag: str | None = None
    model: str | None = None
    conversation: UUID | None = None
    warning_level: Decimal | None = None
    zone: str | None = None


class Budgets:
    """The budgets of settings and store. All of them hold, also several for the same window.

    `timezone` is where the days of a budget begin that names no zone of its own, `warning_level` the usual one.
    """

    def __init__(
        self,
        store: BudgetStore,
        placed: Sequence[PlacedBudget] = (),
        *,
        timezone: str = "UTC",
        warning_level: Decimal = DEFAULT_WARNING_LEVEL,
    ) -> None:
        self._store = store
        self._placed = tuple(placed)
        self._timezone = timezone
        self._warning_level = warning_level

    def all(self) -> list[PlacedBudget]:
        """Return every budget with its zone filled in, those of the settings first."""
        stored = [PlacedBudget(budget, Origin.COMMAND) for budget in self._store.budgets()]
        return [self._in_zone(placed) for placed in (*self._placed, *stored)]

    def set(self, change: BudgetChange) -> PlacedBudget:
        """Add a budget to the store, or change the one of that name; return it as it is kept, to the pico-dollar.

        Raises:
            ValidationError: the settings have a budget of that name, a fresh budget has no window, the window is `call`,
                or a value makes no sense.
        """
        name = budget_name(change.name)
        self._refuse_name_of_settings(name)
        if change.window is Window.CALL:
            raise ValidationError(
                "a budget for one invocation can't be stored",
                hint='use --max-cost, or max_cost or a [[budget]] with window = "call" in the configuration',
            )
        _check(change)
        before = next((budget for budget in self._store.budgets() if budget.name == name), None)
        budget = self._changed(before or self._fresh(name, change), change)
        self._store.save_budget(budget)
        return self._in_zone(PlacedBudget(budget, Origin.COMMAND))

    def remove(self, name: str) -> None:
        """Remove a budget from the store.

        Raises:
            NotFoundError: there is none of that name in the store.
        """
        if self._store.remove_budget(name):
            return
        self._refuse_name_of_settings(name)
        raise NotFoundError(f"there is no budget {name!r}", hint="`neuralterm cost budget` lists the budgets")

    def _fresh(self, name: str, change: BudgetChange) -> Budget:
        if change.window is None:
            raise ValidationError(
                f"there is no budget {name!r} yet: say for which time it holds",
                hint="--window day, week, month or total",
            )
        return Budget(name, change.limit_usd, change.window, self._warning_level)

    def _changed(self, before: Budget, change: BudgetChange) -> Budget:
        old = before.scope
        return Budget(
            before.name,
            from_pico(to_pico_floor(change.limit_usd)),
            change.window or before.window,
            before.warning_level if change.warning_level is None else checked_warning_level(change.warning_level),
            Scope(change.tag or old.tag, change.model or old.model, change.conversation or old.conversation),
            change.zone or before.zone,
        )

    def _refuse_name_of_settings(self, name: str) -> None:
        for placed in self._placed:
            if placed.budget.name == name:
                raise ValidationError(
                    f"the budget {name!r} comes from the {placed.origin.value}, which is where it can be changed",
                    hint="a budget of another name may be set beside it: both hold",
                )

    def _in_zone(self, placed: PlacedBudget) -> PlacedBudget:
        return replace(placed, budget=replace(placed.budget, zone=placed.budget.zone or self._timezone))


def budget_name(text: str) -> str:
    """Return the name of a budget.

    Raises:
        ValidationError: it is empty, or not one line, or one that the settings use themselves.
    """
    name = text.strip()
    if not name or not name.isprintable():
        raise ValidationError(f"{text!r} is no name for a budget: it must be some text on one line")
    if name == CEILING or name in CALENDAR_NAMES.values():
        raise ValidationError(f"{name!r} is the name of another kind of budget", hint="choose another name")
    return name


def _check(change: BudgetChange) -> None:
    if change.limit_usd > LARGEST_USD:
        raise ValidationError(f"a limit of {dollars(change.limit_usd)} is more than the database can hold")
    if change.zone is not None:
        time_zone(change.zone)
    for what, value in (("tag", change.tag), ("model", change.model)):
        if value is not None and not value.strip():
            raise ValidationError(f"the {what} of the budget is empty", hint="leave it out to count all calls")
