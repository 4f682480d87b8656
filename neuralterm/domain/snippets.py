"""The part of a text around the words that were looked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from unicodedata import combining, normalize

from neuralterm.domain.graphemes import end_within, is_border, start_within

# Columns of a terminal before the first match, and from there on.
BEFORE, AFTER = 40, 120
# So many columns are given up for a cut between two words.
_RAGGED = 12
_MARKS = "[\u0300-\u036f]*"
_MOST_WORDS = 50

Spans = tuple[tuple[int, int], ...]


class _Folded(dict[int, str]):
    """One lower-case character without its marks for each character, so that places stay where they are."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        bare = character if combining(character) else (normalize("NFD", character)[:1] or character)
        folded = self[code] = (bare.lower() or bare)[:1]
        return folded


_FOLDED = _Folded()


def snippet_of(content: str, words: Sequence[str]) -> tuple[str, Spans]:
    """Return the text around the first match with every match in `[` and `]`, and where those are, brackets included.

    Case and marks on letters make no difference. A word is looked for as a whole; where it is nowhere as such, anywhere. What
    is left out is marked with `…`; no character is torn, and words only where there is no space.
    """
    found = _matches(content, words)
    first = found[0][0] if found else 0
    start = _cut_before(content, start_within(content, first, BEFORE), first)
    end = _cut_after(content, first, end_within(content, first, AFTER))
    parts, places, length = ["…"] if start else [], [], int(start > 0)
    at = start
    for begin, stop in found:
        if begin < at or stop > end:
            continue
        parts += [content[at:begin], f"[{content[begin:stop]}]"]
        place = length + begin - at
        length = place + stop - begin + 2
        places.append((place, length))
        at = stop
    parts += [content[at:end], "…" if end < len(content) else ""]
    return "".join(parts), tuple(places)


def _matches(content: str, words: Sequence[str]) -> list[tuple[int, int]]:
    """Return where the words are, in order."""
    folded = content.lower() if content.isascii() else content.translate(_FOLDED)
    whole, anywhere = _patterns(tuple(words))
    found = _found(whole, folded) or _found(anywhere, folded)
    return [(start, _whole_character(content, end)) for start, end in found]


@lru_cache(1)
def _patterns(words: tuple[str, ...]) -> tuple[str, str]:
    """Return what finds the words as such, and what finds them anywhere."""
    longest_first = sorted(words, key=len, reverse=True)[:_MOST_WORDS]
    return "|".join(map(_as_a_word, longest_first)), "|".join(map(_anywhere, longest_first))


def _found(pattern: str, folded: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(pattern, folded) if match.end() > match.start()] if pattern else []


def _as_a_word(word: str) -> str:
    """Return the pattern of a word as the index sees it: letters and digits, with any other signs between them."""
    runs = re.findall(r"[^\W_]+", normalize("NFC", word))
    if not runs or any(letter >= "\u0e00" for letter in word):
        return _anywhere(word)
    return r"(?<![^\W_])" + r"[\W_]+".join(map(_letters, runs)) + r"(?![^\W_])"


def _anywhere(word: str) -> str:
    return _letters(normalize("NFC", word))


def _letters(text: str) -> str:
    folded = text.translate(_FOLDED)
    return _MARKS.join(map(re.escape, folded)) + (_MARKS if folded[-1:].isalnum() else "")


def _whole_character(content: str, end: int) -> int:
    while not is_border(content, end):
        end += 1
    return end


def _cut_before(content: str, start: int, first: int) -> int:
    if start == 0 or content[start - 1].isspace():
        return start
    space = re.search(r"\s", content[start : min(start + _RAGGED, first)])
    return start if space is None else start + space.end()


def _cut_after(content: str, first: int, end: int) -> int:
    if end == len(content) or content[end].isspace():
        return end
    tail = content[max(first, end - _RAGGED) : end]
    space = max((at for at, character in enumerate(tail) if character.isspace()), default=-1)
    return end if space < 0 else end - len(tail) + space
