"""The ledger in SQLite: every request, and what it cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any
from uuid import UUID

from neuralterm.application.records import Call, CallFilter, CallTotals, Committed, ServiceCharges
from neuralterm.domain.exceptions import MissingRecordError
from neuralterm.infrastructure.database import Database
from neuralterm.infrastructure.leftovers import RUNNING
from neuralterm.infrastructure.rows import CALL_COLUMNS, call_from, call_parameters

if TYPE_CHECKING:
    from pathlib import Path

    from neuralterm.application.what_if import Steps, UsageSums

# What settling leaves as it was opened.
_FIXED = ("id", "owner", "tags", "service", "generation_id")

_OPEN = f"""
    INSERT INTO calls ({", ".join(CALL_COLUMNS)}) VALUES ({", ".join(f":{name}" for name in CALL_COLUMNS)})
"""  # noqa: S608 - made of constants
_SETTLE = f"""
    UPDATE calls SET
        {", ".join(f"{name} = :{name}" for name in CALL_COLUMNS if name not in _FIXED)},
        generation_id = coalesce(:generation_id, generation_id), service = coalesce(service, :service), owner = NULL
    WHERE id = :id
"""  # noqa: S608 - made of constants
_CALLS = f"SELECT {', '.join(CALL_COLUMNS)} FROM calls"  # noqa: S608 - made of constants
_RUNNING = f"{_CALLS} {RUNNING} ORDER BY number"
# Two halves, each of which an index has in order: sorting all that is uncertain would take longer with every call.
_NEWEST = "ORDER BY started_at DESC, number DESC LIMIT :limit"
_TO_RECONCILE_OF = f"""
    SELECT * FROM (
        SELECT {", ".join(CALL_COLUMNS)}, number FROM calls
        WHERE {{service}} AND source IN ({{sources}}) AND generation_id IS NOT NULL AND owner IS NULL AND status <> 'pending'
        {_NEWEST}
    )
"""  # noqa: S608 - made of constants
_TO_RECONCILE = f"""
    SELECT {", ".join(CALL_COLUMNS)} FROM (
        {_TO_RECONCILE_OF.replace("{service}", "service = :service")}
        UNION ALL
        {_TO_RECONCILE_OF.replace("{service}", "service IS NULL")}
    ) {_NEWEST}
"""  # noqa: S608 - made of constants
_UNCERTAIN = _TO_RECONCILE.replace("{sources}", "'unsettled', 'estimated'")
_NOT_NAMED = _TO_RECONCILE.replace("{sources}", "'unsettled', 'estimated', 'computed'")

_OF_GENERATION = f"{_CALLS} WHERE generation_id = ? ORDER BY number"


class SQLiteLedger:
    """The calls of a database. `clean` takes out of texts what must not be stored."""

    def __init__(self, database: Database | Path | str, *, clean: Callable[[str], str] = str) -> None:
        self.database = database if isinstance(database, Database) else Database(database)
        self._clean = clean

    def transaction(self) -> AbstractContextManager[None]:
        """Make all calls inside one atomic step that no other process can come between."""
        return self.database.transaction()

    def open_call(self, call: Call) -> None:
        """Write a call down, with its tags, before it is made."""
        with self.database.transaction():
            self.database.change(_OPEN, self._parameters(call))
            for tag in dict.fromkeys(map(self._clean, call.tags)):
                self.database.change("INSERT INTO call_tags VALUES (?, ?)", (str(call.id), tag))

    def settle_call(self, call: Call) -> None:
        """Replace an opened call by its final state, without an owner; its tags stay, service and generation id if known.

        Raises `MissingRecordError` for an unknown call.
        """
        if not self.database.change(_SETTLE, self._parameters(call)):
            raise MissingRecordError(f"there is no call {call.id} in the database {self.database.name}")

    def find(self, call_id: UUID) -> Call | None:
        """Return a call, or None."""
        rows = self.database.query(f"{_CALLS} WHERE id = ?", (str(call_id),))
        return call_from(rows[0]) if rows else None

    def committed(self, filter: CallFilter) -> Committed:
        """Return what calls use of a budget, to the pico-dollar."""
        from neuralterm.infrastructure.call_sums import committed

        return committed(self.database, filter)

    def totals(self, filter: CallFilter, by: Sequence[str] = (), zone: tzinfo = UTC) -> list[CallTotals]:
        """Return sums over calls, one row for each combination of keys, ordered by keys; without keys one row.

        Days are those of `zone`.

        Raises `ValidationError` for a grouping that is not one of `call_sums.GROUPINGS`.
        """
        from neuralterm.infrastructure.call_sums import totals

        return totals(self.database, filter, by, zone)

    def usage_sums(self, filter: CallFilter, steps: Steps) -> list[UsageSums]:
        """Return sums of tokens and money between the steps, ordered by model; reads every call of the filter."""
        from neuralterm.infrastructure.usage_sums import usage_sums

        return usage_sums(self.database, filter, steps)

    def running(self) -> list[Call]:
        """Return the calls that nobody has settled, oldest first."""
        return [call_from(row) for row in self.database.query(_RUNNING)]

    def to_reconcile(self, service: str, limit: int, *, computed: bool = False) -> list[Call]:
        """Return settled calls of that base URL whose cost the service may know better, newest first.

        With `computed` those too whose cost is what the list says; that reads all calls.

        Calls that an older version wrote down without their service may be anybody's, so they are among them.
        """
        sql, parameters = _NOT_NAMED if computed else _UNCERTAIN, {"service": service, "limit": max(limit, 0)}
        return [call_from(row) for row in self.database.query(sql, parameters)]

    def calls_of(self, generation_id: str) -> list[Call]:
        """Return the calls with that id of whatever service, oldest first."""
        return [call_from(row) for row in self.database.query(_OF_GENERATION, (generation_id,))]

    def charges_at(self, service: str, since: datetime | None = None) -> ServiceCharges:
        """Return what calls of that base URL were or may have been charged by it, to the pico-dollar."""
        from neuralterm.infrastructure.service_sums import charges_at

        return charges_at(self.database, service, since)

    def _parameters(self, call: Call) -> dict[str, Any]:
        return call_parameters(call.cleaned(self._clean))
