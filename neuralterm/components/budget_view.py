"""Budgets with their state, for programs and for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from neuralterm.components.machine import moment, money
from neuralterm.components.tables import fitted_table, minute
from neuralterm.domain.budget import Scope, Window
from neuralterm.domain.money import dollars, plain

if TYPE_CHECKING:
    from neuralterm.application.bounds import BudgetStatus
    from neuralterm.application.budgets import PlacedBudget

_HEADERS = ("name", "scope", "window", "limit", "spent", "reserved", "left", "resets", "origin")


def budget_document(status: BudgetStatus) -> dict[str, Any]:
    """Return a budget as `cost --json` lists it."""
    return {
        "name": status.budget.name,
        "window": status.budget.window.value,
        "limit_usd": money(status.budget.limit_usd),
        "spent_usd": money(status.spent_usd),
        "reserved_usd": money(status.reserved_usd),
        "remaining_usd": money(status.remaining_usd),
        "resets_at": moment(status.resets_at),
    }


def placed_document(placed: PlacedBudget, status: BudgetStatus) -> dict[str, Any]:
    """Return a budget as `cost budget --json` lists it."""
    budget = placed.budget
    scope = budget.scope
    return {
        **budget_document(status),
        "tag": scope.tag,
        "model": scope.model,
        "conversation": None if scope.conversation is None else str(scope.conversation),
        "warning_level": plain(budget.warning_level),
        "timezone": budget.zone,
        "origin": placed.origin.value,
    }


def budgets_table(budgets: Iterable[tuple[PlacedBudget, BudgetStatus]], width: int | None = None) -> str:
    """Return the table for people, with what fits a terminal of so many columns."""
    rows = [
        (
            placed.budget.name,
            scope_words(placed.budget.scope),
            placed.budget.window.value,
            dollars(status.budget.limit_usd),
            dollars(status.spent_usd),
            dollars(status.reserved_usd),
            dollars(status.remaining_usd),
            resets_words(status),
            placed.origin.value,
        )
        for placed, status in budgets
    ]
    return fitted_table(
        _HEADERS,
        rows,
        width,
        right=_HEADERS[3:7],
        names=("name", "scope"),
        expendable=(("origin",), ("reserved",), ("resets",), ("spent",), ("window",)),
    )


def states_table(budgets: Sequence[BudgetStatus], width: int | None = None) -> str:
    """Return the table of budgets whose origin does not matter, with what fits a terminal of so many columns."""
    headers = ("budget", "limit", "spent", "reserved", "left", "resets")
    rows = [
        (
            status.budget.name,
            dollars(status.budget.limit_usd),
            dollars(status.spent_usd),
            dollars(status.reserved_usd),
            dollars(status.remaining_usd),
            resets_words(status),
        )
        for status in budgets
    ]
    return fitted_table(
        headers, rows, width, right=headers[1:5], names=("budget",), expendable=(("reserved",), ("spent",), ("resets",))
    )


def budget_line(placed: PlacedBudget, status: BudgetStatus) -> str:
    """Say in one line what a budget allows: `ci: $5.00 a month for tag ci, $4.20 left`."""
    budget = placed.budget
    time = "in all" if budget.window is Window.TOTAL else f"a {budget.window.value}"
    left = dollars(status.remaining_usd)
    return f"{budget.name}: {dollars(budget.limit_usd)} {time} for {scope_words(budget.scope)}, {left} left"


def scope_words(scope: Scope) -> str:
    """Say in words which calls a budget counts."""
    parts = [
        f"{kind} {value}"
        for kind, value in (("tag", scope.tag), ("model", scope.model), ("conversation", scope.conversation))
        if value is not None
    ]
    return ", ".join(parts) or "all calls"


def resets_words(status: BudgetStatus) -> str:
    """Say when a budget starts afresh."""
    if status.resets_at is not None:
        return f"{minute(status.resets_at)} UTC"
    return "each time" if status.budget.window is Window.CALL else "never"
