"""Pieces of text with their style, and how wide text is on a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

# A text, and how it looks: the parameters of the terminal's SGR sequence, such as `1;36`; empty for plain text.
Span = tuple[str, str]

BOLD, ITALIC, UNDERLINE, STRIKE, DIM, CODE = "1", "3", "4", "9", "2", "36"
HEADING, MARKER = "1;35", "35"


def joined(*styles: str) -> str:
    """Return one style that is all of these."""
    return ";".join(filter(None, styles))


def plain(spans: Iterable[Span]) -> str:
    """Return the text alone."""
    return "".join(text for text, _ in spans)


def painted(spans: Iterable[Span]) -> str:
    """Return the text with the sequences that style it; it ends without a style."""
    return "".join(f"\x1b[{style}m{text}\x1b[0m" if style and text else text for text, style in spans)


def part(spans: Iterable[Span], start: int, end: int | None = None) -> list[Span]:
    """Return what stands between two places of the text."""
    cut, position = [], 0
    for text, style in spans:
        begin = max(start - position, 0)
        piece = text[begin : None if end is None else max(end - position, 0)]
        if piece:
            cut.append((piece, style))
        position += len(text)
    return cut


def common_length(one: list[Span], other: list[Span]) -> int:
    """Return how many characters two lists have in common at their beginning, styles included."""
    number = length = 0
    for span, other_span in zip(one, other, strict=False):
        if span != other_span:
            break
        number, length = number + 1, length + len(span[0])
    for cell, other_cell in zip(_cells(one[number:]), _cells(other[number:]), strict=False):
        if cell != other_cell:
            break
        length += 1
    return length


def _cells(spans: list[Span]) -> Iterable[Span]:
    return ((character, style) for text, style in spans for character in text)


# Latin letters and common punctuation take one column: the library that knows all characters takes long to import.
_NARROW = re.compile("[ -~\u00a1-\u00ac\u00ae-\u02ff\u2010-\u2027\u2030-\u205e]*")


@lru_cache(4096)
def width_of(character: str) -> int:
    """Return how many columns a character takes; 0 for one that joins the one before."""
    if _NARROW.fullmatch(character):
        return 1
    import wcwidth

    return max(wcwidth.wcwidth(character), 0)


def text_width(text: str) -> int:
    """Return how many columns a text on one line takes."""
    if _NARROW.fullmatch(text):
        return len(text)
    import wcwidth

    return max(wcwidth.wcswidth(text), 0)


def cells_of(text: str) -> int:
    """Return how many columns a text takes, character by character, as a terminal that puts none together shows it."""
    return len(text) if _NARROW.fullmatch(text) else sum(map(width_of, text))


def walked(row: int, column: int, text: str, columns: int) -> tuple[int, int]:
    """Return where the cursor of a terminal stands after a text, which it wraps at so many columns.

    A column that is equal to `columns` is the place behind a full row: the next character wraps.
    """
    for number, segment in enumerate(text.split("\n")):
        if number:
            row, column = row + 1, 0
        if _NARROW.fullmatch(segment):
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
