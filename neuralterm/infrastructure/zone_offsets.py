"""When a time zone is how far from UTC."""

from __future__ import annotations

from datetime import timedelta, tzinfo

from neuralterm.infrastructure.columns import from_ms
from neuralterm.infrastructure.schema import DAY_MS, QUARTER_MS


def zone_offsets(zone: tzinfo, start: int, end: int) -> list[tuple[int, int]]:
    """Return pairs of a time and the offset that holds from then on, for the times from `start` to `end`, all in ms.

    Offsets change at whole quarters of an hour, and not twice within a day.
    """
    before = start // QUARTER_MS * QUARTER_MS
    found = [(before, _offset(zone, before))]
    while before < end:
        after = min(before + DAY_MS, -(-end // QUARTER_MS) * QUARTER_MS)
        if _offset(zone, after) != found[-1][1]:
            found.append(_change(zone, before, after))
        before = after
    return found


def _change(zone: tzinfo, before: int, after: int) -> tuple[int, int]:
    """Return when, between two times, the offset changes, and to what."""
    old, new = _offset(zone, before), _offset(zone, after)
    while after - before > QUARTER_MS:
        middle = (before + after) // 2 // QUARTER_MS * QUARTER_MS
        before, after = (middle, after) if _offset(zone, middle) == old else (before, middle)
    return after, new


def _offset(zone: tzinfo, at: int) -> int:
    offset = from_ms(at).astimezone(zone).utcoffset()
    return 0 if offset is None else offset // timedelta(milliseconds=1)
