"""How wide text is on a terminal, and where its lines are broken there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import chain

# Latin letters and common punctuation take one column: the library that knows all characters takes long to import.
_NARROW = "[ -~\u00a1-\u00ac\u00ae-\u02ff\u2010-\u2027\u2030-\u205e]*"


@cache
def _narrow() -> re.Pattern[str]:
    """Return the pattern of text that takes a column for each character; a pipe needs none."""
    return re.compile(_NARROW)


@lru_cache(4096)
def width_of(character: str) -> int:
    """Return how many columns a character takes; 0 for one that joins the one before."""
    if _narrow().fullmatch(character):
        return 1
    import wcwidth

    return max(wcwidth.wcwidth(character), 0)


def columns_of(text: str) -> int:
    """Return how many columns the longest line of a text takes: wide characters take two, joined ones no more."""
    if _narrow().fullmatch(text):
        return len(text)
    if text.isascii():
        return max(map(len, text.splitlines()), default=0)
    from wcwidth import width

    return max(map(width, text.splitlines()), default=0)


def cells_of(text: str) -> int:
    """Return how many columns a line takes, character by character, as a terminal that puts none together shows it."""
    return len(text) if _narrow().fullmatch(text) else sum(map(width_of, text))


def breaks_of(line: str, width: int, indent: int = 0, *, gap: str = " ") -> Iterator[tuple[int, int]]:
    """Yield where rows of a terminal of so many columns end, and where the next ones begin, which are moved in by `indent`.

    They end at a `gap`, or several; a word that is longer than a row is left to the terminal.
    """
    begin, room, last = 0, width, None
    gaps = [match.span() for match in re.finditer(f"(?:{re.escape(gap)})+", line)]
    for stop, after in [*gaps, (len(line), len(line))]:
        if last is not None and columns_of(line[begin:stop]) > room:
            yield last
            begin, room = last[1], width - indent
        last = (stop, after) if line[begin:stop].strip() else last


def wrapped(line: str, width: int | None, indent: int = 0, *, gap: str = " ") -> str:
    """Return a line on as many rows as `breaks_of` says; None: on one."""
    if width is None or columns_of(line) <= width:
        return line
    places = [0, *chain.from_iterable(breaks_of(line, width, indent, gap=gap)), len(line)]
    rows = [line[begin:end] for begin, end in zip(places[::2], places[1::2], strict=True)]
    return ("\n" + " " * indent).join(rows)


def walked(row: int, column: int, text: str, columns: int) -> tuple[int, int]:
    """Return where the cursor of a terminal stands after a text, which it wraps at so many columns.

    A column that is equal to `columns` is the place behind a full row: the next character wraps.
    """
    for number, segment in enumerate(text.split("\n")):
        if number:
            row, column = row + 1, 0
        if _narrow().fullmatch(segment):
            end = column + len(segment)
            if end > columns:
                row, end = row + (end - 1) // columns, (end - 1) % columns + 1
            column = end
        else:
            row, column = _walked_bit_by_bit(row, column, segment, columns)
    return row, column


def _walked_bit_by_bit(row: int, column: int, text: str, columns: int) -> tuple[int, int]:
    for character in text:
        if character == "\t":
            column = min((column // 8 + 1) * 8, columns - 1)
            continue
        width = width_of(character)
        if width and column + width > columns:
            row, column = row + 1, 0
        column += width
    return row, column
