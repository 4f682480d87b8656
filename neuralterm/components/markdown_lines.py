"""What the beginning of a line of Markdown tells about the line."""

from __future__ import annotations

import re

QUOTE = re.compile(r"[ \t]*> ?")
ITEM = re.compile(r"[ \t]*(?:[-+*]|\d{1,9}[.)])(?:[ \t]+(?:\[[ xX]\](?=[ \t]|$))?[ \t]*|$)")
RULE = re.compile(r"[ \t]*(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})")
HEADING = re.compile(r"#{1,6}(?:[ \t]|$)")
FENCE = re.compile(r"(`{3,}(?=[^`]*$)|~{3,})(.*)")
UNDERLINE = re.compile(r"=+[ \t]*")
# The beginning of a line that may still become several things.
OPEN = re.compile(
    r"[ \t]*(?:(?:-[ \t]*)+|(?:\*[ \t]*)+|(?:_[ \t]*)+|\+[ \t]*|\d{1,9}(?:[.)][ \t]*)?|#{1,6}[ \t]*|=+[ \t]*|`{1,2}|`{3,}[^`]*"
    r"|~{1,2}|~{3,}.*|\$|\\)?"
)
OPEN_TASK = re.compile(r"\[(?:[ xX]\]?)?")
LONGEST_START = 400


def kind_of(rest: str, *, is_whole: bool, is_below_text: bool, is_item: bool) -> str:
    """Say what a line is, from the first character behind the marks in front of it."""
    if is_whole and (RULE.fullmatch(rest) or (is_below_text and UNDERLINE.fullmatch(rest))):
        return "line"
    if is_whole and FENCE.fullmatch(rest):
        return "fence"
    if HEADING.match(rest):
        return "heading"
    if rest.startswith("|") and not is_item:
        return "grid"
    if rest.startswith(("$$", "\\[")):
        return "math"
    return "text"


def indent_of(line: str, *, is_all: bool = False) -> int:
    """Return how many columns of spaces a line begins with, or how many it has."""
    spaces = line if is_all else line[: len(line) - len(line.lstrip(" \t"))]
    return len(spaces.expandtabs(4))
