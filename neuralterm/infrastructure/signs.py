"""Which signs stand side by side in texts of scripts that write words without spaces, or glue particles to them.

The full-text index knows only whole runs of such letters, so they have an index of their own (see `sign_index`). It is made
of grams: two signs, three where the first one is of a small alphabet, whose pairs are in nearly every long text. The
grams of a text begin at each of its signs; what lacks at the end of a run is filled up with `END`.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import groupby

END = " "
# The first and last sign of each stretch. Two Vedic letters, and some beyond 16 bits, are no letters at all to the full-text
# index.
_STRETCHES = (
    ("\u0e00", "\u0eff"),
    ("\u1000", "\u109f"),
    ("\u1100", "\u11ff"),
    ("\u1780", "\u17ff"),
    ("\u1950", "\u19df"),
    ("\u1a20", "\u1aaf"),
    ("\u1cf2", "\u1cf3"),
    ("\u2e80", "\u30ff"),
    ("\u3100", "\u31ff"),
    ("\u3400", "\u9fff"),
    ("\ua9e0", "\ua9ff"),
    ("\uaa60", "\uaa7f"),
    ("\uac00", "\ud7ff"),
    ("\uf900", "\ufaff"),
    ("\uff66", "\uffdc"),
    ("\U00010000", "\U0010ffff"),
)
_FIRST_SIGN = _STRETCHES[0][0]
# Thai, Lao, Burmese, Khmer, ... are before, kana, Chinese and Korean behind.
_LARGE_FROM = "\u2e80"


def has_signs(text: str) -> bool:
    """Say whether there is a sign of such a script in the text."""
    return not text.isascii() and any(map(_is_sign, text))


def grams(text: str) -> set[str]:
    """Return all grams of a text."""
    found: set[str] = set()
    for run in _run().findall(text):
        filled = run + END * 2
        if min(run) >= _LARGE_FROM:
            found.update([filled[at : at + 2] for at in range(len(run))])
        else:
            found.update([filled[at : at + size(sign)] for at, sign in enumerate(run)])
    return found


def wanted_grams(word: str) -> set[str]:
    """Return grams of which every text has all in which the word is; where a run is too short for one, its beginning."""
    found: set[str] = set()
    for run in _runs_in(word):
        whole = {run[at : at + size(sign)] for at, sign in enumerate(run) if at + size(sign) <= len(run)}
        found |= whole or {run}
    return found


def size(sign: str) -> int:
    """Return of how many signs the grams are that begin with this one."""
    return 2 if sign >= _LARGE_FROM else 3


def _is_sign(character: str) -> bool:
    return character >= _FIRST_SIGN and any(first <= character <= last for first, last in _STRETCHES)


def _runs_in(word: str) -> list[str]:
    """Return the runs of signs in a text so short that it takes less than the pattern of a run takes to be compiled."""
    return ["".join(run) for is_sign, run in groupby(word, _is_sign) if is_sign]


@cache
def _run() -> re.Pattern[str]:
    """Return the pattern of a run."""
    return re.compile("[" + "".join(f"{first}-{last}" for first, last in _STRETCHES) + "]+")
