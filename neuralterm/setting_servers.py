"""What servers cost by the user's own word, in the configuration file. Each refusal is a `ConfigurationError`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from neuralterm.domain.declared_prices import TOKEN_PRICES, DeclaredPrices, ServerPrices
from neuralterm.domain.exceptions import ConfigurationError
from neuralterm.domain.money import parse_usd, plain
from neuralterm.setting_values import (
    amount_in,
    flag_in,
    naming,
    refuse_unknown,
    server_key,
    whole_in,
)

_SERVER_KEYS = frozenset({"free", "prices"})
_LIMITS = ("context_length", "max_completion_tokens")
_PRICE_KEYS = frozenset({*TOKEN_PRICES, "request", *_LIMITS})


def servers_in(table: Mapping[str, Any], path: str) -> dict[str, ServerPrices]:
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
