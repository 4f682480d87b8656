"""Tables for people."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from neuralterm.components.foreign_text import visible
from neuralterm.components.text_width import columns_of
from neuralterm.domain.text import one_line

_SHORTEST_NAME, _SHORTEST_ID = 8, 8
_LEFT_TO_RIGHT = "\u200e"
# Characters that a column may take, marks included.
_MOST_PER_COLUMN = 8


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> str:
    """Lay rows out under their headers; the columns named in `right` are right-aligned.

    Cells are written as they are, on one line, never cut and never read as numbers.
    """
    from neuralterm.components.tabulate_import import tabulate_for

    cells = [[one_line(cell) for cell in row] for row in rows]
    wide = not all(cell.isascii() for row in (headers, *cells) for cell in row)
    return str(
        tabulate_for(wide=wide)(
            cells,
            headers=list(headers),
            tablefmt="simple",
            colalign=["right" if header in right else "left" for header in headers] if rows else None,
            disable_numparse=True,
        )
    )


def fitted_table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int | None,
    *,
    right: Sequence[str] = (),
    names: Sequence[str] = (),
    expendable: Sequence[Sequence[str]] = (),
) -> str:
    """Lay rows out as `table` does, in no more columns of a terminal than `width` if that can be; None: in any number.

    The groups of columns in `expendable` are left out, the first one first, as far as needed; then the columns named in
    `names` are shortened, the widest first. For a terminal, right-to-left text is kept within its column, and what it would
    obey is shown.
    """
    kept = list(range(len(headers)))
    if width is not None:
        rows = [[visible(one_line(cell)) for cell in row] for row in rows]
        across = [column_width(header, [row[index] for row in rows]) for index, header in enumerate(headers)]
        for group in expendable:
            if _whole_width(across, kept) > width:
                kept = [index for index in kept if headers[index] not in group]
        room = _room_for_names(across, kept, [headers.index(name) for name in names if name in headers], width)
        rows = [[cut_to(cell, room[at]) if at in room else cell for at, cell in enumerate(row)] for row in rows]
    text = _chosen(headers, rows, kept, right)
    if width is None or text.isascii():
        return text
    return "\n".join(map(in_order, text.split("\n")))


def column_width(header: str, cells: Sequence[str]) -> int:
    """Return the columns of a terminal that a column takes; tabulate makes it two wider than its header at least."""
    return max((columns_of(header) + 2, *(columns_of(one_line(cell)) for cell in cells)))


def _whole_width(across: Sequence[int], kept: Sequence[int]) -> int:
    return sum(across[index] for index in kept) + 2 * max(len(kept) - 1, 0)


def _room_for_names(across: Sequence[int], kept: Sequence[int], names: Sequence[int], width: int) -> dict[int, int]:
    """Return how many columns each of the names has that must be shortened."""
    excess = _whole_width(across, kept) - width
    widths = {index: across[index] for index in names if index in kept}
    room: dict[int, int] = {}
    while excess > 0 and (widest := max(widths, key=widths.__getitem__, default=None)) is not None:
        if widths[widest] <= _SHORTEST_NAME:
            break
        room[widest] = widths[widest] = widths[widest] - 1
        excess -= 1
    return room


def _chosen(headers: Sequence[str], rows: Sequence[Sequence[str]], kept: Sequence[int], right: Sequence[str]) -> str:
    return table([headers[index] for index in kept], [[row[index] for index in kept] for row in rows], right=right)


def cut_to(cell: str, columns: int) -> str:
    """Return the cell on one line, in so many columns of a terminal; `…` stands for what is left out."""
    return clipped(one_line(cell), columns)


def clipped(line: str, columns: int) -> str:
    """Return a line in so many columns of a terminal, made safe for it; `…` stands for what is left out."""
    # No more is measured than can matter: a line may be a whole answer.
    beginning = line[: _MOST_PER_COLUMN * (columns + 1)]
    text = visible(beginning)
    if beginning == line and columns_of(text) <= columns:
        return text
    if text.isascii():
        return text[: columns - 1].rstrip() + "…"
    from wcwidth import clip

    return str(clip(text, 0, columns - 1)).rstrip() + "…"


def in_order(line: str) -> str:
    """Return a line so that a terminal which turns right-to-left text leaves columns, two spaces apart, where they are."""
    from unicodedata import bidirectional

    if line.isascii() or not any(bidirectional(character) in ("R", "AL") for character in line):
        return line
    import re

    return _LEFT_TO_RIGHT + re.sub(" {2,}", f"{_LEFT_TO_RIGHT}\\g<0>", line)


def grouped(count: int | None) -> str:
    """Write a count with thousands separators; `?` when it is not known."""
    return "?" if count is None else f"{count:,}"


def minute(at: datetime) -> str:
    """Write a time to the minute, in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def ago(at: datetime, now: datetime) -> str:
    """Write how long ago a time was."""
    from neuralterm.domain.spans import in_words

    return f"{in_words(now - at)} ago"


def digits_needed(ids: Collection[str]) -> int:
    """Return how many characters tell these ids apart, eight or more."""
    for digits in range(_SHORTEST_ID, max(map(len, ids), default=_SHORTEST_ID)):
        if len({identity[:digits] for identity in ids}) == len(ids):
            return digits
    return max(map(len, ids), default=_SHORTEST_ID)
