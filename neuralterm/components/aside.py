"""The model's reasoning beside an answer: quoted, and broken into rows at its words."""

from __future__ import annotations

import re
from collections.abc import Callable

from neuralterm.components.foreign_text import MARK
from neuralterm.components.text_width import cells_of

# From U+1100 on a sign may be a word, or part of one: a row may end beside it.
_PIECE = re.compile("\n|[ \t]+|[^\\s\u1100-\U0010ffff]+|[^\n]")
_OPEN_WORD = re.compile("[^\\s\u1100-\U0010ffff]*\\Z")
# On a terminal with fewer columns rows are left to it.
_FEWEST_COLUMNS = 24


class Aside:
    """One stretch of reasoning, whose text must be safe for a terminal. A word waits until it is whole.

    `columns` returns those of the terminal, None where they are not known: then only the terminal breaks rows.
    """

    def __init__(self, columns: Callable[[], int | None]) -> None:
        self._columns = columns
        self._has_begun = False
        self._word, self._space, self._newlines = "", "", 0
        self._column = 0

    def feed(self, text: str) -> str:
        """Take a piece; return what is to be written. Newlines and spaces at its end wait for what follows."""
        last = self._last_column()
        text = self._word + text
        found = _OPEN_WORD.search(text)
        self._word = found[0] if found is not None and last is not None and len(found[0]) < last else ""
        return self._laid_out(text.removesuffix(self._word), last)

    def finish(self) -> str:
        """Return the rest, with the newline that ends it."""
        word, self._word = self._word, ""
        return self._laid_out(word, self._last_column()) + "\n"

    def _last_column(self) -> int | None:
        columns = self._columns()
        # One column stays free, as beside an answer.
        return None if columns is None or columns < _FEWEST_COLUMNS else columns - 1

    def _laid_out(self, text: str, last: int | None) -> str:
        out = []
        for piece in _PIECE.findall(text):
            if piece == "\n":
                self._newlines, self._space = self._newlines + 1, ""
            elif not piece.strip(" \t"):
                self._space += piece
            else:
                width = cells_of(self._space.expandtabs()) + cells_of(piece)
                if not self._has_begun or self._newlines:
                    out.append(f"{'' if self._has_begun else MARK}" + f"\n{MARK}" * self._newlines)
                    self._has_begun, self._newlines, self._column = True, 0, len(MARK)
                elif last is not None and self._column + width > last > len(MARK):
                    out.append(f"\n{MARK}")
                    self._space, self._column, width = "", len(MARK), cells_of(piece)
                out.append(self._space + piece)
                self._space, self._column = "", self._column + width
        return "".join(out)
