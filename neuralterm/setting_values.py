"""Values of configuration files and environment variables, read and checked. Each refusal is a `ConfigurationError`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from neuralterm.domain.exceptions import ConfigurationError


def read_file(path: Path, *, must_exist: bool) -> dict[str, Any]:
    """Return the tables of a TOML file, fractions as `Decimal`; nothing for one that need not exist and does not."""
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except FileNotFoundError as error:
        if must_exist:
            raise ConfigurationError(f"the configuration file {path} does not exist") from error
        return {}
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(f"the configuration file {path} can't be read: {reason}") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits is no TOMLDecodeError
        raise ConfigurationError(f"the configuration file {path} is not valid TOML: {error}") from error


def refuse_unknown(table: Mapping[str, Any], known: Collection[str], path: Path) -> None:
    """Refuse a key that is not known: a misspelt budget that is silently ignored would be money lost."""
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise ConfigurationError(
            f"{path}: unknown setting {unknown[0]!r}", hint=f"known settings: {', '.join(sorted(known))}"
        )


def amounts_in(table: Mapping[str, Any], key: str, names: Collection[str]) -> Mapping[str, Any]:
    """Return a table within a table whose keys may only be these; empty where there is none."""
    value = table.get(key, {})
    if not isinstance(value, Mapping) or set(value) - set(names):
        raise ConfigurationError(f"[{key}] takes amounts in USD for {', '.join(names)}")
    return value


def text_in(table: Mapping[str, Any], key: str) -> str | None:
    """Return a text; None for a missing or empty one."""
    value = table.get(key)
    if value is not None and not isinstance(value, str):
        raise ConfigurationError(f"{key} must be a text")
    return value or None


def seconds_in(table: Mapping[str, Any], key: str, *, allow_zero: bool = False) -> float | None:
    """Return a finite number of seconds; None for a missing one."""
    value = table.get(key)
    if value is None:
        return None
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        seconds = float(Decimal(value))  # by way of Decimal: one too large becomes infinite, and raises nothing
        if 0 < seconds < float("inf") or (seconds == 0 and allow_zero):
            return seconds
    raise ConfigurationError(f"{key} must be a number of seconds above 0")


def amount_in(table: Mapping[str, Any], key: str) -> Decimal | None:
    """Return an amount in USD; None for a missing one."""
    return None if table.get(key) is None else parse_amount(table[key], key)


def parse_amount(value: object, name: str) -> Decimal:
    """Return an amount in USD, as `usd_or_none`; `name` is what a refusal calls it."""
    amount = None if isinstance(value, bool) else usd_or_none(str(value))
    if amount is None:
        raise ConfigurationError(f"{name} is {str(value)!r}, which is not an amount in USD")
    return amount


def usd_or_none(text: str) -> Decimal | None:
    """Return an amount in USD of zero or more, a leading `$` allowed; None for any other text."""
    try:
        amount = Decimal(text.strip().removeprefix("$"))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount >= 0 else None
