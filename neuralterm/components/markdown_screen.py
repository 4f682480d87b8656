"""What of an answer a terminal shows: text that is there for good, and a short end of it that may still change."""

from __future__ import annotations

import re
from collections.abc import Callable

from neuralterm.components.foreign_text import LIKE_OURS, may_become_ours
from neuralterm.components.markdown_spans import Span, common_length, painted, part, plain
from neuralterm.components.text_width import walked, width_of

# Columns and rows of a terminal; None where nobody knows.
Size = tuple[int, int] | None


class Screen:
    """Knows where the cursor stands, so that the open end can be written anew in its place.

    All methods return what is to be written. Between two writes the terminal is without a style, so that whatever is written
    then, or ends the process, need not know of this. Nothing above the open end is touched, nothing that has scrolled away.
    With `guarded`, what begins a line as one of ours is moved one column in.
    """

    def __init__(self, size: Callable[[], Size], *, guarded: bool) -> None:
        self._size = size
        self._guarded = guarded
        self._known: Size = size()
        self._open: list[Span] = []
        self._open_is_above = False
        # Where the open end begins: whether that is the beginning of a line; the column, if it is known; what is before it.
        self._begins_line = True
        self._column: int | None = 0
        self._before: list[Span] = []
        self._held: list[Span] = []
        self._is_lost = False

    @property
    def is_at_start(self) -> bool:
        """True while what is written next begins a line."""
        return self._open_is_above or (self._begins_line and not self._open)

    def show(self, settled: list[Span], rest: list[Span], *, is_draft: bool = False) -> str:
        """Show more text that won't change, and behind it the open end of the answer; the size has been looked at.

        An open end that is a draft is shown only where it can be taken back.
        """
        settled = self._held + settled
        self._held = []
        if self._guarded:
            settled, self._held = self._split(settled)
        if is_draft and not (self.can_rewrite and self._fits(rest)):
            rest = []
        rest = self._held + rest
        if self._guarded:
            settled, rest = self._distinct(settled, rest)
        sequence = self._changed(settled + rest)
        if sequence is None:
            sequence, settled, rest = self._again(settled, rest)
        self._settle(settled)
        self._open = rest
        return sequence

    def leave_line(self) -> str:
        """Make way for something else, which begins a line; what is open comes again after it. As `show`."""
        if self.can_rewrite and (sequence := self._changed([])) is not None:
            sequence += "" if self._begins_line else "\n"
            self.restart()
            return sequence
        sequence = "" if self.is_at_start else "\n"
        # What stands there stays, and is not written again unless it turns out wrong.
        self._open_is_above, self._column = True, None
        return sequence

    def come_back(self) -> None:
        """Note that others may have written below, and ended their line. Can be called at any time."""
        self._is_lost = True

    def restart(self) -> None:
        """Note that the cursor was put at the beginning of a line, below all that was shown."""
        self._begins_line, self._column, self._before, self._open = True, 0, [], []
        self._open_is_above = False

    def look_at_size(self) -> Size:
        """Find out what has become of the terminal since it was written to last; return its size."""
        if self._is_lost:
            self._is_lost = False
            self._open_is_above, self._column = True, None
        size = self._size()
        if size != self._known:
            self._known = size
            if self._column or self._open:  # lines may have been wrapped anew
                self._column = None
        return size

    @property
    def can_rewrite(self) -> bool:
        """True if what is shown of the open end can be written anew in its place."""
        if self._known is None or self._column is None:
            return False
        columns, rows = self._known
        return walked(0, self._column, plain(self._open), columns)[0] < rows - 1

    def _fits(self, spans: list[Span]) -> bool:
        assert self._known is not None
        columns, rows = self._known
        return walked(0, columns, plain(spans), columns)[0] < rows - 1

    def _changed(self, whole: list[Span]) -> str | None:
        """Return what turns the open end as it is shown into another text; None where that can't be done."""
        same = common_length(self._open, whole)
        shown = len(plain(self._open))
        if same < shown and self.can_rewrite and (back := self._way_back(same)) is not None:
            return back + painted(part(whole, same))
        if same == shown or plain(whole).startswith(plain(self._open)):
            added = part(whole, shown)
            self._open_is_above &= not added
            return painted(added)
        return None

    def _again(self, settled: list[Span], rest: list[Span]) -> tuple[str, list[Span], list[Span]]:
        """Write below what could not be put right: return that, and what is settled and open of it."""
        new_line = "" if self.is_at_start else "\n"
        self.restart()
        text, boundary = plain(settled + rest), len(plain(settled))
        start = len(text) - len(text.lstrip(" \n"))
        settled, rest = part(settled, start), part(rest, max(start - boundary, 0))
        if self._guarded:
            settled, rest = self._distinct(settled, rest)
        return new_line + painted(settled + rest), settled, rest

    def _way_back(self, length: int) -> str | None:
        """Return what moves the cursor behind so many characters of the open end, and wipes what follows."""
        assert self._known is not None
        assert self._column is not None
        columns = self._known[0]
        here, there = plain(self._open), plain(part(self._open, 0, length))
        row, _ = walked(0, self._column, here, columns)
        row_there, column = walked(0, self._column, there, columns)
        again = ""
        if column == columns:
            # Only a character can bring the cursor behind a full row.
            last = (part(self._open, length - 1, length) if length else self._before)[-1:]
            width = width_of(last[0][0]) if last else 0
            if not width:
                return None
            column, again = column - width, painted(last)
        up = row - row_there
        return (f"\x1b[{up}A" if up else "") + "\r" + (f"\x1b[{column}C" if column else "") + "\x1b[J" + again

    def _settle(self, spans: list[Span]) -> None:
        text = plain(spans)
        if not text:
            return
        self._before = part(spans, len(text) - 1)
        self._begins_line = text.endswith("\n")
        _, newline, last = text.rpartition("\n")
        if newline:
            self._column = 0
        if self._column is not None:
            self._column = None if self._known is None else walked(0, self._column, last, self._known[0])[1]

    def _split(self, spans: list[Span]) -> tuple[list[Span], list[Span]]:
        """Keep the beginning of a line back while it may still become a word of ours."""
        text = plain(spans)
        start = text.rfind("\n") + 1
        if (start or self._begins_line) and text[start:] and may_become_ours(text[start:]):
            return part(spans, 0, start), part(spans, start)
        return spans, []

    def _distinct(self, settled: list[Span], rest: list[Span]) -> tuple[list[Span], list[Span]]:
        """Move what begins a line as one of ours one column in."""
        text, boundary = plain(settled + rest), len(plain(settled))
        places = [found.start() for found in re.finditer(LIKE_OURS, text) if found.start() or self._begins_line]
        if not places:
            return settled, rest
        in_settled = [place for place in places if place < boundary]
        in_rest = [place - boundary for place in places if place >= boundary]
        return _with_spaces(settled, in_settled), _with_spaces(rest, in_rest)


def _with_spaces(spans: list[Span], places: list[int]) -> list[Span]:
    """Put a space before each of these places of a text, which are in order."""
    spaced: list[Span] = []
    waiting = iter([*places, -1])
    place, position = next(waiting), 0
    for text, style in spans:
        done = 0
        while position <= place < position + len(text):
            spaced += [(text[done : place - position], style), (" ", "")]
            done, place = place - position, next(waiting)
        spaced.append((text[done:], style))
        position += len(text)
    return [span for span in spaced if span[0]]
