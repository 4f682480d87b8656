"""What the spending gate lets a request do, or that it should wait."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from neuralterm.application.bounds import BudgetStatus
from neuralterm.domain.budget import Budget, Window
from neuralterm.domain.record import record


@record
class Permit:
    """What a request may do. `output_cap` None: no cap is set; `at_most_usd` None: its cost has no known bound.

    `max_price_per_million` are the prices (USD per million tokens; `request`: USD a request) that routing must not exceed,
    set under a budget. `cap_by_budget` is true when a budget made the cap smaller than it would have been. `budgets` are
    those that count the call, as they were before it. `unbounded` says why a soft budget let a call without bound through.
    `uncapped_usd` is the bound if the service does not keep to the cap, None where the model has no limit of its own.
    """

    output_cap: int | None
    at_most_usd: Decimal | None
    cap_by_budget: bool = False
    max_price_per_million: Mapping[str, str] | None = None
    budgets: tuple[BudgetStatus, ...] = ()
    unbounded: str | None = None
    uncapped_usd: Decimal | None = None

    @property
    def shares_budget(self) -> bool:
        """True when other calls may spend what this one has not reserved."""
        return any(status.budget.window is not Window.CALL for status in self.budgets)


class MoneyHeldError(Exception):
    """A call does not fit now, but other calls that run hold `held_usd` of the budget and may not need all of it."""

    def __init__(self, budget: Budget, held_usd: Decimal) -> None:
        super().__init__(f"{held_usd} USD of the {budget.name} is held by running calls")
        self.budget = budget
        self.held_usd = held_usd
