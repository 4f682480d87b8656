"""The ledger in SQLite: every request, and what it cost."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from neuralterm.application.records import Call, CallFilter, CallTotals
from neuralterm.domain.exceptions import StorageError, ValidationError
from neuralterm.domain.models import KNOWN_SOURCES
from neuralterm.domain.money import from_pico
from neuralterm.infrastructure.columns import (
    LARGEST_INTEGER,
    SMALLEST_INTEGER,
    from_amount,
    to_amount,
    to_bound,
    to_id,
    to_ms,
)
from neuralterm.infrastructure.database import Database
from neuralterm.infrastructure.rows import usage_parameters

GROUPINGS = (None, "hour", "model", "provider", "conversation", "tag", "run", "source")

_OPEN = """
    INSERT INTO calls (
        id, conversation_id, message_id, run_id, generation_id, requested_model, model, provider, status, started_at,
        prompt_tokens, completion_tokens, total_tokens, reasoning_tokens, cached_tokens, cache_write_tokens,
        cost, source, at_most, upstream, latency_ms, first_token_ms, finish_reason, error_code
    ) VALUES (
        :id, :conversation_id, :message_id, :run_id, :generation_id, :requested_model, :model, :provider, :status,
        :started_at, :prompt_tokens, :completion_tokens, :total_tokens, :reasoning_tokens, :cached_tokens,
        :cache_write_tokens, :cost, :source, :at_most, :upstream, :latency_ms, :first_token_ms, :finish_reason,
        :error_code
    )
"""
_SETTLE = """
    UPDATE calls SET
        conversation_id = :conversation_id, message_id = :message_id, run_id = :run_id,
        generation_id = coalesce(:generation_id, generation_id), requested_model = :requested_model, model = :model,
        provider = :provider, status = :status, started_at = :started_at, prompt_tokens = :prompt_tokens,
        completion_tokens = :completion_tokens, total_tokens = :total_tokens, reasoning_tokens = :reasoning_tokens,
        cached_tokens = :cached_tokens, cache_write_tokens = :cache_write_tokens, cost = :cost, source = :source,
        at_most = :at_most, upstream = :upstream, latency_ms = :latency_ms, first_token_ms = :first_token_ms,
        finish_reason = :finish_reason, error_code = :error_code
    WHERE id = :id
"""
_COMMITTED = """
    SELECT coalesce(sum(CASE WHEN source IN ('billed', 'reconciled', 'computed') THEN cost
                        ELSE max(coalesce(at_most, 0), coalesce(cost, 0)) END), 0)
    FROM calls WHERE started_at >= ?
"""
_TOTALS = """
    SELECT CASE :by
               WHEN 'hour' THEN strftime('%Y-%m-%dT%H:00:00Z', c.started_at / 1000, 'unixepoch')
               WHEN 'model' THEN coalesce(c.model, c.requested_model)
               WHEN 'provider' THEN coalesce(c.provider, '')
               WHEN 'conversation' THEN coalesce(c.conversation_id, '')
               WHEN 'tag' THEN coalesce(t.tag, '')
               WHEN 'run' THEN coalesce(c.run_id, '')
               WHEN 'source' THEN c.source
               ELSE ''
           END AS key,
           count(*),
           coalesce(sum(c.prompt_tokens), 0),
           coalesce(sum(c.completion_tokens), 0),
           coalesce(sum(c.reasoning_tokens), 0),
           coalesce(sum(c.cached_tokens), 0),
           coalesce(sum(c.upstream), 0),
           coalesce(sum(c.cost IS NULL), 0),
           coalesce(sum(c.cost IS NULL AND c.at_most IS NULL), 0),
           coalesce(sum(CASE WHEN c.cost IS NULL THEN c.at_most END), 0),
           sum(CASE c.source WHEN 'billed' THEN c.cost END),
           sum(CASE c.source WHEN 'reconciled' THEN c.cost END),
           sum(CASE c.source WHEN 'computed' THEN c.cost END),
           sum(CASE c.source WHEN 'estimated' THEN c.cost END)
    FROM calls AS c
    LEFT JOIN call_tags AS t ON :by = 'tag' AND t.call_id = c.id
    WHERE c.started_at >= :since AND c.started_at < :until
      AND NOT (c.status = 'failed' AND c.cost IS NOT NULL AND c.cost = 0)
      AND (:tag IS NULL OR EXISTS (SELECT 1 FROM call_tags WHERE call_id = c.id AND tag = :tag))
    GROUP BY key ORDER BY key
