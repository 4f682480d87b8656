"""What the service says of money afterwards: `GET /generation` and `GET /key`, read without pydantic.

Nearly everything may be null or missing there. An amount that is none (a word, a negative number) counts as missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from neuralterm.application.records import GenerationReport, KeyReport
from neuralterm.domain.models import TokenUsage
from neuralterm.domain.money import parse_usd
from neuralterm.infrastructure.openrouter.decoding import parse_clean_json
from neuralterm.infrastructure.openrouter.usage import parse_count


def generation_path(generation_id: str) -> str:
    """Return path and query that ask about a generation; any text is a valid id."""
    return f"/generation?id={quote(generation_id, safe='', errors='replace')}"


def parse_generation(body: bytes, generation_id: str) -> GenerationReport | None:
    """Return what a record tells; None while it has no amount.

    Raises ValueError when the body is no reply of `GET /generation`.
    """
    data = _data(body)
    if data is None:
        return None
    cost = _first_amount(data, "total_cost", "usage")
    if cost is None:
        return None
    is_byok = data.get("is_byok") is True
    upstream = parse_usd(data.get("upstream_inference_cost")) if is_byok else None
    return GenerationReport(
        generation_id=generation_id,
        cost=cost,
        upstream_cost=upstream,
        model=_text(data.get("model")),
        provider=_text(data.get("provider_name")),
        usage=_usage(data, cost, upstream, is_byok),
        finish_reason=_text(data.get("finish_reason")),
    )


def parse_key(body: bytes) -> KeyReport:
    """Return what the service says of the key. Raises ValueError when the body is no reply of `GET /key`."""
    data = _data(body)
    if data is None:
        raise ValueError("there is nothing about the key in it")
    return KeyReport(
        usage_usd=parse_usd(data.get("usage")),
        usage_daily_usd=parse_usd(data.get("usage_daily")),
        usage_weekly_usd=parse_usd(data.get("usage_weekly")),
        usage_monthly_usd=parse_usd(data.get("usage_monthly")),
        limit_usd=parse_usd(data.get("limit")),
        limit_remaining_usd=_remaining(data.get("limit_remaining")),
        limit_reset=_text(data.get("limit_reset")),
    )


def _data(body: bytes) -> Mapping[str, Any] | None:
    reply = parse_clean_json(body)
    if not isinstance(reply, Mapping) or "data" not in reply:
        raise ValueError("there is no data in it")
    data = reply["data"]
    if data is not None and not isinstance(data, Mapping):
        raise ValueError("its data is no object")
    return data


def _first_amount(data: Mapping[str, Any], *keys: str) -> Decimal | None:
    amounts = (parse_usd(data.get(key)) for key in keys)
    return next((amount for amount in amounts if amount is not None), None)


def _remaining(value: object) -> Decimal | None:
    """Return what is left of a limit; the last call may have gone beyond it, and then nothing is."""
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool) and value < 0:
        return Decimal(0)
    return parse_usd(value)


def _usage(data: Mapping[str, Any], cost: Decimal, upstream: Decimal | None, is_byok: bool) -> TokenUsage | None:
    prompt = _first_count(data, "native_tokens_prompt", "tokens_prompt")
    completion = _first_count(data, "native_tokens_completion", "tokens_completion")
    if prompt is None and completion is None:
        return None
    prompt, completion = prompt or 0, completion or 0
    return TokenUsage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        reasoning_tokens=_first_count(data, "native_tokens_reasoning") or 0,
        cached_tokens=_first_count(data, "native_tokens_cached") or 0,
        cost=cost,
        upstream_cost=upstream,
        is_byok=is_byok,
    )


def _first_count(data: Mapping[str, Any], *keys: str) -> int | None:
    counts = (parse_count(data.get(key)) for key in keys)
    return next((count for count in counts if count is not None), None)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
