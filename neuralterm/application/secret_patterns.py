"""What well-known secrets look like, and patterns of the user's own.

Every built-in pattern is read in time linear in the text. Own patterns may be slow by their nature: see `own_patterns`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neuralterm.application.own_patterns import OwnPatterns

# A secret that is longer may be found in part only, while an answer streams.
LONGEST_SECRET = 16_384
_LONGEST_WORD = 4_096

# Group 1, where there is one, is the secret within what gives it away.
_PATTERNS: tuple[tuple[str, str], ...] = (
    (
        "private key",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:(?:[^-]|-(?!----)){0,16384}+-----END [A-Z0-9 ]{0,40}"
        r"PRIVATE KEY(?: BLOCK)?-----|(?:(?:\s|\\[rn])*+(?:[A-Z][A-Za-z-]{1,20}: [^\r\n\\]{1,100}|[A-Za-z0-9+/=]{16,}+))*+)",
    ),
    ("url password", r"(?<=://)[^\s/:@\"'<>]{0,256}:([^\s/@\"'<>]{1,256})@"),
    ("jwt", r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}+\.eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]*"),
    ("anthropic key", r"(?<![A-Za-z0-9])sk-ant-[A-Za-z0-9_-]{20,}"),
    ("openrouter key", r"(?<![A-Za-z0-9])sk-or-[A-Za-z0-9_-]{20,}"),
    ("openai key", r"(?<![A-Za-z0-9])sk-(?=[A-Za-z_-]{0,40}[0-9])[A-Za-z0-9_-]{20,}"),
    ("github token", r"gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}"),
    ("gitlab token", r"gl(?:pat|oas|dt|rt|cbt|ptt|ft|imt|agent|soat|ffct)-[A-Za-z0-9_.-]{20,}"),
    ("aws key", r"(?<![A-Za-z0-9])A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    (
        "aws key",
        r"(?i:aws_?(?:secret|session)_?(?:access_?key|token))[\"']?[ \t]{0,8}[=:][ \t]{0,8}[\"']?([A-Za-z0-9/+=]{40,})",
    ),
    ("google key", r"AIza[A-Za-z0-9_-]{35,}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,}"),
    ("slack token", r"xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-[0-9]-[A-Za-z0-9-]{10,}"),
    ("slack token", r"hooks\.slack\.com/(?:services|workflows)/([A-Za-z0-9/_-]{20,})"),
    ("stripe key", r"(?<![A-Za-z0-9])[rs]k_(?:live|test)_[A-Za-z0-9]{16,}|whsec_[A-Za-z0-9+/=]{20,}"),
    (
        "authorization",
        r"(?i:authorization)[\"']?[ \t]{0,8}[:=][ \t]{0,8}[\"']?(?i:bearer|basic|token)[ \t]{1,8}([A-Za-z0-9._~+/=-]{8,})",
    ),
    ("bearer token", r"(?<![A-Za-z0-9])(?i:bearer)[ \t]{1,8}(?=[A-Za-z._~+/-]{0,64}[0-9])([A-Za-z0-9._~+/=-]{20,})"),
)
# What gives a secret away, with the secret still to come.
_OPENING = re.compile(
    r"(?i:authorization|bearer|aws_?(?:secret|session)_?(?:access_?key|token))"
    r"[\"' \t:=]{0,24}(?i:bearer|basic|token)?[ \t]{0,8}$"
)
_LONGEST_OPENING = 96
_VISIBLE = "".join(map(chr, range(0x21, 0x7F)))
_PEM_BEGIN, _PEM_END = "-----BEGIN ", "-----END "


class SecretPatterns:
    """Finds secrets: well-known ones if `well_known`, and those of the user's own patterns."""

    def __init__(self, *, well_known: bool, own: OwnPatterns | None = None) -> None:
        self._patterns = [(kind, re.compile(pattern)) for kind, pattern in _PATTERNS] if well_known else []
        self._own = own

    def redact(self, text: str) -> str:
        """Return the text with every secret replaced by a mark that names its kind."""
        if self._own is not None:
            text = self._own.redact(text)
        out: list[str] = []
        done = 0
        for start, end, kind in self._found(text):
            if start < done:  # within another, or glued to its end
                done = max(done, end)
                continue
            out += (text[done:start], f"[redacted: {kind}]")
            done = end
        return "".join((*out, text[done:]))

    def _found(self, text: str) -> list[tuple[int, int, str]]:
        """Return where the secrets are, and their kinds; of those that begin at one place the longest first."""
        found = [
            (*match.span(match.re.groups), kind) for kind, pattern in self._patterns for match in pattern.finditer(text)
        ]
        return sorted(found, key=lambda each: (each[0], -each[1]))

    def held_from(self, text: str) -> int:
        """Return where the end of the text begins that may become a secret when more comes.

        That is the last word of visible ASCII, with what gives it away before it; a key block that has begun; with own
        patterns the whole last line. What is longer than any secret is not held.
        """
        start = _start_of_last_word(text)
        if self._patterns:
            start = min(start, _start_of_opening(text, start), _start_of_block(text))
        if self._own is not None:
            start = min(start, self._own.held_from(text))
        return before_spans(start, self._spans(text, start))

    def _spans(self, text: str, cut: int) -> list[tuple[int, int]]:
        """Return where secrets are, from as far before the cut as one can begin that reaches beyond it."""
        begin = max(cut - LONGEST_SECRET, 0)
        return [match.span() for _, pattern in self._patterns for match in pattern.finditer(text, begin)]


def before_spans(cut: int, spans: Sequence[tuple[int, int]]) -> int:
    """Return the last place at the cut or before it that is inside of no span."""
    while (earlier := min((start for start, end in spans if start < cut < end), default=cut)) < cut:
        cut = earlier
    return cut


def _start_of_last_word(text: str) -> int:
    begin = max(len(text) - _LONGEST_WORD, 0)
    before = text[begin:].rstrip(_VISIBLE)
    return begin + len(before) if before or not begin else len(text)


def _start_of_opening(text: str, word: int) -> int:
    begin = max(word - _LONGEST_OPENING, 0)
    match = _OPENING.search(text, begin, word)
    # What stands before it in the same word has a say in whether it is one.
    return word if match is None else min(word, _start_of_last_word(text[: match.start()]))


def _start_of_block(text: str) -> int:
    begin = text.rfind(_PEM_BEGIN, max(len(text) - LONGEST_SECRET, 0))
    if begin < 0:
        return len(text)
    end = text.find(_PEM_END, begin)
    is_open = end < 0 or text.find("-----", end + len(_PEM_END)) < 0
    return begin if is_open else len(text)
