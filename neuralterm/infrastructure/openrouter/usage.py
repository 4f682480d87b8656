"""The `usage` object of a reply."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from neuralterm.domain.models import TokenUsage
from neuralterm.domain.money import parse_usd


def parse_usage(value: object) -> TokenUsage | None:
    """Return the usage, with the cost exactly as it was sent; None when there are no numbers in it."""
    if not isinstance(value, Mapping):
        return None
    prompt, completion = parse_count(value.get("prompt_tokens")), parse_count(value.get("completion_tokens"))
    total, cost = parse_count(value.get("total_tokens")), parse_usd(value.get("cost"))
    if cost is None and prompt is None and completion is None and total is None:
        return None
    prompt, completion = _other_part(prompt, total, completion), _other_part(completion, total, prompt)
    of_prompt, of_completion = _part(value, "prompt_tokens_details"), _part(value, "completion_tokens_details")
    is_byok = value.get("is_byok") is True
    upstream = parse_usd(_part(value, "cost_details").get("upstream_inference_cost")) if is_byok else None
    return TokenUsage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion if total is None else total,
        reasoning_tokens=parse_count(of_completion.get("reasoning_tokens")) or 0,
        cached_tokens=parse_count(of_prompt.get("cached_tokens")) or 0,
        cache_write_tokens=parse_count(of_prompt.get("cache_write_tokens")) or 0,
        cost=cost,
        upstream_cost=upstream,
        is_byok=is_byok,
    )


def parse_count(value: object) -> int | None:
    """Return a number of tokens; None for what is none: negative ones and words too."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return None
    if isinstance(value, Decimal) and (not value.is_finite() or value.adjusted() > 15):
        return None
    return int(value) if 0 <= value < 10**15 else None


def _other_part(count: int | None, total: int | None, other: int | None) -> int:
    if count is not None:
        return count
    return max(0, (total or 0) - (other or 0))


def _part(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    part = value.get(key)
    return part if isinstance(part, Mapping) else {}
