"""The code in an answer, for whoever wants nothing else of it."""

from __future__ import annotations

import re

# What a list item begins with may stand in front of it.
_FENCE = re.compile(r"([ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?)(`{3,}(?=[^`]*\Z)|~{3,})")


def first_code_block(text: str) -> str | None:
    """Return the inside of the first fenced code block of a Markdown text, as far as it came; None if there is none."""
    lines = text.replace("\r\n", "\n").split("\n")
    for number, line in enumerate(lines):
        if opening := _FENCE.match(line):
            return "\n".join(_inside(lines[number + 1 :], len(opening[1]), opening[2]))
    return None


def _inside(lines: list[str], indent: int, mark: str) -> list[str]:
    """Return the lines up to a fence that is as long as `mark` at least, without the indent of the first one."""
    inside = []
    for line in lines:
        fence = line.strip()
        if len(fence) >= len(mark) and not fence.strip(mark[0]):
            break
        space = len(line) - len(line.lstrip(" \t"))
        inside.append(line[min(indent, space) :])
    return inside
