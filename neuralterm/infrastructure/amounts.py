"""Amounts of money in columns: INTEGER pico-dollars. Apart from the other columns, for much that is read has none."""

from __future__ import annotations

from decimal import Decimal

from neuralterm.domain.exceptions import StorageError
from neuralterm.domain.money import EXACT, PICO_PER_USD, dollars, from_pico, to_pico, to_pico_ceiling, to_pico_floor
from neuralterm.infrastructure.columns import LARGEST_INTEGER

_LARGEST_USD = EXACT.divide(Decimal(LARGEST_INTEGER), Decimal(PICO_PER_USD))


def to_amount(usd: Decimal | None) -> int | None:
    """Return an amount in pico-dollars. Raises `StorageError` for one that 64 bits can't hold."""
    return None if usd is None else to_pico(_storable_amount(usd))


def to_bound(usd: Decimal | None) -> int | None:
    """Return an upper bound in pico-dollars, rounded up. Raises `StorageError` for one that 64 bits can't hold."""
    return None if usd is None else to_pico_ceiling(_storable_amount(usd))


def to_limit(usd: Decimal) -> int:
    """Return a limit in pico-dollars, rounded down. Raises `StorageError` for one that 64 bits can't hold."""
    return to_pico_floor(_storable_amount(usd))


def from_amount(pico: int | None) -> Decimal | None:
    """Return the USD of a column."""
    return None if pico is None else from_pico(pico)


def _storable_amount(usd: Decimal) -> Decimal:
    if not usd.is_finite():
        raise StorageError(f"the amount {usd} can't be stored: it is not a number")
    if abs(usd) >= _LARGEST_USD:
        raise StorageError(f"the amount {dollars(usd)} can't be stored: it is beyond {dollars(_LARGEST_USD)}")
    return usd
