"""Numbers of configuration files and environment variables: amounts and times. Each refusal is a `ConfigurationError`.

They are exact. What that takes is imported only where there is such a setting.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from neuralterm.domain.exceptions import ConfigurationError
from neuralterm.domain.money import parse_usd

# Digits of other scripts and `1_000` are numbers to Python, and more likely a slip than an amount.
_AMOUNT = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"


def parse_amount(value: object, name: str) -> Decimal:
    """Return an amount in USD, as `usd_or_none`; `name` is what a refusal calls it."""
    amount = None if isinstance(value, bool) else usd_or_none(str(value))
    if amount is None:
        raise ConfigurationError(f"{name} is {str(value)!r}, which is not an amount in USD")
    return amount


def usd_or_none(text: str) -> Decimal | None:
    """Return an amount in USD of zero or more, below a thousand million, a leading `$` allowed; None for any other text."""
    return number_or_none(text.strip().removeprefix("$"))


def number_or_none(text: str) -> Decimal | None:
    """Return a number of zero or more, below a thousand million; None for any other text."""
    written = text.strip()
    return parse_usd(written) if re.fullmatch(_AMOUNT, written) else None


def checked_seconds(value: object, name: str, *, allow_zero: bool) -> float:
    """Return a finite number of seconds; `name` is what a refusal calls it."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        seconds = float(Decimal(value))  # by way of Decimal: one too large becomes infinite, and raises nothing
        if 0 < seconds < float("inf") or (seconds == 0 and allow_zero):
            return seconds
    raise ConfigurationError(f"{name} must be a number of seconds" + (", 0 or more" if allow_zero else " above 0"))


def parse_seconds(text: str, name: str) -> float:
    """Return a finite number of seconds, 0 or more; `name` is what a refusal calls it."""
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        number = Decimal("nan")
    return checked_seconds(number if number.is_finite() else text, name, allow_zero=True)
