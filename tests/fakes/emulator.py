"""A terminal in memory that obeys what it is sent, for looking at what a person would see."""

import pyte
from wcwidth import wcwidth

from neuralterm.components.markdown import MarkdownStream

_MOST_LINES = 20_000


class _Screen(pyte.HistoryScreen):
    def draw(self, data):
        for character in data:
            # As real terminals do: what is two columns wide begins the next row where there is one column left.
            if wcwidth(character) == 2 and self.cursor.x == self.columns - 1:
                self.cursor.x = self.columns
            super().draw(character)


class Emulator:
    """A screen, what has scrolled off it, and the look of each character."""

    def __init__(self, columns=80, rows=24):
        self.size = columns, rows
        self._screen = _Screen(columns, rows, history=_MOST_LINES, ratio=0.5)
        self._screen.set_mode(pyte.modes.LNM)
        self._stream = pyte.Stream(self._screen)

    def write(self, text):
        self._stream.feed(text)

    @property
    def cells(self):
        """All rows; each character with its colour and whether it is bold, italic, underlined and struck through."""
        rows = [*self._screen.history.top, *(self._screen.buffer[row] for row in range(self._screen.lines))]
        return [[self._look(row[column]) for column in range(self._screen.columns)] for row in rows]

    @property
    def text(self):
        rows = ["".join(cell[0] for cell in row).rstrip() for row in self.cells]
        return "\n".join(rows).rstrip("\n")

    @property
    def cursor(self):
        """Row, from the first one that was ever there, and column."""
        return len(self._screen.history.top) + self._screen.cursor.y, self._screen.cursor.x

    def look_of(self, words):
        """The looks that the characters of words on one row have."""
        for row in self.cells:
            text = "".join(cell[0] or "\0" for cell in row)
            if (start := text.find(words)) >= 0:
                return {cell[1:] for cell in row[start : start + len(words)]}
        raise AssertionError(f"{words!r} is not on the screen:\n{self.text}")

    @staticmethod
    def _look(cell):
        return cell.data, cell.fg, cell.bold, cell.italics, cell.underscore, cell.strikethrough


def shown(*pieces, size=(80, 24)):
    """Show an answer that comes in pieces; return the terminal."""
    terminal = Emulator(*size)
    stream = MarkdownStream(lambda: size, guarded=True)
    for piece in pieces:
        terminal.write(stream.feed(piece))
    terminal.write(stream.finish())
    return terminal
