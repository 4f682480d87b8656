"""Sums over calls, in SQL: from the totals that triggers keep where there are any, from the calls themselves for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neuralterm.application.records import CallFilter, CallTotals, Committed
from neuralterm.domain.budget import matches
from neuralterm.domain.exceptions import ValidationError
from neuralterm.domain.models import KNOWN_SOURCES
from neuralterm.domain.money import from_pico
from neuralterm.infrastructure.columns import LARGEST_INTEGER, from_amount, to_ms
from neuralterm.infrastructure.database import Database, Row
from neuralterm.infrastructure.migrations import DAY_MS, QUARTER_MS
from neuralterm.infrastructure.time_pieces import Piece, pieces

_SPANS = (DAY_MS, QUARTER_MS)
# Whole spans too, so that a range without an end needs no rest.
_LATEST = LARGEST_INTEGER // DAY_MS * DAY_MS
_EARLIEST = -_LATEST

_COLUMNS = (
    "requested_model, model, provider, tags, source, calls, prompt_tokens, completion_tokens, reasoning_tokens,"
    " cached_tokens, upstream, cost, committed, unsettled, unbounded, at_most"
)
_KEPT = f"""
    SELECT start AS at, '' AS conversation_id, '' AS run_id, {_COLUMNS} FROM totals
    WHERE span = :span{{0}} AND start >= :start{{0}} AND start < :end{{0}} AND calls <> 0
"""  # noqa: S608 - made of constants of this module
_CALLS = f"""
    SELECT started_at AS at, conversation_id, run_id, {_COLUMNS} FROM charges
    WHERE started_at >= :start{{0}} AND started_at < :end{{0}}
"""  # noqa: S608 - made of constants of this module
_NOTHING = f"SELECT started_at AS at, conversation_id, run_id, {_COLUMNS} FROM charges WHERE false"  # noqa: S608

_CONDITIONS = {
    "tag": "EXISTS (SELECT 1 FROM json_each(tags) WHERE value = :tag)",
    "model": "(model_matches(requested_model, :model) OR model_matches(model, :model))",
    "provider": "provider = :provider COLLATE NOCASE",
    # The view's `run_id` is an expression, which has no index.
    "run": "number IN (SELECT number FROM calls WHERE run_id = :run)",
    "conversation": "conversation_id = :conversation",
}
_KEYS = {
    "quarter": f"strftime('%Y-%m-%dT%H:%M:00Z', (at - (at % {QUARTER_MS} + {QUARTER_MS}) % {QUARTER_MS}) / 1000, 'unixepoch')",
    "day": f"strftime('%Y-%m-%d', (at - (at % {DAY_MS} + {DAY_MS}) % {DAY_MS}) / 1000, 'unixepoch')",
    "model": "model",
    "provider": "provider",
    "conversation": "coalesce(conversation_id, '')",
    "tag": "coalesce(tag.value, '')",
    "run": "run_id",
    "source": "source",
}
GROUPINGS = tuple(_KEYS)

_SUMS = """
    coalesce(sum(calls), 0), coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0),
    coalesce(sum(reasoning_tokens), 0), coalesce(sum(cached_tokens), 0), coalesce(sum(upstream), 0),
    coalesce(sum(unsettled), 0), coalesce(sum(unbounded), 0), coalesce(sum(part.at_most), 0)
""" + "".join(
    f", sum(CASE WHEN source = '{source.value}' AND calls > unsettled THEN cost END)" for source in KNOWN_SOURCES
)
_COMMITTED = "coalesce(sum(committed), 0), coalesce(sum(cost), 0) + coalesce(sum(upstream), 0)"


def committed(database: Database, filter: CallFilter) -> Committed:
    """Return what calls use of a budget."""
    source, parameters = _selected(database, filter, ())
    (used, spent), *_ = database.query(f"SELECT {_COMMITTED} FROM {source}", parameters)  # noqa: S608 - no values in it
    return Committed(from_pico(spent), from_pico(used - spent))


def totals(database: Database, filter: CallFilter, by: Sequence[str]) -> list[CallTotals]:
    """Return the totals by these groupings, ordered by keys; without any, one row, also when it is of nothing.

    Raises:
        ValidationError: a grouping is not one of `GROUPINGS`.
    """
    for name in by:
        if name not in _KEYS:
            raise ValidationError(f"calls can't be grouped by {name}")
    source, parameters = _selected(database, filter, by)
    columns = ", ".join([_KEYS[name] for name in by] + [_SUMS])
    order = ", ".join(str(number + 1) for number in range(len(by)))
    sql = f"SELECT {columns} FROM {source}" + (f" GROUP BY {order} ORDER BY {order}" if by else "")  # noqa: S608 - the same
    return [_totals_from(row[: len(by)], row[len(by) :]) for row in database.query(sql, parameters)]


def _selected(database: Database, filter: CallFilter, by: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Return what stands behind FROM, and its parameters."""
    given = {
        "tag": filter.tag,
        "model": filter.model,
        "provider": filter.provider,
        "run": filter.run,
        "conversation": None if filter.conversation is None else str(filter.conversation),
    }
    parameters: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if filter.model is not None:
        database.define("model_matches", matches)
    conditions = "".join(f" AND {_CONDITIONS[name]}" for name in parameters)
    parts = []
    for number, piece in enumerate(_pieces_of(filter, by)):
        parts.append((_KEPT if piece.span else _CALLS).format(number) + conditions)
        parameters |= {f"start{number}": piece.start, f"end{number}": piece.end}
        if piece.span:
            parameters[f"span{number}"] = piece.span
    source = f"({' UNION ALL '.join(parts or [_NOTHING])}) AS part"
    return source + (" LEFT JOIN json_each(part.tags) AS tag" if "tag" in by else ""), parameters


def _pieces_of(filter: CallFilter, by: Sequence[str]) -> list[Piece]:
    """Return the range of the filter in pieces that are no coarser than the groupings and keep what the filter asks for."""
    start = _EARLIEST if filter.since is None else to_ms(filter.since)
    end = _LATEST if filter.until is None else to_ms(filter.until)
    if filter.run is not None or filter.conversation is not None or {"run", "conversation"}.intersection(by):
        return pieces(start, end, ())
    return pieces(start, end, (QUARTER_MS,) if "quarter" in by else _SPANS)


def _totals_from(keys: Row, sums: Row) -> CallTotals:
    calls, prompt, completion, reasoning, cached, upstream, unsettled, unbounded, at_most = sums[:9]
    known = zip(KNOWN_SOURCES, map(from_amount, sums[9:]), strict=True)
    return CallTotals(
        keys=keys,
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
