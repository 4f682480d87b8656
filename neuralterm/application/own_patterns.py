"""Patterns of the user's own for secrets, and of whoever wrote the project file: they must not be able to hang anything.

Matching takes time that grows with the ways in which a pattern can stretch. So a pattern is refused that can stretch in too
many, it sees a line in pieces, and what it has not looked through within a second is blotted out as a whole.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from re import _constants as codes  # type: ignore[attr-defined]  # nothing public tells what a pattern is made of
from re import _parser as parser  # type: ignore[attr-defined]  # as above
from typing import Any

from neuralterm.domain.exceptions import ValidationError

OWN_MARK = "[redacted: own pattern]"
LATE_MARK = "[redacted: own patterns took too long]"
LONGEST_PATTERN = 500
MOST_PATTERNS = 50
# A match begins in the first half of a piece and may go on to its end.
PIECE = 512
SECONDS = 1.0
_MOST_WAYS = 1 << 15

_REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT)
_GROUPS = {codes.SUBPATTERN: 3, codes.ATOMIC_GROUP: None, codes.ASSERT: 1, codes.ASSERT_NOT: 1}
_REFERENCES = (codes.GROUPREF, codes.GROUPREF_EXISTS)
_WORD = re.compile(r"\S*")


def checked_pattern(text: str) -> re.Pattern[str]:
    """Return a pattern that can't take long. Raises `ValidationError` for any other, and for one that matches nothing."""
    if len(text) > LONGEST_PATTERN:
        raise ValidationError(f"the pattern has more than {LONGEST_PATTERN} characters")
    try:
        pattern = re.compile(text)
        tree = parser.parse(text)
        ways = _ways(tree)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValidationError(f"the pattern {text!r} is no regular expression: {error}") from error
    if pattern.flags & (re.VERBOSE | re.DOTALL | re.MULTILINE):
        raise ValidationError(f"the pattern {text!r} has a flag other than (?i)", hint="it sees one line at a time")
    if tree.getwidth()[0] == 0:
        raise ValidationError(f"the pattern {text!r} matches nothing at all, everywhere")
    if ways > _MOST_WAYS:
        raise ValidationError(
            f"the pattern {text!r} could take for ever",
            hint=r"repeat nothing that repeats, and only one thing without a limit: \s{0,3} in the place of \s*",
        )
    return pattern


def _ways(tree: Any) -> int:
    """Return in how many ways a parsed pattern may stretch from one place, roughly; more than the limit for a wild one."""
    ways = 1
    for code, argument in tree:
        ways = min(ways * _ways_of(code, argument), _MOST_WAYS + 1)
    return ways


def _ways_of(code: Any, argument: Any) -> int:
    if code in _REPEATS:
        least, most, inner = argument
        inside = _ways(inner)
        if inside > 1 and most > 1:
            return _MOST_WAYS + 1
        return (min(int(most), PIECE) - min(int(least), PIECE) + 1) * inside
    if code is codes.BRANCH:
        return sum(map(_ways, argument[1]))
    if code in _REFERENCES:
        return _MOST_WAYS + 1
    if code in _GROUPS:
        position = _GROUPS[code]
        return _ways(argument if position is None else argument[position])
    return 1


class OwnPatterns:
    """Blots out what own patterns match: on one line, and up to the end of a word where a piece ends in a match."""

    def __init__(self, patterns: Sequence[re.Pattern[str]], clock: Callable[[], float] = time.monotonic) -> None:
        self._patterns = patterns
        self._clock = clock

    def redact(self, text: str) -> str:
        """Return the text with every match replaced."""
        for pattern in self._patterns:
            text = self._without(pattern, text)
        return text

    def held_from(self, text: str) -> int:
        """Return where the last line begins, at most half a piece before the end."""
        return max(text.rfind("\n") + 1, len(text) - PIECE // 2, 0)

    def _without(self, pattern: re.Pattern[str], text: str) -> str:
        deadline = self._clock() + SECONDS
        out: list[str] = []
        for line in text.splitlines(keepends=True):
            position = 0
            while position < len(line):
                if self._clock() > deadline:
                    out.append(LATE_MARK)
                    return "".join(out)
                shown, position = _step(pattern, line, position)
                out.append(shown)
        return "".join(out)


def _step(pattern: re.Pattern[str], line: str, position: int) -> tuple[str, int]:
    """Return what is shown of the next part of a line, and where the part after it begins."""
    end = min(position + PIECE, len(line))
    middle = len(line) if end == len(line) else position + PIECE // 2
    match = pattern.search(line, position, end)
    if match is None or match.start() >= middle:
        return line[position:middle], middle
    after = match.end()
    if after == end:
        rest = _WORD.match(line, after)
        assert rest is not None
        after = rest.end()
    return line[position : match.start()] + OWN_MARK, after
