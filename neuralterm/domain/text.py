"""Text from outside: on one line, shortened, without secrets, or as UTF-8 can hold it."""

from __future__ import annotations

import re

# No key is shorter; blotting out a short one would leave nothing of the text to read.
_SHORTEST_KEY = 8
_SURROGATE = re.compile("[\ud800-\udfff]")


def one_line(text: str) -> str:
    """Return the text with every run of white space, newlines included, as one space."""
    return " ".join(text.split())


def shortened(text: str, width: int) -> str:
    """Return the text on one line of at most `width` characters; `…` stands for what is left out."""
    line = one_line(text)
    return line if len(line) <= width else line[: max(width - 1, 0)].rstrip() + "…"


def join_surrogates(text: str) -> str:
    """Join surrogate pairs to the characters they stand for; lone surrogates become U+FFFD."""
    if text.isascii() or _SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def without_key(text: str, key: str | None) -> str:
    """Return the text with the key blotted out. What is shorter than any key is no secret."""
    return text if key is None or len(key) < _SHORTEST_KEY else text.replace(key, "[key]")
