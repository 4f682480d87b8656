"""Emphasis within a paragraph: which marks belong together."""

from __future__ import annotations

from neuralterm.components.markdown_marks import NAME, flanks, is_operator

BOLD_BIT, ITALIC_BIT, STRIKE_BIT = 1, 2, 4
# Openers that are kept in mind at once; more are text.
_MOST_OPEN = 30


class Node:
    """A piece of text of one look, from `start` in the source; `style` is a set of bits.

    Of a mark of emphasis `length` is how many characters it has, `marks` how many of them belong to no other mark.
    """

    __slots__ = ("can_close", "can_open", "is_source", "length", "marks", "start", "style", "text")

    def __init__(self, start: int, text: str, *, style: int = 0, is_source: bool = True) -> None:
        self.start = start
        self.text = text
        self.style = style
        self.is_source = is_source  # shown as it is written, so that it may be cut anywhere
        self.marks = 0
        self.length = 0
        self.can_open = self.can_close = False

    @property
    def shown(self) -> str:
        """The text without what became style."""
        return self.text[:1] * self.marks if self.length else self.text


class Emphasis:
    """Pairs marks among `nodes`, by the rules of CommonMark, as they are added.

    Only that no arithmetic and no name with underscores around it, such as `__init__`, loses its marks.
    `pairs` are the places in the source where those begin and end that belong together.
    """

    def __init__(self, nodes: list[Node]) -> None:
        self.pairs: list[tuple[int, int]] = []
        self._nodes = nodes
        self._openers: list[int] = []

    @property
    def open_starts(self) -> list[int]:
        """Where the marks are that have begun and not ended."""
        return [self._nodes[index].start for index in self._openers]

    def add(self, start: int, mark: str, before: str, following: str) -> None:
        """Add a mark that stands between two characters."""
        node = Node(start, mark, is_source=False)
        node.marks = node.length = len(mark)
        node.can_open, node.can_close = flanks(before, following, mark)
        self._nodes.append(node)
        if node.can_close:
            self._close(node)
        may_open = node.can_open and not is_operator(before, following, mark)
        if may_open and node.marks and len(self._openers) < _MOST_OPEN:
            self._openers.append(len(self._nodes) - 1)

    def guess(self) -> None:
        """Let what has begun and not ended go on to the end."""
        opened, look = {index for index in self._openers if not self._begins_name(index, len(self._nodes))}, 0
        for index, node in enumerate(self._nodes):
            node.style |= look
            if index in opened:
                is_strike = node.text[0] == "~"
                bits = STRIKE_BIT if is_strike else (BOLD_BIT if node.marks > 1 else 0) | (node.marks % 2 * ITALIC_BIT)
                look, node.marks = look | bits, 0

    def _close(self, closer: Node) -> None:
        last = len(self._nodes) - 1
        while closer.marks and (place := self._opener_of(closer)) is not None:
            index = self._openers[place]
            opener = self._nodes[index]
            if closer.length == 2 and self._begins_name(index, last):
                del self._openers[place:]
                return
            used = 2 if opener.marks > 1 and closer.marks > 1 else 1
            look = STRIKE_BIT if closer.text[0] == "~" else BOLD_BIT if used == 2 else ITALIC_BIT
            for node in self._nodes[index + 1 : last]:
                node.style |= look
            self.pairs.append((opener.start, closer.start + closer.length))
            opener.marks -= used
            closer.marks -= used
            del self._openers[place + (opener.marks > 0) :]

    def _begins_name(self, opener: int, end: int) -> bool:
        """Say whether between an opener and the end of these nodes is nothing but a name that has its underscores."""
        if self._nodes[opener].text != "__":
            return False
        between = self._nodes[opener + 1 : end]
        is_as_written = all(node.is_source or node.marks for node in between)
        return is_as_written and NAME.fullmatch("".join(node.text for node in between)) is not None

    def _opener_of(self, closer: Node) -> int | None:
        for place in range(len(self._openers) - 1, -1, -1):
            opener = self._nodes[self._openers[place]]
            if opener.text[0] != closer.text[0]:
                continue
            both = opener.can_close or closer.can_open
            if both and (opener.length + closer.length) % 3 == 0 and (opener.length % 3 or closer.length % 3):
                continue
            return place
        return None
