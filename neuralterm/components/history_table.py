"""The list of conversations as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from neuralterm.application.records import ConversationSummary
from neuralterm.components.history_view import unless_complete
from neuralterm.components.tables import (
    ago,
    column_width,
    cut_to,
    digits_needed,
    fitted_table,
    grouped,
    minute,
    table,
)
from neuralterm.components.text_width import columns_of
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
    return table(headers, rows, right=_NUMBERS) if width is None else _fitted(headers, rows, width)


def _fitted(headers: list[str], rows: list[list[str]], width: int) -> str:
    """Return a table in which titles have some room, in no more columns than there are if that can be."""
    across = {header: column_width(header, [row[at] for row in rows]) for at, header in enumerate(headers)}
    if not any(row[headers.index("status")] for row in rows):
        del across["status"]
    wanted = min(_SHORTEST_TITLE, width // 5, max(columns_of(row[-1]) for row in rows))
    if _room(across, width) < wanted:
        at = headers.index("model")
        rows = [[*row[:at], cut_to(row[at], _LONGEST_MODEL), *row[at + 1 :]] for row in rows]
        across["model"] = column_width("model", [row[at] for row in rows])
    for name in _EXPENDABLE:
        if _room(across, width) >= wanted:
            break
        across.pop(name, None)
    kept = [at for at, header in enumerate(headers) if header in across]
    rows = [[row[at] for at in kept] for row in rows]
    return fitted_table(list(across), rows, width, right=_NUMBERS, names=["title"])


def _room(across: Mapping[str, int], width: int) -> int:
    """Return how many columns the other columns, so many across, leave for titles."""
    return width - sum(columns + len(_GAP) for name, columns in across.items() if name != "title")


def _known_cost(summary: ConversationSummary) -> str:
    known = summary.conversation.total_cost
    if not summary.unsettled:
        return dollars(known)
    return f"{dollars(known)} + ?" if known else "unknown"
