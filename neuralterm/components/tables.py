"""Tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from neuralterm.domain.text import one_line


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> str:
    """Lay rows out under their headers; the columns named in `right` are right-aligned.

    Cells are written as they are, on one line, never cut and never read as numbers.
    """
    from tabulate import tabulate

    return tabulate(
        [[one_line(cell) for cell in row] for row in rows],
        headers=list(headers),
        tablefmt="simple",
        colalign=["right" if header in right else "left" for header in headers] if rows else None,
        disable_numparse=True,
    )


def columns_of(text: str) -> int:
    """Return how many columns of a terminal the longest line takes: wide characters take two, combining ones none."""
    from unicodedata import combining, east_asian_width

    def columns(character: str) -> int:
        return 0 if combining(character) else 2 if east_asian_width(character) in "WF" else 1

    return max((sum(map(columns, line)) for line in text.splitlines()), default=0)


def grouped(count: int | None) -> str:
    """Write a count with thousands separators; `?` when it is not known."""
    return "?" if count is None else f"{count:,}"


def minute(at: datetime) -> str:
    """Write a time to the minute, in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def numbered(count: int, noun: str) -> str:
    """Write how many there are of something: `1 call`, `1,234 calls`."""
    return f"{grouped(count)} {noun}" + ("" if count == 1 else "s")
