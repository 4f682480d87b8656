"""What `cost check` found, for programs, for people, and for the pages of CI jobs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from neuralterm.application.cost_check import CostCheck
from neuralterm.application.records import CallTotals
from neuralterm.application.reports import known_usd
from neuralterm.components.cost_view import (
    by_source_document,
    group_cost,
    group_unsettled,
    key_words,
    unsettled_document,
    unsettled_words,
)
from neuralterm.components.foreign_text import visible
from neuralterm.components.machine import SCHEMA_VERSION, moment, money
from neuralterm.components.tables import grouped, minute
from neuralterm.domain.money import dollars
from neuralterm.domain.text import numbered, one_line

# All that could mean something to Markdown or HTML, `@` and `.` included: mentions and addresses become links by themselves.
_MARKUP = re.compile(r"[^\w /-]|_")


def check_document(check: CostCheck) -> dict[str, Any]:
    """Return the object that `cost check --json` prints."""
    total, wanted = check.report.total, check.report.filter
    return {
        "schema_version": SCHEMA_VERSION,
        "ok": check.ok,
        "max_usd": money(check.max_usd),
        "total_usd": money(known_usd(total)),
        "at_most_usd": money(check.at_most_usd),
        "calls": total.calls,
        "unsettled": unsettled_document(total),
        "by_source": by_source_document(total),
        "upstream_usd": money(total.upstream_usd),
        "filters": {
            "since": moment(wanted.since),
            "until": moment(wanted.until),
            "timezone": check.report.timezone,
            "tag": wanted.tag,
            "model": wanted.model,
            "provider": wanted.provider,
            "run": wanted.run,
            "conversation": None if wanted.conversation is None else str(wanted.conversation),
        },
    }


def check_text(check: CostCheck) -> str:
    """Return the result in one line, or two where not all is settled."""
    lines = [f"{_verdict(check)}: {_spent(check)}"]
    if unsettled := unsettled_words(check.report.total):
        lines.append(unsettled)
    return "\n".join(lines)


def check_markdown(check: CostCheck) -> str:
    """Return a summary with a table by model; no name in it is read as markup."""
    total = check.report.total
    sentences = [f"{_spent(check)}."]
    if unsettled := unsettled_words(total):
        sentences.append(f"{unsettled}.")
    if filters := ", ".join(_filters(check)):
        sentences.append(f"Chosen: {filters}.")
    parts = [f"## LLM cost: {_verdict(check)}", " ".join(sentences)]
    if check.report.groups:
        parts.append("\n".join(_table(check.report.groups)))
    return "\n\n".join(parts)


def _verdict(check: CostCheck) -> str:
    if check.ok:
        return "ok"
    return "over the maximum" if check.spent_usd > check.max_usd else "not certain to be within the maximum"


def _spent(check: CostCheck) -> str:
    calls = numbered(check.report.total.calls, "call")
    upstream = check.report.total.upstream_usd
    own = f", {dollars(upstream)} of it charged by providers to your own keys" if upstream else ""
    return f"{dollars(check.spent_usd)} of {dollars(check.max_usd)} spent in {calls}{own}"


def _filters(check: CostCheck) -> Iterator[str]:
    wanted = check.report.filter
    for name, moment_ in (("since", wanted.since), ("until", wanted.until)):
        if moment_ is not None:
            yield f"{name} {minute(moment_)} UTC"
    for name in ("tag", "model", "provider", "run", "conversation"):
        value = getattr(wanted, name)
        if value is not None:
            yield f"{name} {_literal(str(value))}"


def _table(groups: Sequence[CallTotals]) -> Iterator[str]:
    upstream = any(group.upstream_usd for group in groups)
    yield f"| model | calls | tokens in | tokens out | cost |{' upstream |' if upstream else ''} not settled |"
    yield f"| --- | ---: | ---: | ---: | ---: |{' ---: |' if upstream else ''} --- |"
    for group in groups:
        cells = (
            _literal(key_words("model", group.keys[0])),
            grouped(group.calls),
            grouped(group.prompt_tokens),
            grouped(group.completion_tokens),
            group_cost(group),
            *([dollars(group.upstream_usd)] if upstream else []),
            group_unsettled(group),
        )
        yield f"| {' | '.join(cells)} |"


def _literal(text: str) -> str:
    """Return text from outside for a page in Markdown: on one line, and nothing but text."""
    return f"<code>{_MARKUP.sub(lambda match: f'&#{ord(match[0])};', one_line(visible(text)))}</code>"
