"""The sandbox's own tokens: what it counts is what it streams and what it bills.

A token of an answer is a run of at most eight characters with the space before it, a run of at most four ASCII punctuation
marks with the space before it, or a run of at most sixteen white-space characters: roughly one token per four or five
characters of English. A token of a prompt is a word. A message costs three tokens besides its text, a prompt three more; an
image, file or audio part costs 85.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

PER_MESSAGE = 3
PER_PROMPT = 3
PER_ATTACHMENT = 85

_MARKS = r"!-/:-@\[-`{-~"
_TOKEN = re.compile(rf"\s?[^\s{_MARKS}]{{1,8}}|\s?[{_MARKS}]{{1,4}}|\s{{1,16}}")
# The models of OpenAI are priced by their own vocabularies before a request, and no prompt may be dearer here than by those.
# None of their tokens goes on after a space or a tab, and none is longer than this.
_WORD = re.compile(r"\S[^ \t]{0,127}")


def split_tokens(text: str) -> list[str]:
    """Return the tokens of a text; joined, they are the text."""
    return _TOKEN.findall(text)


def count_prompt(messages: Iterable[Mapping[str, Any]]) -> int:
    """Return the tokens of the messages of a request."""
    return PER_PROMPT + sum(PER_MESSAGE + _count_content(message.get("content")) for message in messages)


def text_of(content: object) -> str:
    """Return the text of a message's content, which is a string, null or a list of parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "\n".join(part["text"] for part in parts if _is_text(part))


def _count_content(content: object) -> int:
    parts = content if isinstance(content, list) else []
    attachments = sum(1 for part in parts if not _is_text(part))
    return len(_WORD.findall(text_of(content))) + PER_ATTACHMENT * attachments


def _is_text(part: object) -> bool:
    return isinstance(part, dict) and isinstance(part.get("text"), str)
