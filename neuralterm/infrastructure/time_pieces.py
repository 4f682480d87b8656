"""Cuts a range of time into whole spans, for which sums are kept, and the rest."""

from __future__ import annotations

from collections.abc import Sequence

from neuralterm.domain.record import record


@record
class Piece:
    """The times from `start` to before `end`: whole spans of that length, or with span 0 a rest. All in one unit."""

    span: int
    start: int
    end: int


def pieces(start: int, end: int, spans: Sequence[int]) -> list[Piece]:
    """Cut [start, end) into as few pieces as whole spans allow, in order of time; spans begin at multiples of themselves.

    `spans` are lengths from coarse to fine, each a multiple of the next.
    """
    if start >= end:
        return []
    if not spans:
        return [Piece(0, start, end)]
    span, *finer = spans
    first, last = -(-start // span) * span, end // span * span
    if first >= last:
        return pieces(start, end, finer)
    return [*pieces(start, first, finer), Piece(span, first, last), *pieces(last, end, finer)]
