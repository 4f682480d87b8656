"""JSON as the service writes it: exact numbers, and text that can be encoded again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from neuralterm.domain.text import has_surrogates, join_surrogates

# So many pieces of text are kept as they came.
_FEW = 256
# Kept: `json.loads` with any option makes a decoder for each call.
_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=lambda _: None)
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse_json(text: str | bytes) -> Any:
    """Return the parsed value; numbers with a fraction or an exponent are `Decimal`, NaN and infinities None.

    Bytes are read as UTF-8 with invalid sequences replaced. Raises ValueError for whatever is not JSON, also for
    JSON that is nested too deeply.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace").lstrip("\ufeff")
    try:
        return _DECODER.decode(text)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc


def parse_clean_json(body: bytes) -> Any:
    """Like `parse_json`, with lone surrogates in strings replaced by U+FFFD."""
    value = parse_json(body)
    return without_surrogates(value) if _ESCAPED_SURROGATE.search(body) else value


def without_surrogates(value: Any) -> Any:
    """Return a parsed JSON value with `join_surrogates` applied to every string in it, keys included."""
    return with_every_text(value, join_surrogates)


def with_every_text(value: Any, change: Callable[[str], str]) -> Any:
    """Return a parsed JSON value with every string in it changed, keys included."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [with_every_text(item, change) for item in value]
    if isinstance(value, dict):
        return {change(key): with_every_text(item, change) for key, item in value.items()}
    return value


def plain_numbers(value: Any) -> Any:
    """Turn the Decimals of a price object into what JSON can hold again: whole numbers, or strings with all digits."""
    if isinstance(value, dict):
        return {key: plain_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain_numbers(item) for item in value]
    if not isinstance(value, Decimal) or not value.is_finite() or abs(value.adjusted()) > 40:
        return None if isinstance(value, Decimal) else value
    return int(value) if value == value.to_integral_value() else format(value, "f")


class TextJoiner:
    """Collects text that arrives in pieces, where a piece may end between the two halves of a surrogate pair.

    `has_text` is true once there is any; with `keeps` set to False, `text` has nothing of what comes then.
    """

    def __init__(self) -> None:
        self.has_text = False
        self.keeps = True
        self._parts: list[str] = []
        self._latest: list[str] = []
        self._half = ""

    def feed(self, piece: str) -> str:
        """Add a piece; return what may be shown, which keeps back a first half that waits for its second."""
        if not piece:
            return ""
        piece = self._half + piece
        self._half = ""
        if "\ud800" <= piece[-1] <= "\udbff":
            self._half, piece = piece[-1], piece[:-1]
        return self._add(join_surrogates(piece))

    def feed_all(self, pieces: list[str]) -> list[str]:
        """Add many pieces; return what `feed` does for each, without those of which nothing may be shown yet."""
        together = "".join(pieces)
        if self._half or has_surrogates(together):
            return list(filter(None, map(self.feed, pieces)))
        self._add(together)
        return list(filter(None, pieces))

    def flush(self) -> str:
        """Return what was kept back, as U+FFFD: no more pieces will come."""
        half, self._half = self._half, ""
        return self._add(join_surrogates(half))

    @property
    def text(self) -> str:
        """All that `feed` and `flush` returned."""
        return "".join((*self._parts, *self._latest))

    def _add(self, text: str) -> str:
        self.has_text |= bool(text)
        if text and self.keeps:
            self._latest.append(text)
            if len(self._latest) == _FEW:
                # A short string takes ten times the room of its text.
                self._parts.append("".join(self._latest))
                self._latest.clear()
        return text
