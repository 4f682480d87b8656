"""Chunks of a stream that differ in their text alone, read without parsing all of each.

Most chunks of an answer are the same JSON with another string behind `"content":`. Whatever stands before and after that
string in the bytes of a chunk, equal bytes mean the same: a reader of JSON is in the same state behind the same beginning,
any complete string takes it to the same state again, and the same end follows.
"""

from __future__ import annotations

import json.decoder
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from neuralterm.infrastructure.openrouter.decoding import parse_json
from neuralterm.infrastructure.openrouter.sse import ServerSentEvent

# Reads the inside of a string from an index on: its text, and the index behind its closing quote. Raises ValueError.
_scan: Callable[[str, int], tuple[str, int]] = json.decoder.scanstring  # type: ignore[attr-defined]  # not in typeshed
# Where the text of a piece may stand. Other servers have the third.
_NAMES = ("content", "reasoning", "reasoning_content")


class RecurringChunk:
    """What recurs: the text before the opening quote's inside, and the text after the closing quote.

    `chunk` is the chunk that it was learnt from, in which nothing is told but model, provider and one piece of text;
    `is_reasoning` says of which kind that is.
    """

    __slots__ = ("_after", "_before", "chunk", "is_reasoning")

    def __init__(self, before: str, after: str, chunk: Mapping[str, Any], *, is_reasoning: bool) -> None:
        self._before = before
        self._after = after
        self.chunk = chunk
        self.is_reasoning = is_reasoning

    def texts(self, events: Sequence[ServerSentEvent], start: int) -> list[str]:
        """Return the texts of the events from `start` on, as far as they are this chunk again."""
        before, after, inside = self._before, self._after, len(self._before)
        texts: list[str] = []
        for position in range(start, len(events)):
            data, kind = events[position]
            if not data.startswith(before) or kind == "error":
                break
            try:
                text, end = _scan(data, inside)
            except ValueError:
                break
            if data[end:] != after:
                break
            texts.append(text)
        return texts


def learn(data: str, chunk: Mapping[str, Any], choice: Mapping[str, Any]) -> RecurringChunk | None:
    """Return what may recur of a chunk, None where it tells more than one piece of text.

    `chunk` is what `data` says, `choice` its first choice.
    """
    part = choice.get("delta")
    if not isinstance(part, dict) or chunk.get("usage") or chunk.get("error") or _tells_end(choice):
        return None
    told = [name for name, value in part.items() if value and name != "role"]
    if len(told) != 1 or told[0] not in _NAMES or not isinstance(part[told[0]], str):
        return None
    start = _inside(data, told[0])
    if start is None:
        return None
    _, end = _scan(data, start)
    before, after = data[:start], data[end:]
    if not _holds_text(before, after, chunk, part, told[0]):
        return None
    return RecurringChunk(before, after, chunk, is_reasoning=told[0] != "content")


def _inside(data: str, name: str) -> int | None:
    """Return where the string behind the first such name begins, as servers write it; None if there is none."""
    for mark in (f'"{name}":"', f'"{name}": "'):
        if (found := data.find(mark)) >= 0:
            return found + len(mark)
    return None


def _tells_end(choice: Mapping[str, Any]) -> bool:
    return bool(choice.get("error") or choice.get("finish_reason") or choice.get("native_finish_reason"))


def _holds_text(before: str, after: str, chunk: Mapping[str, Any], part: dict[str, Any], name: str) -> bool:
    """Try another text in its place: it must come out there, and nothing else may change."""
    text = part[name]
    other = "+" if text == "-" else "-"
    try:
        probe = parse_json(f'{before}{other}"{after}')
    except ValueError:
        return False
    try:
        part[name] = other
        return bool(probe == chunk)
    finally:
        part[name] = text
