"""A SQLite file of another program, read and never changed. Nothing in it is trusted to be what it should be."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from neuralterm.domain.exceptions import StorageError, ValidationError
from neuralterm.infrastructure.peeking import read_only_uri

Row = Mapping[str, Any]

# What no count of tokens or milliseconds reaches; sums of such numbers fit 64 bits.
_LARGEST = 2**50
_MAGIC, _WAL_VERSION, _VERSION_AT = b"SQLite format 3\0", 2, 18
# Virtual tables run code of their own over what the file holds.
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"
# Rows asked for at a time by their numbers.
_AT_A_TIME = 200


class ForeignFile:
    """Tables of a file: which there are, what columns they have, and rows as far as they have the columns asked for.

    Raises:
        ValidationError: it is no such file.
        StorageError: something in it can't be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = sqlite3.connect(_address(path), uri=True, isolation_level=None)
        try:
            self._connection.text_factory = lambda text: text.decode("utf-8", "replace")
            for pragma in ("query_only = ON", "trusted_schema = OFF", "cell_size_check = ON"):
                self._connection.execute(f"PRAGMA {pragma}")
            names = self._connection.execute(_TABLES).fetchall()
            self._columns = {str(name): self._columns_of(str(name)) for (name,) in names}
        except sqlite3.Error as exc:
            self.close()
            raise StorageError(f"{path} can't be read: {exc}") from exc

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def has(self, table: str, *columns: str) -> bool:
        """Say whether there is such a table with at least these columns."""
        return table in self._columns and self._columns[table].issuperset(columns)

    def rows(self, table: str, columns: Sequence[str], rest: str = "", parameters: Sequence[Any] = ()) -> Iterator[Row]:
        """Yield rows with these columns and their `rowid`; what the table does not have is None."""
        known = self._columns.get(table, frozenset())
        wanted = ", ".join(["rowid", *(f'"{name}"' if name in known else "NULL" for name in columns)])
        try:
            for row in self._connection.execute(f'SELECT {wanted} FROM "{table}" {rest}', parameters):  # noqa: S608 - constants
                yield dict(zip(("rowid", *columns), row, strict=True))
        except (sqlite3.Error, OverflowError) as exc:
            raise StorageError(f"{self.path} can't be read: {exc}") from exc

    def count(self, table: str) -> int:
        """Return how many rows a table has."""
        return sum(1 for _ in self.rows(table, ()))

    def by_number(self, table: str, columns: Sequence[str], numbers: Sequence[int]) -> Iterator[Row]:
        """Yield the rows with these numbers, in this order."""
        for start in range(0, len(numbers), _AT_A_TIME):
            part = numbers[start : start + _AT_A_TIME]
            marks = ", ".join("?" * len(part))
            found = {row["rowid"]: row for row in self.rows(table, columns, f"WHERE rowid IN ({marks})", part)}
            yield from (found[number] for number in part if number in found)

    def numbers_by(self, table: str, column: str, order: str) -> dict[str, list[int]]:
        """Return the numbers of a table's rows by the value of a column, each list in order of another column."""
        found: dict[str, list[tuple[Any, int]]] = {}
        if self.has(table, column):
            for row in self.rows(table, (column, order)):
                found.setdefault(text_in(row[column]), []).append((number_in(row[order]) or 0, row["rowid"]))
        return {value: [number for _, number in sorted(places)] for value, places in found.items()}

    def _columns_of(self, table: str) -> frozenset[str]:
        rows = self._connection.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchall()
        return frozenset(str(name) for (name,) in rows)


def _address(path: Path) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(100)
    except OSError as exc:
        raise ValidationError(f"{path} can't be read: {exc.strerror or exc}") from exc
    if not head.startswith(_MAGIC):
        raise ValidationError(f"{path} is not a SQLite database")
    # A file in WAL mode without its log would be given one, even by who only reads; so it is read as one that nobody changes.
    alone = head[_VERSION_AT] == _WAL_VERSION and not path.with_name(f"{path.name}-wal").exists()
    return read_only_uri(str(path), is_frozen=alone)


def text_in(value: Any) -> str:
    """Return a column as text; nothing for NULL."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)


def number_in(value: Any) -> int | None:
    """Return a column as a whole number, zero or more and not beyond reason; None for anything else."""
    return value if isinstance(value, int) and 0 <= value <= _LARGEST else None


def moment_in(value: Any) -> datetime | None:
    """Return a column as a time, which is UTC where it does not say so; None for anything else."""
    try:
        moment = datetime.fromisoformat(text_in(value).strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def object_in(value: Any) -> dict[str, Any]:
    """Return a column that holds a JSON object; an empty one for anything else."""
    try:
        found = json.loads(text_in(value))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
