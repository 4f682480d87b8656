"""JSON text whose numbers are exact: a Decimal is written with all its digits, as a number."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from neuralterm.domain.money import plain


def to_json(value: Any) -> str:
    """Write JSON types, Decimals and tuples compactly."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, dict):
        return (
            "{"
            + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{to_json(item)}" for key, item in value.items())
            + "}"
        )
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(to_json(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def to_bytes(value: Any) -> bytes:
    """Write JSON as UTF-8. Lone surrogates, which JSON can spell and UTF-8 can't, become question marks."""
    return to_json(value).encode("utf-8", "replace")
