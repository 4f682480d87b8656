"""Markdown line by line: what the beginning of a line makes of it. Marks at the beginning of a line stay as they are."""

from __future__ import annotations

import re

from neuralterm.components.markdown_leaves import Fence, Grid, Paragraph, Verbatim
from neuralterm.components.markdown_lines import (
    FENCE,
    ITEM,
    LONGEST_START,
    OPEN,
    OPEN_TASK,
    QUOTE,
    RULE,
    indent_of,
    kind_of,
)
from neuralterm.components.markdown_spans import CODE, DIM, HEADING, MARKER, Span
from neuralterm.components.markdown_wrapping import Margin

_CODE_INDENT = 4


class Blocks:
    """Takes an answer as it comes. At most `limit` characters of it are open, or of a table `height` rows of `columns`.

    Newlines wait until something follows them. Prose is wrapped at the `margin`.
    """

    def __init__(self, limit: int, columns: int, height: int, margin: Margin) -> None:
        self._limit, self._columns, self._height = limit, columns, height
        self._margin = margin
        self._out: list[Span] = []
        self._newlines = 0
        self._leaf: Paragraph | Verbatim | Fence | Grid | None = None
        self._quotes = ""
        self._is_after_blank = True
        self._item_indent = 0
        self._prefix, self._is_item, self._has_begun = "", False, False
        # The line as far as it came, until it is known what it is.
        self._start: str | None = ""

    def feed(self, text: str) -> list[Span]:
        """Take more of the answer; return what won't change any more."""
        first, *lines = text.split("\n")
        self._take(first)
        for line in lines:
            self._end_line()
            self._take(line)
        return self.taken()

    def finish(self) -> list[Span]:
        """Take the end of the answer; return the rest of it."""
        self._end_line()
        self._close_leaf()
        return self.taken()

    def open_end(self) -> tuple[list[Span], bool]:
        """Return how what is not settled looks by now, and whether that is a draft of something else; settle what can be."""
        leaf = self._leaf
        if isinstance(leaf, Grid):
            lines = leaf.open_lines()
            shown = self._beginning(self._newlines)
            for number, line in enumerate(lines):
                shown += [*(self._beginning(1) if number else []), *line]
            return shown if lines else [], True
        spans = leaf.open_end() if isinstance(leaf, (Paragraph, Fence)) else []
        if spans and not self._has_begun:
            spans = [*self._beginning(self._newlines), *spans]
        return spans, False

    def begin_row(self) -> None:
        """Note that what was shown as open was taken away, and comes again at the beginning of a row."""
        if isinstance(self._leaf, Paragraph):
            self._leaf.begin_row()

    def taken(self) -> list[Span]:
        """Return what has been settled since it was asked for last."""
        out, self._out = self._out, []
        return out

    def _take(self, text: str) -> None:
        if text and self._start is not None:
            room = LONGEST_START - len(self._start)
            self._start += text[:room]
            text = text[room:]
            self._decide(self._start, is_whole=False)
        if text:
            self._add(text)

    def _add(self, text: str) -> None:
        leaf = self._leaf
        assert leaf is not None
        leaf.add(text)
        if isinstance(leaf, Grid) and leaf.row_length > self._limit:
            lines, (*texts, row) = leaf.close()
            self._put_lines(lines, texts)
            self._emit([("", "")])
            self._leaf = self._paragraph()
            self._leaf.add(row)

    def _end_line(self) -> None:
        if self._start is not None:
            self._decide(self._start, is_whole=True)
        leaf = self._leaf
        if isinstance(leaf, Grid) and self._start is None:
            lines, text = leaf.end_line()
            self._put_lines(lines, [text] if text else [])
        else:
            if isinstance(leaf, Fence) and leaf.end_line():
                self._leaf = None
            elif (isinstance(leaf, Paragraph) and leaf.is_heading) or (isinstance(leaf, Verbatim) and leaf.is_at_end):
                self._close_leaf()
            self._newlines += 1
        self._start = ""

    def _emit(self, spans: list[Span]) -> None:
        if not spans:
            return
        if not self._has_begun:
            self._out += self._beginning(self._newlines)
            self._newlines, self._has_begun = 0, True
        self._out += spans

    def _beginning(self, newlines: int) -> list[Span]:
        look = MARKER if self._is_item else DIM
        return [span for span in (("\n" * newlines, ""), (self._prefix, look)) if span[0]]

    def _begin_line(self, prefix: str = "", *, is_item: bool = False) -> None:
        """Let what is emitted next begin a line, and that with a prefix."""
        self._prefix, self._is_item, self._has_begun = prefix, is_item, False

    def _put_lines(self, lines: list[list[Span]], texts: list[str]) -> None:
        """Emit lines of a grid, and then rows of it that are mere text."""
        for line in lines:
            self._begin_line(self._prefix)
            self._emit(line)
            self._newlines = 1
        for text in texts:
            self._begin_line(self._prefix)
            paragraph = self._paragraph()
            paragraph.add(text)
            paragraph.close()
            self._newlines = 1
        if lines or texts:
            self._begin_line(self._prefix)

    def _paragraph(self, *, base: str = "") -> Paragraph:
        return Paragraph(self._emit, self._limit, self._margin, self._prefix, base=base)

    def _close_leaf(self) -> None:
        leaf, self._leaf = self._leaf, None
        if isinstance(leaf, Paragraph):
            leaf.close()
        elif isinstance(leaf, Grid):
            self._put_lines(*leaf.close())

    def _decide(self, line: str, *, is_whole: bool) -> None:
        """Find out what a line is by its beginning, if that is enough, and let the leaf have the rest."""
        if isinstance(self._leaf, Fence):
            self._decide_in_fence(self._leaf, line, is_whole=is_whole)
            return
        if line.strip() and self._is_verbatim(line):
            self._take_verbatim(line)
            return
        is_final = is_whole or len(line) == LONGEST_START
        position, quotes, is_item = 0, "", False
        while True:
            rest = line[position:]
            if not is_final and (OPEN.fullmatch(rest) or (is_item and OPEN_TASK.fullmatch(rest))):
                return
            if is_whole and RULE.fullmatch(rest):
                break
            if found := QUOTE.match(rest):
                quotes += ">"
            elif found := ITEM.match(rest):
                is_item = True
            else:
                break
            position += found.end()
        self._start = None
        position += len(rest) - len(rest.lstrip(" \t"))
        self._begin(line[:position], line[position:], quotes, is_item=is_item, is_whole=is_whole)

    def _decide_in_fence(self, fence: Fence, line: str, *, is_whole: bool) -> None:
        found = re.match(rf"(?:[ \t]*>){{{fence.quotes}}} ?" if fence.quotes else "", line)
        is_open = found is None or (fence.quotes > 0 and found.end() == len(line))
        if is_open and not is_whole and re.fullmatch(r"[ \t>]*", line):
            return
        if found is None:  # the quote has ended, and the code with it
            self._close_leaf()
            self._decide(line, is_whole=is_whole)
            return
        self._start = None
        self._begin_line(found[0].rstrip() if is_whole and found.end() == len(line) else found[0])
        fence.add(line[found.end() :])

    def _is_verbatim(self, line: str) -> bool:
        leaf = self._leaf
        if isinstance(leaf, Verbatim) and leaf.is_math:
            return True
        return indent_of(line) >= self._item_indent + _CODE_INDENT and (
            self._is_after_blank or isinstance(leaf, Verbatim)
        )

    def _take_verbatim(self, line: str) -> None:
        self._start = None
        if not isinstance(self._leaf, Verbatim):
            self._close_leaf()
            self._leaf = Verbatim(self._emit, CODE)
        self._begin_line()
        self._is_after_blank = False
        self._leaf.add(line)

    def _begin(self, prefix: str, rest: str, quotes: str, *, is_item: bool, is_whole: bool) -> None:
        """Begin a line that has these marks in front; its rest goes on with a leaf, or begins one."""
        if not rest and is_whole:
            self._begin_blank(prefix.rstrip(), is_item=is_item)
            return
        was_after_blank, self._is_after_blank = self._is_after_blank, False
        if is_item:
            self._item_indent = indent_of(prefix, is_all=True)
        elif was_after_blank and indent_of(prefix) < self._item_indent:
            self._item_indent = 0
        leaf = self._leaf
        goes_on = not is_item and quotes == self._quotes
        if isinstance(leaf, Grid) and goes_on and rest.startswith("|"):
            self._begin_line(prefix)
            self._add(rest)
            return
        kind = kind_of(rest, is_whole=is_whole, is_below_text=isinstance(leaf, Paragraph), is_item=is_item)
        if isinstance(leaf, Paragraph) and kind == "text" and (goes_on or not (is_item or quotes)):
            self._newlines = 0
            leaf.break_line(prefix)
            leaf.add(rest)
            return
        self._close_leaf()
        self._begin_line(prefix, is_item=is_item)
        self._quotes = quotes
        self._begin_leaf(kind, rest)

    def _begin_blank(self, prefix: str, *, is_item: bool) -> None:
        if not isinstance(self._leaf, Verbatim) or self._leaf.is_math:
            self._close_leaf()
        self._begin_line(prefix, is_item=is_item)
        if prefix:
            self._emit([("", "")])
        self._is_after_blank = not is_item

    def _begin_leaf(self, kind: str, rest: str) -> None:
        if kind in ("fence", "line"):
            self._emit([(rest.rstrip(), DIM)])
        if kind == "fence":
            mark = FENCE.fullmatch(rest)
            assert mark is not None
            indent, quotes = indent_of(self._prefix), len(self._quotes)
            self._leaf = Fence(self._emit, self._limit, mark[1], mark[2], indent=indent, quotes=quotes)
        elif kind == "grid":
            self._leaf = Grid(self._columns, self._height)
        elif kind == "math":
            self._leaf = Verbatim(self._emit, "", ends="$$" if rest[0] == "$" else "\\]")
            self._leaf.add(rest[:2])
            self._leaf.is_at_end = False
            rest = rest[2:]
        elif kind != "line":
            self._emit([("", "")])
            self._leaf = self._paragraph(base=HEADING if kind == "heading" else "")
        if self._leaf is not None and kind != "fence" and rest:
            self._add(rest)
