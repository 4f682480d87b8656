"""Tables of configuration files, read and checked: budgets, and prices of servers. Each refusal is a `ConfigurationError`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from neuralterm.application.budgets import budget_name
from neuralterm.domain.budget import Budget, Scope, Window
from neuralterm.domain.declared_prices import TOKEN_PRICES, DeclaredPrices, ServerPrices
from neuralterm.domain.exceptions import ConfigurationError, ValidationError
from neuralterm.domain.money import parse_usd, plain
from neuralterm.setting_values import (
    amount_in,
    flag_in,
    level_in,
    naming,
    refuse_unknown,
    server_key,
    text_in,
    whole_in,
    zone_in,
)

BUDGET_KEYS = frozenset({"conversation", "limit", "model", "name", "tag", "timezone", "warning_level", "window"})
_T = TypeVar("_T")

_SERVER_KEYS = frozenset({"free", "prices"})
_LIMITS = ("context_length", "max_completion_tokens")
_PRICE_KEYS = frozenset({*TOKEN_PRICES, "request", *_LIMITS})


def budgets_in(table: Mapping[str, Any], path: Path | None, level: Decimal) -> Iterator[Budget]:
    """Yield the budgets of the `[[budget]]` tables; `level` is the warning level where they name none."""
    names = set()
    for entry in budget_tables(table):
        where = f"{path}: [[budget]]"
        try:
            with naming(where):
                budget = _budget(entry, where, level)
        except ValidationError as error:
            raise ConfigurationError(f"{where}: {error.message}", hint=error.hint) from error
        if budget.name in names:
            raise ConfigurationError(f"{path}: there are two budgets of the name {budget.name!r}")
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
        level_in(entry, "warning_level", level),
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


def servers_in(table: Mapping[str, Any], path: Path) -> dict[str, ServerPrices]:
    """Return what the `[servers]` tables declare, by base URL as `server_key` writes it."""
    found: dict[str, ServerPrices] = {}
    for url, server in _tables(table.get("servers", {}), f"{path}: [servers]"):
        where = f"{path}: [servers.{url!r}]"
        key = server_key(url)
        if key in found:
            raise ConfigurationError(f"{where} is there twice, under spellings of the same address")
        with naming(where):
            found[key] = _server(server, where)
    return found


def _server(table: Mapping[str, Any], where: str) -> ServerPrices:
    refuse_unknown(table, _SERVER_KEYS, where)
    free = flag_in(table, "free") or False
    by_model = {
        _named(pattern, where): _prices(prices, f"{where} {pattern!r}")
        for pattern, prices in _tables(table.get("prices", {}), f"{where} prices")
    }
    if free and by_model:
        raise ConfigurationError(f"{where} can't be free and have prices", hint="a price may be 0")
    if not free and not by_model:
        raise ConfigurationError(f"{where} says nothing", hint="give prices, or free = true")
    return ServerPrices(free, by_model)


def _named(pattern: str, where: str) -> str:
    if not pattern.strip():
        raise ConfigurationError(f"{where} prices: the name of a model is empty", hint='"*" is all models')
    return pattern


def _prices(table: Mapping[str, Any], where: str) -> DeclaredPrices:
    refuse_unknown(table, _PRICE_KEYS, where)
    prices = {key: amount for key in (*TOKEN_PRICES, "request") if (amount := amount_in(table, key)) is not None}
    if "prompt" not in prices or "completion" not in prices:
        raise ConfigurationError(f"{where} needs a price for prompt and for completion, in USD per million tokens")
    declared = DeclaredPrices(prices, *(whole_in(table, key) for key in _LIMITS))
    for key, written in declared.pricing().items():
        if parse_usd(written) is None:
            raise ConfigurationError(f"{where}: {key} is {plain(prices[key])}, which is beyond all prices")
    return declared


def _tables(value: object, where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{where} must be a table")
    for key, table in value.items():
        if not isinstance(table, Mapping):
            raise ConfigurationError(f"{where}: {key!r} must be a table")
        yield key, table
