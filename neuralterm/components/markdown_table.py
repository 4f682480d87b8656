"""Tables: the same rows with their columns in line, as far as that fits."""

from __future__ import annotations

import re
from collections.abc import Sequence

from neuralterm.components.markdown_inline import inline
from neuralterm.components.markdown_spans import BOLD, DIM, Span, plain
from neuralterm.components.text_width import columns_of

_RULE = re.compile(r"\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*")
_CELL = re.compile(r"(?:[^|\\]|\\.|\\)*+")
_NARROWEST_RULE = 3


class Table:
    """Rows as they come, the second of which tells how columns are aligned. `columns` is the width of the terminal."""

    def __init__(self, header: str, rule: str, columns: int) -> None:
        self._columns = columns
        self._aligns = [_align(cell) for cell in cells(rule)]
        self._rows = [self._read(header, BOLD)]
        self._widths = [_NARROWEST_RULE] * len(self._aligns)
        self._is_fixed = False
        self._widen(self._rows[0])

    def add(self, row: str) -> list[Span] | None:
        """Take a row; return how it looks once the widths are fixed, before that None."""
        read = self._read(row, "")
        if self._is_fixed:
            return self._row(read)
        self._rows.append(read)
        self._widen(read)
        return None

    def height(self) -> int:
        """Return how many rows of the terminal the table takes at most."""
        return sum(1 + sum(_wide(cell) + 3 for cell in row) // self._columns for row in self._rows) + 1

    def shown(self) -> list[list[Span]]:
        """Return the lines of what is there; nothing any more once the widths are fixed."""
        if self._is_fixed:
            return []
        head, *rows = [self._row(row) for row in self._rows]
        return [head, self._rule(), *rows]

    def fix(self) -> list[list[Span]]:
        """Return the lines of what is there, and keep the widths as they are."""
        lines, self._rows, self._is_fixed = self.shown(), [], True
        return lines

    def _read(self, row: str, base: str) -> list[list[Span]]:
        read = [inline(cell, base=base).settled for cell in cells(row)]
        return read + [[] for _ in range(len(self._aligns) - len(read))]

    def _widen(self, row: Sequence[list[Span]]) -> None:
        for index, cell in enumerate(row[: len(self._widths)]):
            self._widths[index] = max(self._widths[index], _wide(cell))

    def _is_too_wide(self) -> bool:
        return sum(self._widths) + 3 * len(self._widths) + 1 > self._columns

    def _row(self, row: Sequence[list[Span]]) -> list[Span]:
        spans: list[Span] = [("|", DIM)]
        is_filled = not self._is_too_wide()
        for index, cell in enumerate(row):
            room = self._widths[index] - _wide(cell) if is_filled and index < len(self._widths) else 0
            align = self._aligns[index] if index < len(self._aligns) else ""
            left = room if align == "right" else room // 2 if align == "center" else 0
            spans += [(" " * (1 + max(left, 0)), ""), *cell, (" " * (1 + max(room - left, 0)), ""), ("|", DIM)]
        return spans

    def _rule(self) -> list[Span]:
        dashes = []
        for align, width in zip(self._aligns, self._widths, strict=True):
            length = _NARROWEST_RULE if self._is_too_wide() else width
            left, right = (":" if align in ("left", "center") else "-"), (":" if align in ("right", "center") else "-")
            dashes.append(left + "-" * length + right)
        return [(f"|{'|'.join(dashes)}|", DIM)]


def is_rule(line: str, header: str) -> bool:
    """Say whether a line below another one makes that the header of a table."""
    return _RULE.fullmatch(line) is not None and len(cells(line)) == len(cells(header))


def cells(row: str) -> list[str]:
    """Return the cells of a row; a `|` behind a backslash does not end one."""
    text = row.strip().removeprefix("|")
    found = []
    while True:
        cell = _CELL.match(text)
        assert cell is not None
        rest = text[cell.end() :]
        if rest or cell[0].strip():
            found.append(cell[0].strip().replace("\\|", "|"))
        if not rest:
            return found
        text = rest[1:]


def _align(cell: str) -> str:
    begins, ends = cell.startswith(":"), cell.endswith(":")
    return "center" if begins and ends else "right" if ends else "left" if begins else ""


def _wide(cell: list[Span]) -> int:
    return columns_of(plain(cell))
