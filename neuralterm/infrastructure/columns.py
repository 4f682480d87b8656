"""How values are written in columns.

Times are INTEGER milliseconds since 1970 UTC, amounts INTEGER pico-dollars, ids TEXT with hyphens in lower case.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from neuralterm.domain.exceptions import StorageError
from neuralterm.domain.money import EXACT, PICO_PER_USD, dollars, from_pico, to_pico, to_pico_ceiling, to_pico_floor

SMALLEST_INTEGER = -(2**63)
LARGEST_INTEGER = 2**63 - 1
_LARGEST_USD = EXACT.divide(Decimal(LARGEST_INTEGER), Decimal(PICO_PER_USD))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_ms(moment: datetime) -> int:
    """Return a time in milliseconds, rounded down."""
    return (moment.astimezone(UTC) - _EPOCH) // timedelta(milliseconds=1)


def from_ms(milliseconds: int) -> datetime:
    """Return the UTC time of a column."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


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


def to_id(identity: UUID | None) -> str | None:
    """Return an id as text."""
    return None if identity is None else str(identity)


def from_id(text: str | None) -> UUID | None:
    """Return the id of a column."""
    return None if text is None else UUID(text)


def to_json(value: Any) -> str:
    """Write JSON, in ASCII. A `Decimal` becomes a number where that is exact, what JSON does not know becomes text."""
    import json

    return json.dumps(value, default=_to_json_value, separators=(",", ":"))


def from_json(text: str) -> Any:
    """Read what `to_json` wrote; fractions come back as `Decimal`. Raises `StorageError` for anything else."""
    import json

    try:
        return json.loads(text, parse_float=Decimal)
    except ValueError as exc:
        raise StorageError("a record of the database is damaged: it holds unreadable JSON") from exc


def _storable_amount(usd: Decimal) -> Decimal:
    if not usd.is_finite():
        raise StorageError(f"the amount {usd} can't be stored: it is not a number")
    if abs(usd) >= _LARGEST_USD:
        raise StorageError(f"the amount {dollars(usd)} can't be stored: it is beyond {dollars(_LARGEST_USD)}")
    return usd


def _to_json_value(value: Any) -> Any:
    if isinstance(value, Decimal):
        number = float(value)
        return number if Decimal(repr(number)) == value else str(value)
    return str(value)
