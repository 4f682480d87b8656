"""The parts an answer consists of, as they are being received: paragraphs, code, tables.

Each hands what can't change any more to `emit`, and tells how the rest looks by now. None keeps more than `limit` characters
of a line: what is longer is settled piece by piece.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable

from neuralterm.components.markdown_code import Highlighter
from neuralterm.components.markdown_inline import inline
from neuralterm.components.markdown_spans import DIM, Span
from neuralterm.components.markdown_table import Table, is_rule
from neuralterm.components.markdown_wrapping import Margin, Wrapping

Emit = Callable[[list[Span]], None]


class Paragraph:
    """Text with marks in it, of one line or several, or a heading. Its first line begins with `prefix`."""

    def __init__(self, emit: Emit, limit: int, margin: Margin, prefix: str, *, base: str = "") -> None:
        self._emit = emit
        self._limit = limit
        self._base = base
        self.is_heading = bool(base)
        self._text = ""
        self._before = ""
        self._prefixes: deque[str] = deque()
        self._wrapping = Wrapping(margin, prefix)

    def add(self, text: str) -> None:
        """Take more of a line."""
        position = 0
        while position < len(text):
            room = self._limit - len(self._text)
            self._text += text[position : position + room]
            position += room
            self._make_room()

    def break_line(self, prefix: str) -> None:
        """Go on in the next line of the source, which begins with this."""
        self._text = self._text.rstrip(" \t") + "\n"
        self._prefixes.append(prefix)
        self._make_room()

    def open_end(self) -> list[Span]:
        """Settle what can't change any more; return how the rest looks, without spaces at its end."""
        read = inline(self._text, before=self._before, is_whole=False, base=self._base)
        self._settle(read.settled, read.certain)
        return _stripped(self._wrapping.look(read.open, iter(self._prefixes)))

    def begin_row(self) -> None:
        """Note that what was shown as open was taken away, and comes again at the beginning of a row."""
        self._wrapping.begin_row()

    def close(self) -> None:
        """Settle everything."""
        self._text = self._text.rstrip(" \t\n")
        self._settle_as_it_is(len(self._text))
        self._emit(self._wrapping.finish())

    def _make_room(self) -> None:
        while len(self._text) >= self._limit:
            read = inline(self._text, before=self._before, is_whole=False, is_full=True, base=self._base)
            if read.certain:
                self._settle(read.settled, read.certain)
            else:
                self._settle_as_it_is(read.hopeless)

    def _settle_as_it_is(self, length: int) -> None:
        read = inline(self._text[:length], before=self._before, base=self._base)
        self._settle(read.settled, length)

    def _settle(self, spans: list[Span], length: int) -> None:
        if not length:
            return
        done, self._text = self._text[:length], self._text[length:]
        self._before = done[-1]
        prefixes = [self._prefixes.popleft() for _ in range(done.count("\n"))]
        self._emit(self._wrapping.settle(spans, iter(prefixes)))


class Verbatim:
    """Text as it is: code that is moved in, or a block of math, whose last line has the mark it `ends` with."""

    def __init__(self, emit: Emit, style: str, *, ends: str = "") -> None:
        self._emit = emit
        self._style = style
        self._mark = ends
        self._last = ""
        self.is_math = bool(ends)
        self.is_at_end = False

    def add(self, text: str) -> None:
        """Take more of a line."""
        if self.is_math:
            self.is_at_end |= self._mark in self._last + text
            self._last = (self._last + text)[-1:]
        self._emit([(text, self._style)])


class Fence:
    """Code between fences. Its lines are settled as they end; `quotes` is how many `>` each begins with."""

    def __init__(self, emit: Emit, limit: int, mark: str, info: str, *, indent: int, quotes: int) -> None:
        self.quotes = quotes
        self._emit = emit
        self._limit = limit
        self._closing = re.compile(rf"[ \t]{{0,{indent + 3}}}{re.escape(mark[0])}{{{len(mark)},}}[ \t]*")
        self._mark = mark[0]
        language = re.match(r"\{?\.?([^\s,:{}]*)", info.strip())
        self._highlighter = Highlighter(language[1] if language else "")
        self._line = ""
        self._is_long = False
        self._is_opening = True

    def add(self, text: str) -> None:
        """Take more of a line."""
        if self._is_long:
            self._emit([(text, "")])
            return
        self._line += text
        if len(self._line) > self._limit:
            line, rest = self._line[: self._limit], self._line[self._limit :]
            self._emit([*self._highlighter.line(line), (rest, "")])
            self._highlighter.skip_line()
            self._line, self._is_long = "", True

    def end_line(self) -> bool:
        """End the line, at first that of the opening fence; return whether it was the closing one."""
        line, self._line = self._line, ""
        if self._is_opening or self._is_long:
            self._is_opening = self._is_long = False
            return False
        is_fence = self._closing.fullmatch(line) is not None
        spans = [(line.rstrip(), DIM)] if is_fence else self._highlighter.line(line)
        self._emit([span for span in spans if span[0]])
        return is_fence

    def open_end(self) -> list[Span]:
        """Return how the line that has not ended looks, unless it may become the fence."""
        if not self._line.strip(f" \t{self._mark}"):
            return []
        return self._highlighter.preview(self._line)


class Grid:
    """Lines that begin with `|`: a table if the second one says so, text otherwise.

    A table is settled when it has ended or is `height` rows high; from then on its columns keep their widths.
    """

    def __init__(self, columns: int, height: int) -> None:
        self._columns = columns
        self._height = height
        self._header = ""
        self._row = ""
        self._table: Table | None = None

    @property
    def row_length(self) -> int:
        """Characters of the row that has not ended."""
        return len(self._row)

    def add(self, text: str) -> None:
        """Take more of a row."""
        self._row += text

    def end_line(self) -> tuple[list[list[Span]], str]:
        """End the row; return lines of a table that are settled, and a row that turned out to be text."""
        row, self._row = self._row, ""
        if self._table is not None:
            settled = self._table.add(row)
            if settled is not None:
                return [settled], ""
            return (self._table.fix() if self._table.height() > self._height else []), ""
        header, self._header = self._header, row
        if header and is_rule(row, header):
            self._table, self._header = Table(header, row, self._columns), ""
            return [], ""
        return [], header

    def open_lines(self) -> list[list[Span]]:
        """Return how what is not settled looks, line by line."""
        shown = [] if self._table is None else self._table.shown()
        return [*shown, *([(line.rstrip(), "")] for line in (self._header, self._row) if line)]

    def close(self) -> tuple[list[list[Span]], list[str]]:
        """End it; return the lines of a table, and those that are text."""
        left = [line for line in (self._header, self._row) if line]
        self._header = self._row = ""
        return ([] if self._table is None else self._table.fix()), left


def _stripped(spans: list[Span]) -> list[Span]:
    while spans and not spans[-1][0].rstrip():
        spans = spans[:-1]
    if spans:
        text, style = spans[-1]
        spans = [*spans[:-1], (text.rstrip(), style)]
    return spans
