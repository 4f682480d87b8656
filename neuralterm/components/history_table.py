"""The list of conversations as a table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from neuralterm.application.records import ConversationSummary
from neuralterm.components.history_view import unless_complete
from neuralterm.components.tables import fitted_table, grouped, minute, table
from neuralterm.components.text_width import columns_of
from neuralterm.domain.money import dollars
from neuralterm.domain.spans import in_words
from neuralterm.domain.text import one_line

_SHORTEST_ID = 8
_SHORTEST_TITLE = 20
_NUMBERS = ("messages", "cost")
# What a narrow terminal is spared, in this order.
_EXPENDABLE = ("status", "messages", "model")
_GAP = "  "


def list_table(summaries: Sequence[ConversationSummary], *, width: int | None, now: datetime) -> str:
    """Return a table of conversations.

    For a terminal `width` columns wide, ids and titles are shortened and times relative to `now`; without a width
    everything is written out.
    """
    digits = _digits_needed([str(summary.conversation.id) for summary in summaries]) if width else None
    rows = [
        [
            str(summary.conversation.id)[:digits],
            _ago(summary.conversation.updated_at, now) if width else minute(summary.conversation.updated_at),
            summary.conversation.model_id,
            grouped(summary.message_count),
            _known_cost(summary),
            unless_complete(summary.status),
            one_line(summary.conversation.title or summary.preview),
        ]
        for summary in summaries
    ]
    headers = ["id", "changed" if width else "changed (UTC)", "model", "messages", "cost", "status", "title"]
    if width is None:
        return table(headers, rows, right=_NUMBERS)
    if not any(row[5] for row in rows):
        headers, rows = _without("status", headers, rows)
    return _fitted(headers, rows, width)


def _fitted(headers: list[str], rows: list[list[str]], width: int) -> str:
    """Return a table in which titles have some room, in no more columns than there are if that can be."""
    for name in _EXPENDABLE:
        taken = columns_of(table(headers[:-1], [row[:-1] for row in rows], right=_NUMBERS))
        if width - taken - len(_GAP) >= min(_SHORTEST_TITLE, max(columns_of(row[-1]) for row in rows)):
            break
        if name in headers:
            headers, rows = _without(name, headers, rows)
    return fitted_table(headers, rows, width, right=_NUMBERS, names=["title"])


def _without(name: str, headers: list[str], rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    at = headers.index(name)
    return [*headers[:at], *headers[at + 1 :]], [[*row[:at], *row[at + 1 :]] for row in rows]


def _known_cost(summary: ConversationSummary) -> str:
    known = summary.conversation.total_cost
    if not summary.unsettled:
        return dollars(known)
    return f"{dollars(known)} + ?" if known else "unknown"


def _digits_needed(ids: Sequence[str]) -> int:
    """Return how many characters tell these ids apart, eight or more."""
    for digits in range(_SHORTEST_ID, max(map(len, ids), default=_SHORTEST_ID)):
        if len({identity[:digits] for identity in ids}) == len(ids):
            return digits
    return max(map(len, ids), default=_SHORTEST_ID)


def _ago(at: datetime, now: datetime) -> str:
    return f"{in_words(now - at)} ago"
