"""What was spent, as one page of HTML that needs nothing else: no network, no program, no font."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from html import escape

from neuralterm.application.bounds import BudgetStatus
from neuralterm.application.records import CallTotals
from neuralterm.application.reports import CALENDAR_KEYS, CostReport, known_usd, usd_from
from neuralterm.application.spent import Spent
from neuralterm.components.budget_view import resets_words, scope_words
from neuralterm.components.cost_page_style import PATTERNS, STYLE
from neuralterm.components.cost_view import EXPLAINED, group_cost, group_unsettled, key_words
from neuralterm.components.foreign_text import visible
from neuralterm.components.machine import moment
from neuralterm.components.svg_charts import Bar, columns_chart, meter, rows_chart
from neuralterm.components.tables import grouped, minute
from neuralterm.domain.models import KNOWN_SOURCES
from neuralterm.domain.money import dollars, plain, sum_usd
from neuralterm.domain.text import numbered, one_line

_UNSETTLED = "unsettled"
_SERIES = (*(source.value for source in KNOWN_SOURCES), _UNSETTLED)
_MOST_ROWS = 20
_SEVERAL_TAGS = "A call with several tags is under each of them, so that these may add up to more than the total."


def cost_page(spent: Spent, budgets: Sequence[BudgetStatus]) -> str:
    """Return the page, without a last newline. Whatever calls and budgets are named, it is text and nothing else."""
    head = (
        '<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">"
        '\n<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>What was spent</title>\n<style>\n{STYLE}</style>"
    )
    sections = [_heading(spent), _sums(spent.whole.total), *map(_part, spent.parts)]
    if budgets:
        sections.append(_budgets(budgets))
    body = "\n".join([PATTERNS, *sections])
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n</html>'
    )


def _heading(spent: Spent) -> str:
    wanted = spent.whole.filter
    facts = [
        ("from", None if wanted.since is None else f"{minute(wanted.since)} UTC"),
        ("before", None if wanted.until is None else f"{minute(wanted.until)} UTC"),
        ("tag", wanted.tag),
        ("model", wanted.model),
        ("provider", wanted.provider),
        ("run", wanted.run),
        ("conversation", wanted.conversation),
    ]
    chosen = [f"{name} {_bdi(str(value))}" for name, value in facts if value is not None]
    made = f'<time datetime="{moment(spent.made_at)}">{minute(spent.made_at)} UTC</time>'
    zone = _text(spent.whole.timezone)
    said = ", ".join(chosen)
    return (
        f"<h1>What was spent</h1>\n<p>{said[:1].upper() + said[1:] or 'All calls'}. Written {made}; days are those of {zone}. "
        "Amounts are in US dollars.</p>"
    )


def _sums(total: CallTotals) -> str:
    rows = [
        (_swatch(source.value), source.value, _amount(usd_from(total, source)), EXPLAINED[source])
        for source in KNOWN_SOURCES
        if source.value in total.by_source
    ]
    if total.unsettled_calls:
        rows.append((_swatch(_UNSETTLED), "not settled", _at_most(total), numbered(total.unsettled_calls, "call")))
    if total.upstream_usd:
        explained = "charged by providers to your keys: not in the total"
        rows.append(("", "upstream", _amount(total.upstream_usd), explained))
    lines = "\n".join(
        f'<tr><td>{swatch}</td><th scope="row">{name}</th><td class="n">{amount}</td><td>{_text(explained)}</td></tr>'
        for swatch, name, amount, explained in rows
    )
    name = "Known" if total.unsettled_calls else "Total"
    tokens = (
        f"{grouped(total.prompt_tokens)} tokens in ({grouped(total.cached_tokens)} cached), "
        f"{grouped(total.completion_tokens)} out ({grouped(total.reasoning_tokens)} reasoning)"
    )
    return (
        f'<section id="sums">\n<p class="total">{name} {_amount(known_usd(total))}</p>\n'
        f"<p>{numbered(total.calls, 'call')}, {tokens}</p>\n"
        f'<div class="scroll">\n<table>\n{lines}\n</table>\n</div>\n</section>'
    )


def _part(part: CostReport) -> str:
    (key,) = part.by
    chart = columns_chart if key in CALENDAR_KEYS else rows_chart
    bars = [_bar(key, group) for group in part.groups]
    if key not in CALENDAR_KEYS and len(bars) > _MOST_ROWS:
        bars = [*bars[:_MOST_ROWS], _others(part.groups[_MOST_ROWS:])]
    drawn = chart(bars, _SERIES, f"cost by {key}")
    called = [group for group in part.groups if group.calls]
    note = f"\n<p>{_SEVERAL_TAGS}</p>" if key == "tag" and called else ""
    shown = f'<div class="chart">\n{drawn}\n</div>\n{_table(key, called)}' if called else "<p>No calls.</p>"
    return f'<section id="{key}">\n<h2>By {key}</h2>{note}\n{shown}\n</section>'


def _bar(key: str, group: CallTotals) -> Bar:
    name = key_words(key, group.keys[0])
    told = [f"{dollars(usd_from(group, source))} {source.value}" for source in KNOWN_SOURCES if usd_from(group, source)]
    if group.unsettled_calls:
        told.append(f"not settled: {group_unsettled(group)}")
    title = f"{name}: {', '.join(told) or 'nothing'} ({numbered(group.calls, 'call')})"
    return _bar_of([group], name, title)


def _others(groups: Sequence[CallTotals]) -> Bar:
    """Return one bar for what is in the table only."""
    name = f"{len(groups)} others"
    return _bar_of(groups, name, f"{name}: in the table")


def _bar_of(groups: Sequence[CallTotals], name: str, title: str) -> Bar:
    """Return a bar of several groups; what has no amount is marked, and never as nothing."""
    known = [sum_usd(usd_from(group, source) for group in groups) for source in KNOWN_SOURCES]
    bounds = [group.unsettled_at_most_usd for group in groups]
    unsettled = any(group.unsettled_calls for group in groups)
    settled = any(group.calls > group.unsettled_calls for group in groups)
    told = (f"{dollars(sum_usd(known))} + ?" if settled else "unknown") if unsettled else dollars(sum_usd(known))
    mark = "?" if None in bounds else ""
    return Bar(name, title, (*known, sum_usd(bound for bound in bounds if bound is not None)), told, mark)


def _table(key: str, groups: Sequence[CallTotals]) -> str:
    sources = [source for source in KNOWN_SOURCES if any(source.value in group.by_source for group in groups)]
    unsettled = any(group.unsettled_calls for group in groups)
    upstream = any(group.upstream_usd for group in groups)
    headers = [key, "cost", "calls", "tokens in", "tokens out", *(source.value for source in sources)]
    headers += ["upstream"] * upstream
    rows = [
        [
            f'<th scope="row">{_bdi(key_words(key, group.keys[0]))}</th>',
            *(
                f'<td class="n">{cell}</td>'
                for cell in (
                    "unknown" if group_cost(group) == "unknown" else _amount(known_usd(group)),
                    grouped(group.calls),
                    grouped(group.prompt_tokens),
                    grouped(group.completion_tokens),
                    *(
                        _amount(usd_from(group, source)) if source.value in group.by_source else ""
                        for source in sources
                    ),
                    *([_amount(group.upstream_usd) if group.upstream_usd else ""] if upstream else []),
                )
            ),
            *([f"<td>{_text(group_unsettled(group))}</td>"] if unsettled else []),
        ]
        for group in groups
    ]
    return _table_of([*headers, *(["not settled"] if unsettled else [])], rows, left=(key, "not settled"))


def _budgets(budgets: Sequence[BudgetStatus]) -> str:
    rows = [
        [
            f'<th scope="row">{_bdi(status.budget.name)}</th>',
            f"<td>{_bdi(scope_words(status.budget.scope))}</td>",
            f'<td class="meter">{_meter(status)}</td>',
            *(
                f'<td class="n">{_amount(usd)}</td>'
                for usd in (status.budget.limit_usd, status.spent_usd, status.reserved_usd, status.remaining_usd)
            ),
            f"<td>{status.budget.window.value}, resets {_text(resets_words(status))}</td>",
        ]
        for status in budgets
    ]
    headers = ["budget", "counts", "", "limit", "spent", "reserved", "left", "window"]
    table = _table_of(headers, rows, left=("budget", "counts", "", "window"))
    return f'<section id="budgets">\n<h2>Budgets now</h2>\n{table}\n</section>'


def _meter(status: BudgetStatus) -> str:
    parts = (("billed", status.spent_usd), (_UNSETTLED, status.reserved_usd))
    said = f"{dollars(status.committed_usd)} of {dollars(status.budget.limit_usd)} used"
    return meter(parts, status.budget.limit_usd, said)


def _table_of(headers: Iterable[str], rows: Iterable[Sequence[str]], *, left: Sequence[str]) -> str:
    head = "".join(f'<th scope="col"{"" if name in left else _NUMBERS}>{_text(name)}</th>' for name in headers)
    body = "\n".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f'<div class="scroll">\n<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>'


_NUMBERS = ' class="n"'


def _at_most(totals: CallTotals) -> str:
    bound = totals.unsettled_at_most_usd
    return "no bound" if bound is None else f"at most {_amount(bound)}"


def _amount(usd: Decimal) -> str:
    """Write an amount, with all its digits for programs."""
    return f'<data value="{plain(usd)}">{dollars(usd)}</data>'


def _swatch(name: str) -> str:
    return f'<svg class="swatch" viewBox="0 0 14 14" aria-hidden="true"><rect class="{name}" width="14" height="14"/></svg>'


def _bdi(text: str) -> str:
    """Write a name that somebody else has chosen, so that its direction of writing stays its own."""
    return f"<bdi>{_text(text)}</bdi>"


def _text(text: str) -> str:
    return escape(visible(one_line(text)))