"""


class SQLiteLedger:
    """The calls of a database."""

    def __init__(self, database: Database | Path | str) -> None:
        self.database = database if isinstance(database, Database) else Database(database)

    def transaction(self) -> AbstractContextManager[None]:
        """Make all calls inside one atomic step that no other process can come between."""
        return self.database.transaction()

    def open_call(self, call: Call) -> None:
        """Write a call down, with its tags, before it is made."""
        with self.database.transaction():
            self.database.change(_OPEN, _parameters(call))
            for tag in dict.fromkeys(call.tags):
                self.database.change("INSERT INTO call_tags VALUES (?, ?)", (str(call.id), tag))

    def note_generation(self, call_id: UUID, generation_id: str) -> None:
        """Remember the service's id of a running call. Raises `StorageError` for an unknown call."""
        changed = self.database.change("UPDATE calls SET generation_id = ? WHERE id = ?", (generation_id, str(call_id)))
        self._require(changed, call_id)

    def settle_call(self, call: Call) -> None:
        """Replace an opened call by its final state; its tags stay, and a generation id that was noted.

        Raises `StorageError` for an unknown call.
        """
        self._require(self.database.change(_SETTLE, _parameters(call)), call.id)

    def committed_since(self, start: datetime | None) -> Decimal:
        """Return what calls started since then (None: ever) cost or may still cost, USD, to the pico-dollar."""
        rows = self.database.query(_COMMITTED, (SMALLEST_INTEGER if start is None else to_ms(start),))
        return from_pico(rows[0][0])

    def totals(self, filter: CallFilter, by: str | None) -> list[CallTotals]:
        """Return sums over calls, one row a key, ordered by key; without grouping one row, also when it is of nothing.

        Raises `ValidationError` for a grouping that is not one of `GROUPINGS`.
        """
        if by not in GROUPINGS:
            raise ValidationError(f"calls can't be grouped by {by}")
        parameters = {
            "by": by,
            "since": SMALLEST_INTEGER if filter.since is None else to_ms(filter.since),
            "until": LARGEST_INTEGER if filter.until is None else to_ms(filter.until),
            "tag": filter.tag,
        }
        totals = [_totals_from(row) for row in self.database.query(_TOTALS, parameters)]
        return [CallTotals(key="")] if by is None and not totals else totals

    def _require(self, changed: int, call_id: UUID) -> None:
        if not changed:
            raise StorageError(f"there is no call {call_id} in the database {self.database.path}")


def _parameters(call: Call) -> dict[str, Any]:
    parameters = usage_parameters(call.usage) | {
        "id": str(call.id),
        "conversation_id": to_id(call.conversation_id),
        "message_id": to_id(call.message_id),
        "run_id": call.run_id,
        "generation_id": call.generation_id,
        "requested_model": call.requested_model,
        "model": call.model,
        "provider": call.provider,
        "status": call.status.value,
        "started_at": to_ms(call.started_at),
        "cost": to_amount(call.cost.usd),
        "source": call.cost.source.value,
        "at_most": to_bound(call.cost.at_most_usd),
        "latency_ms": call.latency_ms,
        "first_token_ms": call.first_token_ms,
        "finish_reason": call.finish_reason,
        "error_code": call.error_code,
    }
    parameters["upstream"] = to_amount(call.cost.upstream_usd)
    return parameters


def _totals_from(row: tuple[Any, ...]) -> CallTotals:
    key, calls, prompt, completion, reasoning, cached, upstream, unsettled, unbounded, at_most = row[:10]
    known = zip(KNOWN_SOURCES, map(from_amount, row[10:]), strict=True)
    return CallTotals(
        key=key,
        calls=calls,
        prompt_tokens=prompt,
        completion_tokens=completion,
        reasoning_tokens=reasoning,
        cached_tokens=cached,
        by_source={source.value: usd for source, usd in known if usd is not None},
        unsettled_calls=unsettled,
        unsettled_at_most_usd=None if unbounded else from_pico(at_most),
        upstream_usd=from_pico(upstream),
    )
