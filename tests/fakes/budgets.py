"""Budgets set by command, in memory. Limits are kept to the pico-dollar, rounded down."""

from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal

from neuralterm.domain.budget import Budget


class InMemoryBudgetStore:
    def __init__(self, *budgets: Budget) -> None:
        self._budgets = {budget.name: budget for budget in budgets}

    def budgets(self) -> list[Budget]:
        return [self._budgets[name] for name in sorted(self._budgets)]

    def save_budget(self, budget: Budget) -> None:
        limit = budget.limit_usd.quantize(Decimal("1E-12"), ROUND_FLOOR)
        self._budgets[budget.name] = replace(budget, limit_usd=limit)

    def remove_budget(self, name: str) -> bool:
        return self._budgets.pop(name, None) is not None
