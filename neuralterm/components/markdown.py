"""Markdown on a terminal, as it streams: emphasis, headings, code in colours, tables in line.

What a mouse selects is the text: no frames, no numbers, no filling. Prose is broken into rows at its words; long lines of
anything else are wrapped by the terminal. Marks at the beginning of a line (`#`, `-`, `>`, fences) stay and are dimmed or
coloured; marks within a line become style.
"""

from __future__ import annotations

from collections.abc import Callable

from neuralterm.components.foreign_text import visible
from neuralterm.components.markdown_blocks import Blocks
from neuralterm.components.markdown_screen import Screen, Size
from neuralterm.components.markdown_wrapping import Margin

# Characters that may be open at once: a mark whose end is farther away is text. On a small terminal half of its cells, of
# which a wide character takes two.
_MOST_OPEN, _LEAST_OPEN = 600, 40
_USUAL_SIZE = (80, 24)
_LEAST_ROWS = 3


class MarkdownStream:
    """Turns the pieces of one answer into what is to be written to the terminal for each.

    Work and memory for a piece are bounded, however long the answer is. `guarded` as for `Screen`.
    """

    def __init__(self, size: Callable[[], Size], *, guarded: bool) -> None:
        columns, rows = size() or _USUAL_SIZE
        height = max(rows // 2, _LEAST_ROWS)
        limit = max(min(_MOST_OPEN, columns * height // 2), _LEAST_OPEN)
        self._margin = Margin()
        self._blocks = Blocks(limit, columns, height, self._margin)
        self._screen = Screen(size, guarded=guarded)
        self._carriage_return = ""

    def feed(self, text: str) -> str:
        """Take a piece of the answer; return what shows it."""
        self._look()
        text = self._carriage_return + text
        self._carriage_return = "\r" if text.endswith("\r") else ""
        settled = self._blocks.feed(visible(text.removesuffix("\r")))
        rest, is_draft = self._blocks.open_end()
        return self._screen.show([*settled, *self._blocks.taken()], rest, is_draft=is_draft)

    def finish(self) -> str:
        """Return what shows the rest, and ends the last line."""
        self._look()
        settled = self._blocks.feed(visible(self._carriage_return)) + self._blocks.finish()
        shown = self._screen.show(settled, [])
        return shown if self._screen.is_at_start else f"{shown}\n"

    def leave_line(self) -> str:
        """Return what makes way for a line of something else."""
        self._look()
        if self._screen.can_rewrite:
            self._blocks.begin_row()
        return self._screen.leave_line()

    def come_back(self) -> None:
        """Note that the process was suspended, and goes on at the beginning of a line. Can be called at any time."""
        self._screen.come_back()

    def _look(self) -> None:
        size = self._screen.look_at_size()
        self._margin.columns = size[0] if size else None
        self._margin.is_fixed = not self._screen.can_rewrite
