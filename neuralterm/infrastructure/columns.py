"""How values are written in columns.

Times are INTEGER milliseconds since 1970 UTC, amounts INTEGER pico-dollars (see `amounts`), ids TEXT with hyphens in lower
case.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from neuralterm.domain.exceptions import StorageError

SMALLEST_INTEGER = -(2**63)
LARGEST_INTEGER = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_ms(moment: datetime) -> int:
    """Return a time in milliseconds, rounded down."""
    return (moment.astimezone(UTC) - _EPOCH) // timedelta(milliseconds=1)


def from_ms(milliseconds: int) -> datetime:
    """Return the UTC time of a column."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


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
    from decimal import Decimal

    try:
        return json.loads(text, parse_float=Decimal)
    except ValueError as exc:
        raise StorageError("a record of the database is damaged: it holds unreadable JSON") from exc


def _to_json_value(value: Any) -> Any:
    from decimal import Decimal

    if isinstance(value, Decimal):
        number = float(value)
        return number if Decimal(repr(number)) == value else str(value)
    return str(value)
