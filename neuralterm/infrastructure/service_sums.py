"""What one service charged, in SQL. Read from the calls themselves: the kept totals don't tell services apart."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from neuralterm.application.records import ServiceCharges, Uncertain
from neuralterm.domain.money import from_pico
from neuralterm.infrastructure.columns import SMALLEST_INTEGER, to_ms
from neuralterm.infrastructure.database import Database

_CHARGES = """
    SELECT CASE
               WHEN source IN ('billed', 'reconciled') AND service IS NOT NULL THEN 'confirmed'
               WHEN source = 'computed' AND service IS NOT NULL THEN 'computed'
               WHEN source IN ('billed', 'reconciled', 'computed') THEN 'unassigned'
               WHEN owner IS NOT NULL OR status = 'pending' THEN 'running'
               WHEN generation_id IS NULL THEN 'unaskable'
               ELSE 'askable'
           END AS kind,
           count(*),
           sum(CASE WHEN source IN ('billed', 'reconciled', 'computed') THEN coalesce(cost, 0)
                    ELSE max(coalesce(at_most, 0), coalesce(cost, 0)) END),
           sum(source IN ('unsettled', 'estimated') AND at_most IS NULL)
    FROM calls WHERE started_at >= :since AND (service IS NULL OR service = :service)
    GROUP BY kind
"""


def charges_at(database: Database, service: str, since: datetime | None) -> ServiceCharges:
    """Return what calls of that base URL, started since then (None: ever), were or may have been charged by it."""
    parameters = {"service": service, "since": SMALLEST_INTEGER if since is None else to_ms(since)}
    found = {
        kind: Uncertain(calls, None if unbounded else from_pico(amount))
        for kind, calls, amount, unbounded in database.query(_CHARGES, parameters)
    }
    nothing = Uncertain()
    return ServiceCharges(
        confirmed_usd=found.get("confirmed", nothing).at_most_usd or Decimal(0),
        computed_usd=found.get("computed", nothing).at_most_usd or Decimal(0),
        running=found.get("running", nothing),
        askable=found.get("askable", nothing),
        unaskable=found.get("unaskable", nothing),
        unassigned=found.get("unassigned", nothing),
    )
