"""Markdown within a paragraph: emphasis, code, links, math. Marks become style; all other text stays as it is.

A paragraph arrives bit by bit. What can't change any more, whatever follows, is told apart from what still may: a mark that
has begun something is taken at its word until its end comes, or the end of the paragraph shows that it was mere text.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import cache

from neuralterm.components.markdown_emphasis import BOLD_BIT, ITALIC_BIT, STRIKE_BIT, Emphasis, Node
from neuralterm.components.markdown_marks import (
    DOLLARS,
    LINK_PATTERN,
    MATH_ENDS,
    MAY_BEGIN_ADDRESS,
    OPEN_DOLLARS,
    OPEN_LINK,
    OPEN_TAG,
    PUNCTUATION,
    SPECIAL,
    TAG,
    trimmed,
)
from neuralterm.components.markdown_spans import BOLD, CODE, DIM, ITALIC, STRIKE, UNDERLINE, Span, joined

_CODE, _LINK, _DIM = 8, 16, 32
_STYLES = {BOLD_BIT: BOLD, ITALIC_BIT: ITALIC, STRIKE_BIT: STRIKE, _CODE: CODE, _LINK: UNDERLINE, _DIM: DIM}


@cache
def _look(base: str, bits: int) -> str:
    return joined(base, *(look for bit, look in _STYLES.items() if bits & bit))


class Inline:
    """The beginning of a paragraph, or what follows after a piece of it that is `certain`.

    `certain` counts characters of the source; `settled` is what they look like, `open` what the rest looks like by now.
    `hopeless` counts the characters to be taken as text where nothing is certain and no more can be waited for.
    """

    __slots__ = ("certain", "hopeless", "open", "settled")

    def __init__(self, certain: int, hopeless: int, settled: list[Span], open: list[Span]) -> None:
        self.certain = certain
        self.hopeless = hopeless
        self.settled = settled
        self.open = open


def inline(text: str, *, before: str = "", is_whole: bool = True, is_full: bool = False, base: str = "") -> Inline:
    """Read a piece of a paragraph; `before` is the character in front of it, `base` the style of all of it.

    Nothing follows if it `is_whole`. If it `is_full` a word at its end is not waited for.
    """
    reading = _Reading(text, before, is_whole)
    reading.read()
    certain = len(text) if is_whole else reading.resolved() if is_full else reading.certain()
    settled, rest = reading.spans(certain, base)
    return Inline(certain, reading.hopeless(), settled, rest)


class _Reading:
    def __init__(self, text: str, before: str, is_whole: bool) -> None:
        self._text = text
        self._before = before
        self._is_whole = is_whole
        self._nodes: list[Node] = []
        self._emphasis = Emphasis(self._nodes)
        self._doubtful = len(text)
        self._doubts: list[int] = []

    def read(self) -> None:
        """Make nodes of the text."""
        position, text = 0, self._text
        while (found := SPECIAL.search(text, position)) is not None:
            if found.start() > position:
                self._add(position, text[position : found.start()])
            end = self._take(found.start(), found[0])
            if end is None:  # what begins here may become anything
                self._doubt(found.start())
                break
            position = end
        else:
            if position < len(text):
                self._add(position, text[position:])
        if not self._is_whole:
            self._emphasis.guess()

    def resolved(self) -> int:
        """Return the length of what no mark can change any more."""
        end = self._before_marks()
        if end == len(self._text):
            end = len(MAY_BEGIN_ADDRESS.sub("", self._text).rstrip()) or end
        return self._unbroken(end)

    def certain(self) -> int:
        """Return the length of what can't change any more: within a word only in front of a mark, and no spaces at the end."""
        end = self._before_marks()
        if end == len(self._text):
            end = max(map(self._text.rstrip().rfind, " \n\t")) + 1
        return self._unbroken(end)

    def _before_marks(self) -> int:
        """Return where the first mark is that has begun and not ended."""
        return min([self._doubtful, *self._emphasis.open_starts[:1]])

    def _unbroken(self, end: int) -> int:
        """Return a place in the source, or the beginning of what it is in the middle of."""
        starts = [node.start for node in self._nodes]
        last = bisect_left(starts, end) - 1
        boundaries = (*starts[last + 1 :][:1], self._doubtful, len(self._text))
        if last >= 0 and not self._nodes[last].is_source and end not in boundaries:
            end = starts[last]
        while around := [start for start, closes in self._emphasis.pairs if start < end < closes]:
            end = min(around)
        return end

    def hopeless(self) -> int:
        """Return the length of what has begun and has no end: up to the last such mark of the first half, or the first mark."""
        begun = [*self._doubts, *self._emphasis.open_starts]
        first_half = [start for start in begun if 0 < start <= len(self._text) // 2]
        found = SPECIAL.match(self._text)
        if found is None:
            return len(self._text)
        return max(first_half, default=found.end())

    def spans(self, certain: int, base: str) -> tuple[list[Span], list[Span]]:
        """Return what the text looks like before and after a place in the source."""
        settled: list[Span] = []
        rest: list[Span] = []
        for node in self._nodes:
            text = node.shown
            style = _look(base, node.style)
            cut = certain - node.start
            if node.is_source and 0 < cut < len(text):
                settled.append((text[:cut], style))
                rest.append((text[cut:], style))
            elif text:
                (settled if cut > 0 else rest).append((text, style))
        return settled, rest

    def _add(self, start: int, text: str, *, style: int = 0, is_source: bool = True) -> None:
        self._nodes.append(Node(start, text, style=style, is_source=is_source))

    def _doubt(self, start: int) -> None:
        self._doubtful = min([self._doubtful, start, *self._emphasis.open_starts[:1]])
        self._doubts.append(start)

    def _take(self, start: int, mark: str) -> int | None:
        """Take what a mark begins; return where it ends, None when that is not to be known yet."""
        first = mark[0]
        if first == "\\":
            return self._escape(start)
        if first == "`":
            return self._code(start, mark)
        if first in "*_~":
            return self._mark(start, mark)
        if first in "![":
            return self._link(start, mark)
        if first == "<":
            return self._literal(start, mark, TAG, OPEN_TAG)
        if mark == "$$":
            return self._math(start, mark)
        if first == "$":
            return self._dollars(start, mark)
        self._add(start, mark)  # an address
        if start + len(mark) == len(self._text):
            self._doubt(start)
        return start + len(mark)

    def _escape(self, start: int) -> int | None:
        following = self._text[start + 1 : start + 2]
        if not following and not self._is_whole:
            return None
        if following in ("(", "["):
            return self._math(start, f"\\{following}")
        if following == "\n":
            self._add(start, "", is_source=False)
            return start + 1
        if re.match(f"[{PUNCTUATION}]", following):
            self._add(start, following, is_source=False)
            return start + 2
        self._add(start, "\\")
        return start + 1

    def _math(self, start: int, mark: str) -> int | None:
        end = self._text.find(MATH_ENDS[mark], start + 2)
        if end >= 0:
            self._add(start, self._text[start : end + 2], is_source=False)
            return end + 2
        if not self._is_whole:
            self._add(start, self._text[start:].rstrip(), is_source=False)
            return None
        self._add(start, mark if mark == "$$" else mark[1], is_source=mark == "$$")
        return start + 2

    def _dollars(self, start: int, mark: str) -> int:
        found = DOLLARS.match(self._text, start)
        if found is not None and (self._is_whole or found.end() < len(self._text)):
            self._add(start, found[0], is_source=False)
            return found.end()
        if not self._is_whole and OPEN_DOLLARS.match(self._text, start):
            self._doubt(start)
        self._add(start, mark)
        return start + 1

    def _literal(self, start: int, mark: str, whole: re.Pattern[str], beginning: re.Pattern[str]) -> int | None:
        if found := whole.match(self._text, start):
            self._add(start, found[0], is_source=False)
            return found.end()
        if not self._is_whole and beginning.match(self._text, start):
            self._add(start, self._text[start:].rstrip(), is_source=False)
            return None
        self._add(start, mark)
        return start + len(mark)

    def _code(self, start: int, mark: str) -> int | None:
        text, inside = self._text, start + len(mark)
        if inside == len(text) and not self._is_whole:
            return None
        for found in re.finditer("`+", text[inside:]):
            if len(found[0]) != len(mark):
                continue
            if inside + found.end() == len(text) and not self._is_whole:
                break
            self._add(start, trimmed(text[inside : inside + found.start()]), style=_CODE, is_source=False)
            return inside + found.end()
        if not self._is_whole:
            self._add(start, text[inside:].rstrip("`").rstrip(" \n"), style=_CODE, is_source=False)
            return None
        self._add(start, mark)
        return inside

    def _link(self, start: int, mark: str) -> int | None:
        found = LINK_PATTERN.match(self._text, start)
        if found is not None:
            self._add_link(start, found)
            return found.end()
        if not self._is_whole and OPEN_LINK.match(self._text, start):
            self._doubt(start)
            if self._text.endswith("]"):  # behind which may come the address
                self._add(start, self._text[start:], is_source=False)
                return None
        self._add(start, mark)
        return start + len(mark)

    def _add_link(self, start: int, found: re.Match[str]) -> None:
        label, target, title = found[1], found[2], found[3] or ""
        words = _Reading(label, self._text[start - 1 : start], True)
        words.read()
        self._add(start, "", is_source=False)
        for node in words._nodes:
            self._add(start, node.shown, style=node.style | _LINK, is_source=False)
        address = target.removeprefix("<").removesuffix(">")
        if address and (title or address != label):
            opening = " (" if label else "("
            self._add(start, f"{opening}{address}{title})", style=_DIM, is_source=False)

    def _mark(self, start: int, mark: str) -> int | None:
        end = start + len(mark)
        if end == len(self._text) and not self._is_whole:
            return None
        before = self._text[start - 1 : start] if start else self._before
        self._emphasis.add(start, mark, before, self._text[end : end + 1])
        return end
