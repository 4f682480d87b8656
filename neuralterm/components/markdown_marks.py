"""The marks of Markdown within a paragraph: how each looks, and what may still become one."""

from __future__ import annotations

import re

PUNCTUATION = "!-/:-@\\[-`{-~"
SPECIAL = re.compile(r"\\|`+|\*+|_+|~+|!?\[|<|\$\$?|https?://[^\s<>*\[\]()`]*")
MATH_ENDS = {"\\(": "\\)", "\\[": "\\]", "$$": "$$"}
DOLLARS = re.compile(r"\$(?![\s\d])[^$\n]{1,200}(?<![\s\\])\$(?!\d)")
OPEN_DOLLARS = re.compile(r"\$(?:(?![\s\d])[^$\n]{0,200}\$?)?\Z")
TAG = re.compile(r"<[A-Za-z/!?][^<>\n]{0,300}>")
OPEN_TAG = re.compile(r"<(?:[A-Za-z/!?][^<>\n]{0,300})?\Z")
_TARGET = r"[ \n]*+(<[^<>\n]*+>|[^\s()<>]*+(?:\([^\s()]*+\)[^\s()<>]*+)*+)"
_TITLE = r"\"[^\"]*+\"|'[^']*+'|\([^()]*+\)"
LINK_PATTERN = re.compile(
    r"!?\[((?:[^\[\]\\`]|\\.|`[^`\n]*+`|!?\[[^\[\]]*+\](?:\([^\s()]*+\))?)*+)\]"
    rf"\({_TARGET}([ \n]++(?:{_TITLE}))?[ \n]*+\)"
)
# Whatever may still become one.
OPEN_LINK = re.compile(
    r"!?\[(?:[^\[\]\\`]|\\.|`[^`\n]*+`|!?\[[^\[\]]*+\](?:\([^\s()]*+\))?)*+"
    r"(?:\\|`[^`\n]*+|!?\[[^\[\]]*+(?:\](?:\([^\s()]*+)?)?|"
    r"\](?:\([ \n]*+(?:<[^<>\n]*+|(?:<[^<>\n]*+>|[^\s()<>]*+(?:\([^\s()]*+\)[^\s()<>]*+)*+)"
    r"(?:\([^\s()]*+|[ \n]*+|[ \n]++(?:\"[^\"]*+(?:\"[ \n]*+)?|'[^']*+(?:'[ \n]*+)?|\([^()]*+(?:\)[ \n]*+)?)))?)?)?\Z"
)
# What two underscores on each side make no bold, but a name of Python or C.
NAME = re.compile(r"[A-Za-z]\w+", re.ASCII)
_EASTERN = re.compile("[\u2e80-\ud7ff\uf900-\ufaff\ufe30-\uffef\U00020000-\U0003ffff]")
MAY_BEGIN_ADDRESS = re.compile(r"h(?:t(?:t(?:p(?:s?(?::/?)?)?)?)?)?\Z")


def flanks(before: str, following: str, mark: str) -> tuple[bool, bool]:
    """Return whether a mark between two characters can open and close, by CommonMark's rules.

    Chinese, Japanese and Korean have no spaces there: a character of theirs on the other side is as good as one, and their
    punctuation is no obstacle.
    """
    if mark[0] == "~" and len(mark) != 2:
        return False, False
    space_before, space_after = not before or before.isspace(), not following or following.isspace()
    sign_before, sign_after = _is_sign(before), _is_sign(following)
    east_before, east_after = _EASTERN.match(before) is not None, _EASTERN.match(following) is not None
    left = not space_after and (not sign_after or space_before or sign_before or east_before or east_after)
    right = not space_before and (not sign_before or space_after or sign_after or east_after or east_before)
    if mark[0] == "_":
        return left and (not right or sign_before), right and (not left or sign_after)
    return left, right


def is_operator(before: str, following: str, mark: str) -> bool:
    """Say whether a mark between two characters is arithmetic, as in `2*3` and `x**2`, rather than where emphasis begins."""
    is_within = (before + following).isascii() and before.isalnum() and following.isalnum()
    return mark[0] == "*" and is_within and (before.isdigit() or following.isdigit())


def _is_sign(character: str) -> bool:
    return bool(character) and not character.isalnum() and not character.isspace()


def trimmed(code: str) -> str:
    """Return code without the one space on each side that keeps it apart from its marks."""
    if len(code) > 2 and code[0] == code[-1] == " " and code.strip():
        return code[1:-1]
    return code
