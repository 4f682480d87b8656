"""Sums over calls, in SQL: from the totals that triggers keep where there are any, from the calls themselves for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, tzinfo
from itertools import pairwise
from typing import Any, TypeAlias

from neuralterm.application.records import CallFilter, CallTotals, Committed
from neuralterm.domain.exceptions import ValidationError
from neuralterm.domain.models import KNOWN_SOURCES
from neuralterm.domain.money import from_pico
from neuralterm.infrastructure.amounts import from_amount
from neuralterm.infrastructure.columns import LARGEST_INTEGER, from_ms, to_ms
from neuralterm.infrastructure.database import Database, Row
from neuralterm.infrastructure.filtering import asked_for
from neuralterm.infrastructure.schema import DAY_MS, QUARTER_MS, SPANS_MS
from neuralterm.infrastructure.time_pieces import Piece, pieces
from neuralterm.infrastructure.zone_offsets import zone_offsets

Offsets: TypeAlias = list[tuple[int, int]]

# Whole spans too, so that a range without an end needs no rest.
_LATEST = LARGEST_INTEGER // SPANS_MS[0] * SPANS_MS[0]
_EARLIEST = -_LATEST
# Added before a division and taken away after it, so that times before 1970 are rounded down too.
_LATEST_DAY = 10_000_000

_COLUMNS = (
    "requested_model, model, provider, tags, source, calls, prompt_tokens, completion_tokens, reasoning_tokens,"
    " cached_tokens, upstream, cost, committed, unsettled, unbounded, at_most"
)
_KEPT = f"""
    SELECT {{1}} AS at, '' AS conversation_id, '' AS run_id, {_COLUMNS} FROM totals
    WHERE span = :span{{0}} AND start >= :start{{0}} AND start < :end{{0}} AND calls <> 0
"""  # noqa: S608 - made of constants of this module
_CALLS = f"""
    SELECT {{1}} AS at, conversation_id, run_id, {_COLUMNS} FROM charges
    WHERE started_at >= :start{{0}} AND started_at < :end{{0}}
"""  # noqa: S608 - made of constants of this module
_NOTHING = f"SELECT started_at AS at, conversation_id, run_id, {_COLUMNS} FROM charges WHERE false"  # noqa: S608

_EXTENT = """
    SELECT coalesce((SELECT min(start) FROM totals WHERE span = :span), 0),
           coalesce((SELECT max(start) FROM totals WHERE span = :span), 0) + :span
"""

_CONDITIONS = {
    "tag": "EXISTS (SELECT 1 FROM json_each(tags) WHERE value = :tag)",
    "model": "(model_matches(requested_model, :model) OR model_matches(model, :model))",
    "provider": "provider = :provider COLLATE NOCASE",
    # The view's `run_id` is an expression, which has no index.
    "run": "number IN (SELECT number FROM calls WHERE run_id = :run)",
    "conversation": "conversation_id = :conversation",
}
_KEYS = {
    "day": "at",
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
    source, parameters = _selected(database, filter, (), UTC)
    (used, spent), *_ = database.query(f"SELECT {_COMMITTED} FROM {source}", parameters)  # noqa: S608 - no values in it
    return Committed(from_pico(spent), from_pico(used - spent))


def totals(database: Database, filter: CallFilter, by: Sequence[str], zone: tzinfo) -> list[CallTotals]:
    """Return the totals by these groupings, ordered by keys; without any, one row, also when it is of nothing.

    Days are those of `zone`.

    Raises:
        ValidationError: a grouping is not one of `GROUPINGS`.
    """
    for name in by:
        if name not in _KEYS:
            raise ValidationError(f"calls can't be grouped by {name}")
    source, parameters = _selected(database, filter, by, zone)
    columns = ", ".join([_KEYS[name] for name in by] + [_SUMS])
    order = ", ".join(str(number + 1) for number in range(len(by)))
    sql = f"SELECT {columns} FROM {source}" + (f" GROUP BY {order} ORDER BY {order}" if by else "")  # noqa: S608 - the same
    return [_totals_from(_written(by, row), row[len(by) :]) for row in database.query(sql, parameters)]


def _written(by: Sequence[str], row: Row) -> tuple[str, ...]:
    # Days come as ms: writing them for every row would take longer than adding up.
    return tuple(from_ms(key).date().isoformat() if name == "day" else key for name, key in zip(by, row, strict=False))


def _selected(database: Database, filter: CallFilter, by: Sequence[str], zone: tzinfo) -> tuple[str, dict[str, Any]]:
    """Return what stands behind FROM, and its parameters."""
    conditions, parameters = conditions_of(database, filter)
    offsets = _offsets(database, filter, zone) if "day" in by else None
    parts = []
    for number, piece in enumerate(_pieces_of(filter, by, offsets)):
        parts.append((_KEPT if piece.span else _CALLS).format(number, _time(piece, offsets)) + conditions)
        parameters |= {f"start{number}": piece.start, f"end{number}": piece.end}
        if piece.span:
            parameters[f"span{number}"] = piece.span
    source = f"({' UNION ALL '.join(parts or [_NOTHING])}) AS part"
    return source + (" LEFT JOIN json_each(part.tags) AS tag" if "tag" in by else ""), parameters


def conditions_of(database: Database, filter: CallFilter) -> tuple[str, dict[str, Any]]:
    """Return what the filter says besides times, each with `AND` before it, and the parameters of that."""
    given = {
        "tag": filter.tag,
        "model": filter.model,
        "provider": filter.provider,
        "run": filter.run,
        "conversation": None if filter.conversation is None else str(filter.conversation),
    }
    parameters = asked_for(database, given)
    return "".join(f" AND {_CONDITIONS[name]}" for name in parameters), parameters


def _pieces_of(filter: CallFilter, by: Sequence[str], offsets: Offsets | None) -> list[Piece]:
    """Return the range of the filter in pieces for which there is what the filter and the groupings ask for."""
    start = _EARLIEST if filter.since is None else to_ms(filter.since)
    end = _LATEST if filter.until is None else to_ms(filter.until)
    spans: Sequence[int] = SPANS_MS
    if filter.run is not None or filter.conversation is not None or {"run", "conversation"}.intersection(by):
        spans = ()
    elif offsets is not None:
        spans = (DAY_MS, QUARTER_MS) if _are_utc(offsets) else (QUARTER_MS,)
    return pieces(start, end, spans)


def _time(piece: Piece, offsets: Offsets | None) -> str:
    """Return the time to group by: with offsets, the day."""
    at = "start" if piece.span else "started_at"
    if offsets is None or (piece.span == DAY_MS and _are_utc(offsets)):
        return at  # as it is, in the order of the index
    cases = " ".join(f"WHEN {at} < {until:d} THEN {offset:d}" for (_, offset), (until, _) in pairwise(offsets))
    offset = f"(CASE {cases} ELSE {offsets[-1][1]:d} END)" if cases else f"{offsets[-1][1]:d}"
    return f"(({at} + {offset} + {_LATEST_DAY * DAY_MS}) / {DAY_MS} - {_LATEST_DAY}) * {DAY_MS}"


def _offsets(database: Database, filter: CallFilter, zone: tzinfo) -> Offsets:
    """Return the offsets of a zone while there were calls."""
    if zone is UTC:
        return [(0, 0)]
    ((first, last),) = database.query(_EXTENT, {"span": DAY_MS})
    start = first if filter.since is None else max(first, to_ms(filter.since))
    end = last if filter.until is None else min(last, to_ms(filter.until))
    return zone_offsets(zone, start, end)


def _are_utc(offsets: Offsets) -> bool:
    return all(offset == 0 for _, offset in offsets)


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
