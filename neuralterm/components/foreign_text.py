"""Text that others wrote (models, providers, files, people), made safe for a terminal and for our own lines."""

from __future__ import annotations

import re

_SEPARATORS_AND_DIRECTIONS = (range(0x2028, 0x202F), range(0x2066, 0x2070))
_HALVES_AND_ANNOTATIONS = (range(0xD800, 0xE000), range(0xFFF9, 0xFFFC))


class _Pictures(dict[int, int | str]):
    """What stands for a character on a terminal, by its code; filled as characters come.

    Control characters get their pictures (U+2400...), so that text from outside can't move the cursor, set the title, write
    the clipboard or overwrite a line; tab and newline stay. C1 controls, separators of lines, what changes the direction of
    text, and halves of characters become escapes. Joiners stay: emoji and whole scripts need them.
    """

    def __missing__(self, code: int) -> int | str:
        shown: int | str = code
        if code < 0x20 and code not in (0x09, 0x0A):
            shown = 0x2400 + code
        elif code == 0x7F:
            shown = 0x2421
        elif 0x80 <= code < 0xA0:
            shown = f"\\x{code:02x}"
        elif any(code in span for span in (*_SEPARATORS_AND_DIRECTIONS, *_HALVES_AND_ANNOTATIONS)):
            shown = f"\\u{code:04x}"
        self[code] = shown
        return shown


_PICTURES = _Pictures()

# Patterns are compiled when they are first used.
_LINE_ENDS = "[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+"
# How a quoted line begins, and none of our own ever does.
MARK = "| "

# The words with which our own lines on stderr begin.
OWN_WORDS = ("error", "hint", "budget", "context", "credit", "note", "retry", "usage", "warning")
_UNSEEN = "\u00ad\u034f\u061c\u200b-\u200f\u2060-\u2064\ufeff"
LIKE_OURS = f"(?m)^(?=[{_UNSEEN}]*(?:{'|'.join(OWN_WORDS)}):)"
_UNSEEN_AT_START = f"^[{_UNSEEN}]*"


def visible(text: str) -> str:
    """Return text from outside made safe for a terminal: control characters are shown, not obeyed."""
    return text.replace("\r\n", "\n").translate(_PICTURES)


def unbroken(text: str) -> str:
    """Return the text on one line, with its spaces as they are."""
    return re.sub(_LINE_ENDS, " ", text)


def quoted(text: str) -> str:
    """Return the text made visible, each line of it marked as quoted."""
    return MARK + visible(text).replace("\n", f"\n{MARK}")


def distinct(text: str) -> str:
    """Return a document for a terminal: what begins a line of it as ours begin is moved one column in."""
    return re.sub(LIKE_OURS, " ", text)


class LineGuard:
    """Does for text that comes in pieces what `distinct` does for a whole one.

    The beginning of a line is kept back while it may still become a word of ours.
    """

    def __init__(self) -> None:
        self._held = ""
        self._at_start = True

    @property
    def at_start(self) -> bool:
        """True while what was shown last ended its line."""
        return self._at_start

    def feed(self, piece: str) -> str:
        """Take a piece; return what can be shown."""
        text = self._held + piece
        _, newline, tail = text.rpartition("\n")
        is_beginning = bool(newline) or self._at_start
        self._held = tail if is_beginning and may_become_ours(tail) else ""
        return self._show(text[: len(text) - len(self._held)])

    def flush(self) -> str:
        """Return what was kept back: nothing follows."""
        held, self._held = self._held, ""
        return self._show(held)

    def restart(self) -> None:
        """Note that something else was written, and that what follows stands at the beginning of a line."""
        self._at_start = True

    def _show(self, text: str) -> str:
        if not text:
            return ""
        first, newline, rest = text.partition("\n")
        shown = (distinct(first) if self._at_start else first) + newline + distinct(rest)
        self._at_start = text.endswith("\n")
        return shown


def may_become_ours(tail: str) -> bool:
    """Say whether the beginning of a line can still become that of a line of ours."""
    word = re.sub(_UNSEEN_AT_START, "", tail)
    return any(own.startswith(word) for own in OWN_WORDS)
