"""Cost reports, for programs and for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neuralterm.application.bounds import BudgetStatus
from neuralterm.application.records import CallTotals
from neuralterm.application.reports import CALENDAR_KEYS, CostReport, dearest_first, known_usd, usd_from
from neuralterm.components.bars import bar
from neuralterm.components.machine import SCHEMA_VERSION, moment, money
from neuralterm.components.tables import fitted_table, grouped
from neuralterm.components.text_width import columns_of, wrapped
from neuralterm.domain.models import KNOWN_SOURCES, CostSource
from neuralterm.domain.money import dollars
from neuralterm.domain.text import numbered

# What the sources of amounts are, in words.
EXPLAINED = {
    CostSource.BILLED: "the service said so in its replies",
    CostSource.RECONCILED: "the service said so when asked later",
    CostSource.COMPUTED: "its token counts at its list prices",
    CostSource.ESTIMATED: "tokens counted here at its list prices",
}

_NARROWEST_BAR, _WIDEST_BAR = 6, 40
_UPSTREAM = "charged by providers to your keys: in budgets, not in the total"
# Where what is told of sums begins.
_TOLD = 14

_NO_KEY = {
    "model": "(unknown)",
    "provider": "(unknown)",
    "conversation": "(none)",
    "tag": "(no tag)",
    "run": "(no run)",
}


def report_document(report: CostReport, budgets: Sequence[BudgetStatus]) -> dict[str, Any]:
    """Return the object that `cost --json` prints."""
    total = report.total
    return {
        "schema_version": SCHEMA_VERSION,
        "currency": "USD",
        "since": moment(report.filter.since),
        "until": moment(report.filter.until),
        "timezone": report.timezone,
        "calls": total.calls,
        "tokens": _tokens_document(total),
        "total_usd": money(known_usd(total)),
        "by_source": by_source_document(total),
        "unsettled": unsettled_document(total),
        "upstream_usd": money(total.upstream_usd),
        "groups": [
            {
                "key": ", ".join(group.keys),
                "keys": dict(zip(report.by, group.keys, strict=True)),
                "calls": group.calls,
                "total_usd": money(known_usd(group)),
                "tokens": _tokens_document(group),
                "by_source": by_source_document(group),
                "unsettled": unsettled_document(group),
                "upstream_usd": money(group.upstream_usd),
            }
            for group in report.groups
        ],
        "budgets": _budget_documents(budgets),
    }


def _budget_documents(budgets: Sequence[BudgetStatus]) -> list[dict[str, Any]]:
    if not budgets:
        return []
    from neuralterm.components.budget_view import budget_document

    return [budget_document(status) for status in budgets]


def by_source_document(totals: CallTotals) -> dict[str, str | None]:
    """Return where the known amounts come from."""
    return {source.value: money(usd_from(totals, source)) for source in KNOWN_SOURCES}


def unsettled_document(totals: CallTotals) -> dict[str, Any]:
    """Return how many calls are not settled and what they cost at most."""
    return {"calls": totals.unsettled_calls, "at_most_usd": money(totals.unsettled_at_most_usd)}


def report_text(
    report: CostReport,
    budgets: Sequence[BudgetStatus],
    width: int | None = None,
    *,
    bars: bool | None = None,
    groups: bool = True,
) -> str:
    """Return the report for people, with what fits a terminal of so many columns.

    Its groups have bars where there is room; with `bars` always, without never. On a terminal they begin with the dearest,
    unless they are by time. Without `groups` only the sums are told.
    """
    total = report.total
    parts = ["\n".join(wrapped(line, width, _TOLD) for line in _summary(total, width))]
    if groups and report.groups:
        arranged = report.groups if width is None or report.by[0] in CALENDAR_KEYS else dearest_first(report.groups)
        parts.append(_group_table(report.by, arranged, width, bars))
    if budgets:
        from neuralterm.components.budget_view import states_table

        parts.append(states_table(budgets, width))
    return "\n\n".join(parts)


def unsettled_words(totals: CallTotals) -> str:
    """Say in words what is not settled yet: `2 calls not settled yet: at most $0.0123`; empty when all is."""
    if not totals.unsettled_calls:
        return ""
    calls = numbered(totals.unsettled_calls, "call")
    if totals.unsettled_at_most_usd is None:
        return f"{calls} not settled yet: no upper bound known"
    return f"{calls} not settled yet: at most {dollars(totals.unsettled_at_most_usd)}"


def _summary(total: CallTotals, width: int | None) -> list[str]:
    # "known": with unsettled calls a bare total would read as all there is.
    name = "known" if total.unsettled_calls else "total"
    lines = [f"{name:<{_TOLD}}{dollars(known_usd(total))}  ({numbered(total.calls, 'call')})"]
    lines += [
        _explained(f"  {source.value:<12}{dollars(usd_from(total, source))}", EXPLAINED[source], width)
        for source in KNOWN_SOURCES
        if source.value in total.by_source
    ]
    if unsettled := unsettled_words(total):
        lines.append(unsettled)
    if total.upstream_usd:
        lines.append(f"{'upstream':<{_TOLD}}{dollars(total.upstream_usd)}  ({_UPSTREAM})")
    lines.append(
        f"{'tokens':<{_TOLD}}{grouped(total.prompt_tokens)} in ({grouped(total.cached_tokens)} cached), "
        f"{grouped(total.completion_tokens)} out ({grouped(total.reasoning_tokens)} reasoning)"
    )
    return lines


def _explained(line: str, explanation: str, width: int | None) -> str:
    whole = f"{line}  ({explanation})"
    return whole if width is None or len(whole) <= width else line


def _group_table(by: Sequence[str], groups: Sequence[CallTotals], width: int | None, bars: bool | None) -> str:
    amounts = [known_usd(group) for group in groups]
    kept_for_bars = _NARROWEST_BAR + 2 if bars and any(amounts) else 0
    room_for_table = None if width is None else max(width - kept_for_bars, 1)
    unsettled = any(group.unsettled_calls for group in groups)
    text = _plain_table(by, groups, room_for_table, apart=unsettled)
    if unsettled and room_for_table is not None and columns_of(text) > room_for_table:
        text = _plain_table(by, groups, room_for_table, apart=False)
    room = _room_for_bars(text, width, bars)
    if room < _NARROWEST_BAR or not any(amounts):
        return text
    return _with_bars(text, [bar(amount, max(amounts), room) for amount in amounts])


def _plain_table(by: Sequence[str], groups: Sequence[CallTotals], width: int | None, *, apart: bool) -> str:
    """Return the table without bars; what is not settled has a column, or else is marked behind the cost."""
    numbers = ["calls", "tokens in", "tokens out", "cost"]
    upstream = ["upstream"] if any(group.upstream_usd for group in groups) else []
    rows = [
        [
            *(key_words(name, key) for name, key in zip(by, group.keys, strict=True)),
            grouped(group.calls),
            grouped(group.prompt_tokens),
            grouped(group.completion_tokens),
            group_cost(group) if apart else group_sum(group),
            *([dollars(group.upstream_usd) if group.upstream_usd else ""] if upstream else []),
            *([group_unsettled(group)] if apart else []),
        ]
        for group in groups
    ]
    return fitted_table(
        [*by, *numbers, *upstream, *(["not settled"] if apart else [])],
        rows,
        width,
        right=[*numbers, *upstream],
        names=[name for name in by if name not in CALENDAR_KEYS],
        expendable=(("tokens in", "tokens out"), ("calls",), ("upstream",)),
    )


def _room_for_bars(text: str, width: int | None, bars: bool | None) -> int:
    if bars is False or (width is None and bars is None):
        return 0
    room = _WIDEST_BAR if width is None else min(width - columns_of(text) - 2, _WIDEST_BAR)
    return max(room, _NARROWEST_BAR) if bars else room


def _with_bars(text: str, bars: Sequence[str]) -> str:
    """Put a bar behind each row of a table."""
    across = columns_of(text)
    head, rule, *rows = text.splitlines()
    lines = [
        f"{row}{' ' * (across - columns_of(row) + 2)}{drawn}".rstrip() for row, drawn in zip(rows, bars, strict=True)
    ]
    return "\n".join([head, f"{rule}  {'-' * max(map(len, bars))}", *lines])


def key_words(grouping: str, key: str) -> str:
    """Return the key of a group for people: one without a name is called something."""
    return key or _NO_KEY.get(grouping, "")


def group_cost(group: CallTotals) -> str:
    """Return what is known of the cost of a group, for people."""
    return "unknown" if group.unsettled_calls == group.calls else dollars(known_usd(group))


def group_sum(group: CallTotals) -> str:
    """Return the cost of a group in short: `$0.05 + ?` where some of it is not settled."""
    return f"{group_cost(group)}{' + ?' if 0 < group.unsettled_calls < group.calls else ''}"


def group_unsettled(group: CallTotals) -> str:
    """Return what is not settled of a group, for people; empty when all is."""
    if not group.unsettled_calls:
        return ""
    bound = group.unsettled_at_most_usd
    return f"{numbered(group.unsettled_calls, 'call')}, " + (
        "no bound" if bound is None else f"at most {dollars(bound)}"
    )


def _tokens_document(totals: CallTotals) -> dict[str, int]:
    return {
        "prompt": totals.prompt_tokens,
        "completion": totals.completion_tokens,
        "reasoning": totals.reasoning_tokens,
        "cached": totals.cached_tokens,
    }
