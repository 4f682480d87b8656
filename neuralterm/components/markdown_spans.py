"""Pieces of text with their style."""

from __future__ import annotations

from collections.abc import Iterable

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
