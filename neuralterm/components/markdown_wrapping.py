"""Prose broken into rows at its words, so that the terminal breaks none at its right edge."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import copy

from neuralterm.components.markdown_spans import CODE, DIM, Span, plain
from neuralterm.components.text_width import cells_of, walked

_NARROWEST = 24
# Stays free: what begins a row as one of our own lines is moved in by one.
_FREE_COLUMNS = 1
_MOST_INDENT = 3  # of so many parts of a row one
_SIGNS = "\u2e80-\ua4cf\uf900-\ufaff\ufe30-\ufe6f\uff00-\uffef\U00020000-\U0003ffff"
_PIECE = re.compile(f"\n|[ \t]+|[{_SIGNS}]|[^\n \t{_SIGNS}]+")
_PIECE_OF_CODE = re.compile("\n|[^\n]+")
_SIGN = re.compile(f"[{_SIGNS}]")
_OPENING = frozenset("([{<\"'“‘«‹（［｛〈《「『【〔〖〘〚“‘\u200d")
_CLOSING = frozenset(")]}>\"'”’»›.,:;!?%…、。，．：；！？）］｝〉》」』】〕〗〙〛・ー々％\u200d")


class Margin:
    """How many columns a row has by now, None where nobody knows; while it `is_fixed` nothing that is shown can be moved."""

    def __init__(self) -> None:
        self.columns: int | None = None
        self.is_fixed = False

    @property
    def last(self) -> int | None:
        """The columns that prose may fill; None where wrapping is left to the terminal."""
        return None if self.columns is None or self.columns < _NARROWEST else self.columns - _FREE_COLUMNS


class Wrapping:
    """Lays out the text of one paragraph, whose first line begins with `prefix`, as it is being settled.

    A word at the end waits until it has ended, or has crossed the margin: then it begins a row, and if it is longer than that
    the terminal breaks it. What is looked at is laid out as it would be if it were settled, so that nothing depends on how it
    came. Code within a line is one word.
    """

    def __init__(self, margin: Margin, prefix: str) -> None:
        self._margin = margin
        self._out: list[Span] = []
        self._space: list[Span] = []
        self._word: list[Span] = []
        # Columns of the word, its last character, where it begins in the text, whether its beginning has been put in place.
        self._width, self._last, self._start, self._is_placed = 0, "", 0, False
        self._taken = 0
        # How far into the text it was shown, and in front of which words there was a break that is not settled.
        self._shown_end = 0
        self._breaks: list[int] = []
        self._begin_line(prefix)

    def settle(self, spans: list[Span], prefixes: Iterator[str]) -> list[Span]:
        """Take more of the text, each further line of which begins with a prefix; return what is in place for good."""
        self._take(spans, prefixes)
        out, self._out = self._out, []
        return out

    def look(self, spans: list[Span], prefixes: Iterator[str]) -> list[Span]:
        """Return what is not in place yet, with what may follow."""
        ahead = copy(self)
        ahead._space, ahead._word, ahead._out, ahead._breaks = self._space[:], self._word[:], [], []
        if self._margin.is_fixed:
            ahead._breaks = self._breaks[:]
        ahead._take(spans, prefixes)
        ahead._place()
        self._shown_end, self._breaks = ahead._taken, ahead._breaks
        return ahead._out

    def finish(self) -> list[Span]:
        """Return what was waiting."""
        self._place()
        out, self._out = self._out, []
        return out

    def begin_row(self) -> None:
        """Note that what is not in place yet begins a row."""
        self._column = self._behind = 0
        self._is_fresh, self._space = True, []

    def _take(self, spans: list[Span], prefixes: Iterator[str]) -> None:
        for text, style in spans:
            is_code = CODE in style.split(";")
            for piece in (_PIECE_OF_CODE if is_code else _PIECE).findall(text):
                if piece == "\n":
                    self._end_line(next(prefixes, ""))
                elif piece[0] in " \t" and not is_code:
                    self._take_space(piece, style)
                else:
                    self._take_word(piece, style)
                self._taken += len(piece)

    def _begin_line(self, prefix: str) -> None:
        # The column behind what is in place, and behind the space that follows that.
        self._column = self._behind = cells_of(prefix.expandtabs(8))
        self._indent = re.sub(r"[^>\s]", " ", prefix).expandtabs(8)
        self._is_fresh = True

    def _end_line(self, prefix: str) -> None:
        self._end_word()
        self._space = []
        self._out += [("\n", ""), *([(prefix, DIM)] if prefix else [])]
        self._begin_line(prefix)

    def _take_space(self, piece: str, style: str) -> None:
        self._end_word()
        last = self._margin.last
        if last is None and not (self._margin.is_fixed and self._taken < self._shown_end):
            self._put([(piece, style)])
        elif last is None or self._behind <= last:  # more than that makes no difference
            self._space.append((piece, style))
            self._behind = (
                len((" " * self._behind + piece).expandtabs(8)) if "\t" in piece else self._behind + len(piece)
            )

    def _take_word(self, piece: str, style: str) -> None:
        if self._last and _may_break(self._last, piece[0]):
            self._end_word()
        if not self._last:
            self._start = self._taken
        self._word.append((piece, style))
        self._width, self._last = self._width + cells_of(piece), piece[-1]
        if self._is_placed or self._margin.last is None or self._is_at_start() or self._crosses():
            self._place()
            self._is_placed = True

    def _end_word(self) -> None:
        self._place()
        self._last, self._is_placed = "", False

    def _place(self) -> None:
        if not self._word:
            return
        if not self._is_placed:
            self._begin_word()
        self._put(self._word)
        self._word, self._width = [], 0

    def _begin_word(self) -> None:
        is_at_edge = self._crosses() and not self._is_at_start()
        breaks = self._start in self._breaks if self._is_shown() else is_at_edge
        space, self._space = self._space, []
        if not breaks:
            self._put(space)
            return
        indent = self._indent[: (self._margin.columns or 0) // _MOST_INDENT]
        self._out += [("\n", ""), *([(indent, DIM if ">" in indent else "")] if indent else [])]
        self._column = self._behind = len(indent)
        self._breaks.append(self._start)

    def _is_shown(self) -> bool:
        """Say whether the word stands where it can't be moved."""
        return self._margin.is_fixed and self._start < self._shown_end

    def _is_at_start(self) -> bool:
        last = self._margin.last
        return self._is_fresh and (last is None or self._behind <= last)

    def _crosses(self) -> bool:
        last = self._margin.last
        return last is not None and self._behind + self._width > last

    def _put(self, spans: list[Span]) -> None:
        text = plain(spans)
        self._out += spans
        self._is_fresh = self._is_fresh and not text.strip("# \t")  # the marks of a heading are no word
        self._column = self._behind = walked(0, self._column, text, self._margin.columns or 1_000_000)[1]


def _may_break(before: str, following: str) -> bool:
    """Say whether a row may end between two characters that are no spaces: beside a sign that is a word or part of one."""
    if not (_SIGN.match(before) or _SIGN.match(following)):
        return False
    return before not in _OPENING and following not in _CLOSING and cells_of(following) > 0
