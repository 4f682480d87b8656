"""Makes the JSON documents that programs read: money and ids as strings, times as ISO 8601 UTC, text as it is.

Key names and their order are public; `schema_version` changes when one of them changes its meaning.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from neuralterm.domain.exceptions import CircuitOpenError, NeuralTermError
from neuralterm.domain.models import Cost, TokenUsage, iso_utc
from neuralterm.domain.money import plain

if TYPE_CHECKING:
    from neuralterm.application.records import Answer

SCHEMA_VERSION = 1

# What JSON allows inside a string but a terminal obeys, a line reader takes for a line end, or UTF-8 can't carry.
_UNSAFE = "[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"

_encoded = json.JSONEncoder(ensure_ascii=False).encode


def dumps(document: Mapping[str, Any], *, one_line: bool = False) -> str:
    """Return the document as JSON text, `schema_version` first where it is not set; indented unless `one_line`.

    Values may also be Decimal, UUID, aware datetime, Mapping or tuple. Raises TypeError for anything else and
    ValueError for a float that is not a number.
    """
    body = document if "schema_version" in document else {"schema_version": SCHEMA_VERSION, **document}
    text = json.dumps(
        _json_value(body),
        ensure_ascii=False,
        allow_nan=False,
        indent=None if one_line else 2,
        separators=(",", ":") if one_line else None,
    )
    return _escaped(text)


def event_line(event_type: str, body: Mapping[str, Any]) -> str:
    """Return one line of NDJSON: `type`, `schema_version`, then the keys of the body."""
    return dumps({"type": event_type, "schema_version": SCHEMA_VERSION, **body}, one_line=True)


def delta_line(event_type: str, conversation_id: UUID | None, delta: str) -> str:
    """Return what `event_line` does for an event that has a delta and nothing more, in a tenth of the time."""
    conversation = "null" if conversation_id is None else f'"{conversation_id}"'
    text = _escaped(_encoded(delta))
    return (
        f'{{"type":"{event_type}","schema_version":{SCHEMA_VERSION},"conversation_id":{conversation},"delta":{text}}}'
    )


def money(usd: Decimal | None) -> str | None:
    """Return an amount in USD with all its digits and no exponent; an unknown one stays None."""
    return None if usd is None else plain(usd)


def moment(at: datetime | None) -> str | None:
    """Return a time as ISO 8601 UTC with milliseconds."""
    return None if at is None else iso_utc(at)


def usage_document(usage: TokenUsage | None) -> dict[str, int] | None:
    """Return the token counts of an answer; None when they are not known."""
    if usage is None:
        return None
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cached_tokens": usage.cached_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
    }


def cost_document(cost: Cost) -> dict[str, str | None]:
    """Return what an answer cost; `usd` is null while it is unsettled."""
    return {"usd": money(cost.usd), "source": cost.source.value, "upstream_usd": money(cost.upstream_usd)}


def answer_document(answer: Answer) -> dict[str, Any]:
    """Return the object that `send --json` prints, for whole and partial answers alike."""
    return {
        "schema_version": SCHEMA_VERSION,
        "id": str(answer.message_id),
        "conversation_id": str(answer.conversation_id),
        "run_id": answer.run_id,
        "generation_id": answer.generation_id,
        "model": answer.model,
        "requested_model": answer.requested_model,
        "provider": answer.provider,
        "content": answer.content,
        "reasoning": answer.reasoning,
        "finish_reason": answer.finish_reason,
        "status": answer.status.value,
        "usage": usage_document(answer.usage),
        "cost": cost_document(answer.cost),
        "latency_ms": answer.latency_ms,
        "first_token_ms": answer.first_token_ms,
        "tags": list(answer.tags),
        "created_at": moment(answer.created_at),
    }


def error_document(
    error: NeuralTermError,
    *,
    exit_code: int,
    conversation_id: UUID | None = None,
    cost_usd: Decimal | None = None,
) -> dict[str, Any]:
    """Return the object that goes to stderr when a command that prints JSON fails."""
    wait: float | None = getattr(error, "retry_after", None)
    return {
        "schema_version": SCHEMA_VERSION,
        "error": {
            "code": error.code,
            "message": error.message,
            "exit_code": exit_code,
            "retryable": bool(getattr(error, "retryable", isinstance(error, CircuitOpenError))),
            "retry_after": None if wait is None else round(wait, 3),
            "cost_usd": money(cost_usd),
            "conversation_id": None if conversation_id is None else str(conversation_id),
        },
    }


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _escaped(text: str) -> str:
    return text if text.isascii() and "\x7f" not in text else re.sub(_UNSAFE, _escape, text)


def _json_value(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return iso_utc(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_value(item) for item in value]
    return value
