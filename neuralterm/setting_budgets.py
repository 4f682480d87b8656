"""The budgets of environment and configuration files. Each refusal is a `ConfigurationError`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from neuralterm.application.budgets import CALENDAR_NAMES, Origin, PlacedBudget, budget_name
from neuralterm.domain.budget import DEFAULT_WARNING_LEVEL, Budget, Scope, Window, checked_warning_level
from neuralterm.domain.exceptions import ConfigurationError, ValidationError
from neuralterm.setting_amounts import parse_amount
from neuralterm.setting_values import (
    BUDGET_PREFIX,
    ConfigurationFile,
    amount_in,
    amounts_in,
    naming,
    refuse_unknown,
    text_in,
    zone_in,
)

BUDGET_KEYS = frozenset({"conversation", "limit", "model", "name", "tag", "timezone", "warning_level", "window"})
_WINDOWS = [window.value for window in CALENDAR_NAMES]
_T = TypeVar("_T")


def placed_budgets(
    env: Mapping[str, str], user: ConfigurationFile, project: ConfigurationFile
) -> tuple[PlacedBudget, ...]:
    """Return all budgets, those that are named by their window first."""
    level = warning_level(user)
    calendar = [
        PlacedBudget(Budget(name, limit, window, level), origin)
        for window, name in CALENDAR_NAMES.items()
        for limit, origin in _tightest(env, user, project, window)
    ]
    of_user = [PlacedBudget(budget, Origin.USER_FILE) for budget in _tables_of(user, level)]
    of_project = [PlacedBudget(budget, Origin.PROJECT_FILE) for budget in _tables_of(project, level)]
    return (*calendar, *of_user, *of_project)


def warning_level(user: ConfigurationFile) -> Decimal:
    """Return the warning level of budgets that name none."""
    return user.get(_level_in, "warning_level", default=DEFAULT_WARNING_LEVEL)


def refuse_unknown_budgets(env: Mapping[str, str]) -> None:
    """Refuse a variable that is called like a budget and is none."""
    known = [f"{BUDGET_PREFIX}_{window.name}" for window in CALENDAR_NAMES]
    for name, value in env.items():
        if value and name.startswith(BUDGET_PREFIX) and name not in (*known, f"{BUDGET_PREFIX}_WAIT"):
            raise ConfigurationError(
                f"{name} is no setting, and would hold nothing back", hint=f"budgets are {', '.join(known)}"
            )


def _tables_of(file: ConfigurationFile, level: Decimal) -> Iterator[Budget]:
    """Yield the budgets of the `[[budget]]` tables; `level` is the warning level where they name none."""
    names = set()
    for entry in budget_tables(file.says):
        where = f"{file.path}: [[budget]]"
        try:
            with naming(where):
                budget = _budget(entry, where, level)
        except ValidationError as error:
            raise ConfigurationError(f"{where}: {error.message}", hint=error.hint) from error
        if budget.name in names:
            raise ConfigurationError(f"{file.path}: there are two budgets of the name {budget.name!r}")
        names.add(budget.name)
        yield budget


def budget_tables(table: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the `[[budget]]` tables as they are."""
    entries = table.get("budget", [])
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise ConfigurationError(
            "budget must be written as [[budget]] tables", hint="amounts by window are in [budgets]"
        )
    return entries


def _budget(entry: Mapping[str, Any], where: str, level: Decimal) -> Budget:
    refuse_unknown(entry, BUDGET_KEYS, where)
    name = budget_name(_required(text_in(entry, "name"), "name", where))
    where = f"{where} {name!r}"
    return Budget(
        name,
        _required(amount_in(entry, "limit"), "limit", where),
        _window(_required(text_in(entry, "window"), "window", where), where),
        _level_in(entry, "warning_level", level),
        Scope(_scope_in(entry, "tag", where), _scope_in(entry, "model", where), _conversation(entry, where)),
        zone_in(entry, "timezone"),
    )


def _required(value: _T | None, key: str, where: str) -> _T:
    if value is None:
        raise ConfigurationError(f"{where} has no {key}", hint="a budget needs name, limit and window")
    return value


def _window(text: str, where: str) -> Window:
    try:
        return Window(text)
    except ValueError as error:
        windows = ", ".join(window.value for window in Window)
        raise ConfigurationError(f"{where}: window is {text!r}, it must be one of {windows}") from error


def _scope_in(entry: Mapping[str, Any], key: str, where: str) -> str | None:
    text = text_in(entry, key)
    if text is None and key in entry:
        raise ConfigurationError(f"{where}: {key} is empty", hint="leave it out to count all calls")
    return text


def _conversation(entry: Mapping[str, Any], where: str) -> UUID | None:
    text = _scope_in(entry, "conversation", where)
    try:
        return None if text is None else UUID(text)
    except ValueError as error:
        raise ConfigurationError(
            f"{where}: conversation is {text!r}, which is no id", hint="`neuralterm history --json` has whole ids"
        ) from error


def _level_in(table: Mapping[str, Any], key: str, default: Decimal) -> Decimal:
    """Return a warning level; the default for a missing one."""
    level = amount_in(table, key)
    try:
        return default if level is None else checked_warning_level(level)
    except ValidationError as error:
        raise ConfigurationError(f"{key}: {error.message}") from error


def _tightest(
    env: Mapping[str, str], user: ConfigurationFile, project: ConfigurationFile, window: Window
) -> Iterator[tuple[Decimal, Origin]]:
    """Yield the limit of a window, if it has one, and whose it is; the environment's stands in for the user file's."""
    variable = f"{BUDGET_PREFIX}_{window.name}"
    own, origin = user.get(_calendar_limit, window.value), Origin.USER_FILE
    if value := env.get(variable):
        own, origin = parse_amount(value, variable), Origin.ENVIRONMENT
    limits = ((own, origin), (project.get(_calendar_limit, window.value), Origin.PROJECT_FILE))
    known = [(limit, origin) for limit, origin in limits if limit is not None]
    yield from sorted(known, key=lambda each: each[0])[:1]


def _calendar_limit(table: Mapping[str, Any], window: str) -> Decimal | None:
    return amount_in(amounts_in(table, "budgets", _WINDOWS), window)
