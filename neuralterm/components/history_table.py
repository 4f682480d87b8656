"""The list of conversations as a table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from neuralterm.application.records import ConversationSummary
from neuralterm.components.history_view import unless_complete
from neuralterm.components.tables import ago, columns_of, cut_to, digits_needed, fitted_table, grouped, minute, table
from neuralterm.domain.money import dollars
from neuralterm.domain.text import one_line

_SHORTEST_TITLE = 18
_LONGEST_MODEL = 22
_NUMBERS = ("messages", "cost")
# What a narrow terminal is spared, in this order.
_EXPENDABLE = ("status", "messages", "model", "changed", "deleted", "cost")
_GAP = "  "


def list_table(summaries: Sequence[ConversationSummary], *, width: int | None, now: datetime) -> str:
    """Return a table of conversations.

    Of those in the trash it tells when they were deleted. For a terminal `width` columns wide, ids and titles are shortened
    and times relative to `now`; without a width everything is written out.
    """
    when = "deleted" if any(summary.conversation.deleted_at for summary in summaries) else "changed"
    moments = [summary.conversation.deleted_at or summary.conversation.updated_at for summary in summaries]
    digits = digits_needed({str(summary.conversation.id) for summary in summaries}) if width else None
    rows = [
        [
            str(summary.conversation.id)[:digits],
            ago(moment, now) if width else minute(moment),
            summary.conversation.model_id,
            grouped(summary.message_count),
            _known_cost(summary),
            unless_complete(summary.status),
            one_line(summary.conversation.title or summary.preview),
        ]
        for summary, moment in zip(summaries, moments, strict=True)
    ]
    headers = ["id", when if width else f"{when} (UTC)", "model", "messages", "cost", "status", "title"]
    if width is None:
        return table(headers, rows, right=_NUMBERS)
    if not any(row[5] for row in rows):
        headers, rows = _without("status", headers, rows)
    return _fitted(headers, rows, width)


def _fitted(headers: list[str], rows: list[list[str]], width: int) -> str:
    """Return a table in which titles have some room, in no more columns than there are if that can be."""
    wanted = min(_SHORTEST_TITLE, width // 5, max(columns_of(row[-1]) for row in rows))
    if _room(headers, rows, width) < wanted:
        at = headers.index("model")
        rows = [[*row[:at], cut_to(row[at], _LONGEST_MODEL), *row[at + 1 :]] for row in rows]
    for name in _EXPENDABLE:
        if _room(headers, rows, width) >= wanted:
            break
        if name in headers:
            headers, rows = _without(name, headers, rows)
    return fitted_table(headers, rows, width, right=_NUMBERS, names=["title"])


def _room(headers: list[str], rows: list[list[str]], width: int) -> int:
    """Return how many columns the other columns leave for titles."""
    return width - columns_of(table(headers[:-1], [row[:-1] for row in rows], right=_NUMBERS)) - len(_GAP)


def _without(name: str, headers: list[str], rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    at = headers.index(name)
    return [*headers[:at], *headers[at + 1 :]], [[*row[:at], *row[at + 1 :]] for row in rows]


def _known_cost(summary: ConversationSummary) -> str:
    known = summary.conversation.total_cost
    if not summary.unsettled:
        return dollars(known)
    return f"{dollars(known)} + ?" if known else "unknown"
