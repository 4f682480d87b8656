"""Cost reports as CSV."""

from __future__ import annotations

from io import StringIO

from neuralterm.application.records import CallTotals
from neuralterm.application.reports import CostReport, known_usd, usd_from
from neuralterm.components.machine import money
from neuralterm.domain.models import KNOWN_SOURCES

_CSV_HEADER = (
    "calls",
    "prompt_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "cached_tokens",
    "total_usd",
    "billed_usd",
    "reconciled_usd",
    "computed_usd",
    "estimated_usd",
    "unsettled_calls",
    "unsettled_at_most_usd",
    "upstream_usd",
)


def report_csv(report: CostReport) -> str:
    """Return the groups, or without grouping the total, as CSV with a header and without a last newline.

    The column `key` is followed by one for each key where there are several.
    """
    import csv

    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    several = len(report.by) > 1
    writer.writerow(["key", *(report.by if several else ()), *_CSV_HEADER])
    for row in report.groups if report.by else [report.total]:
        writer.writerow([", ".join(row.keys), *(row.keys if several else ()), *_csv_row(row)])
    return text.getvalue().rstrip("\n")


def _csv_row(totals: CallTotals) -> list[str | int]:
    unsettled = money(totals.unsettled_at_most_usd)
    return [
        totals.calls,
        totals.prompt_tokens,
        totals.completion_tokens,
        totals.reasoning_tokens,
        totals.cached_tokens,
        money(known_usd(totals)) or "",
        *(money(usd_from(totals, source)) or "" for source in KNOWN_SOURCES),
        totals.unsettled_calls,
        "" if unsettled is None else unsettled,
        money(totals.upstream_usd) or "",
    ]
