"""Budgets that were set by command, in SQLite: they hold for every process that shares the database."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from neuralterm.domain.budget import Budget, Scope, Window
from neuralterm.domain.exceptions import StorageError
from neuralterm.infrastructure.amounts import from_amount, to_limit
from neuralterm.infrastructure.columns import to_id
from neuralterm.infrastructure.database import Database, Row

_COLUMNS = "name, limit_usd, window, tag, model, conversation_id, warning_level, timezone"
_BUDGETS = f"SELECT {_COLUMNS} FROM budgets ORDER BY name"  # noqa: S608 - made of constants of this module
_SAVE = f"INSERT OR REPLACE INTO budgets ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - as above


class SQLiteBudgetStore:
    """The budgets of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def budgets(self) -> list[Budget]:
        """Return them, ordered by name."""
        return [self._budget(row) for row in self._database.query(_BUDGETS)]

    def save_budget(self, budget: Budget) -> None:
        """Add a budget, or replace the one of the same name. A limit is kept to the pico-dollar, rounded down."""
        scope = budget.scope
        self._database.change(
            _SAVE,
            (
                budget.name,
                to_limit(budget.limit_usd),
                budget.window.value,
                scope.tag,
                scope.model,
                to_id(scope.conversation),
                str(budget.warning_level),
                budget.zone,
            ),
        )

    def remove_budget(self, name: str) -> bool:
        """Forget a budget. False if there was none of that name."""
        return self._database.change("DELETE FROM budgets WHERE name = ?", (name,)) > 0

    def _budget(self, row: Row) -> Budget:
        name, limit, window, tag, model, conversation, level, zone = row
        try:
            scope = Scope(tag, model, UUID(conversation) if conversation else None)
            return Budget(name, from_amount(limit) or Decimal(0), Window(window), Decimal(level), scope, zone)
        except (ValueError, ArithmeticError) as exc:
            raise StorageError(f"the budget {name!r} in the database {self._database.name} is damaged") from exc
