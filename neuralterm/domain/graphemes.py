"""Where text may be cut so that no character is torn, and how many columns of a terminal it takes.

Close to the segmentation of Unicode for what people write, without its tables.
"""

from __future__ import annotations

from unicodedata import category, east_asian_width

_JOINER = "\u200d"
_EXTENDS = frozenset(("Mn", "Me", "Mc"))
_INVISIBLE = frozenset(("Mn", "Me", "Cf"))


def is_border(text: str, index: int) -> bool:
    """Say whether the text can be cut before this index without tearing what is read as one character."""
    if index <= 0 or index >= len(text):
        return True
    after = text[index]
    if after < "\u0300":
        return text[index - 1] != _JOINER and (after != "\n" or text[index - 1] != "\r")
    if after == _JOINER or text[index - 1] == _JOINER or category(after) in _EXTENDS or _continues(after):
        return False
    return not (_is_flag(after) and _flags_before(text, index) % 2)


def columns(character: str) -> int:
    """Return how many columns a character takes by itself."""
    if character < "\u0300":
        return 1
    if category(character) in _INVISIBLE:
        return 0
    return 2 if east_asian_width(character) in "WF" else 1


def end_within(text: str, start: int, room: int) -> int:
    """Return the last border at which what begins at `start` takes at most so many columns."""
    end, used = start, 0
    if text.isascii():
        end = min(start + max(room, 0), len(text))
    else:
        while end < len(text) and (used := used + columns(text[end])) <= room:
            end += 1
    while end > start and not is_border(text, end):
        end -= 1
    return end


def start_within(text: str, end: int, room: int) -> int:
    """Return the first border from which on what ends at `end` takes at most so many columns."""
    start, used = end, 0
    if text.isascii():
        start = max(end - max(room, 0), 0)
    else:
        while start > 0 and (used := used + columns(text[start - 1])) <= room:
            start -= 1
    while start < end and not is_border(text, start):
        start += 1
    return start


def _continues(character: str) -> bool:
    """Say whether it is the tone of a skin, or a vowel or a final consonant that joins a Korean syllable."""
    return "\U0001f3fb" <= character <= "\U0001f3ff" or "\u1160" <= character <= "\u11ff"


def _is_flag(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _flags_before(text: str, index: int) -> int:
    start = index
    while start > 0 and _is_flag(text[start - 1]):
        start -= 1
    return index - start
