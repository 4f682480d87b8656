"""Who runs a model: `GET /models/{author}/{slug}/endpoints`, read without pydantic.

Nearly everything may be null or missing there.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from neuralterm.domain.endpoints import Endpoint
from neuralterm.infrastructure.openrouter.decoding import parse_clean_json, plain_numbers
from neuralterm.infrastructure.openrouter.usage import parse_count


def endpoints_path(model_id: str) -> str:
    """Return the path that asks about a model; any text is a valid id."""
    return f"/models/{quote(model_id, safe='/:~', errors='replace')}/endpoints"


def parse_endpoints(body: bytes) -> list[Endpoint]:
    """Return the endpoints in the service's order; entries that can't be read are left out.

    Raises ValueError when the body is no list of endpoints.
    """
    reply = parse_clean_json(body)
    data = reply.get("data") if isinstance(reply, Mapping) else None
    entries = data.get("endpoints") if isinstance(data, Mapping) else None
    if not isinstance(entries, list):
        raise ValueError("there are no endpoints in it")
    return [_endpoint(entry) for entry in entries if isinstance(entry, Mapping)]


def _endpoint(entry: Mapping[str, Any]) -> Endpoint:
    pricing, parameters, status = entry.get("pricing"), entry.get("supported_parameters"), entry.get("status")
    caching = entry.get("supports_implicit_caching")
    return Endpoint(
        provider=_text(entry.get("provider_name")) or _text(entry.get("name")) or "?",
        tag=_text(entry.get("tag")),
        pricing=plain_numbers(pricing) if isinstance(pricing, dict) else {},
        context_length=parse_count(entry.get("context_length")) or None,
        max_prompt_tokens=parse_count(entry.get("max_prompt_tokens")) or None,
        max_completion_tokens=parse_count(entry.get("max_completion_tokens")) or None,
        quantization=_text(entry.get("quantization")),
        supported_parameters=tuple(filter(_text, parameters)) if isinstance(parameters, list) else (),
        status=status if isinstance(status, int) and not isinstance(status, bool) else None,
        uptime=_number(entry.get("uptime_last_30m")),
        uptime_day=_number(entry.get("uptime_last_1d")),
        latency=_median(entry.get("latency_last_30m")),
        throughput=_median(entry.get("throughput_last_30m")),
        implicit_caching=caching if isinstance(caching, bool) else None,
    )


def _median(value: object) -> Decimal | None:
    """Return the median of a set of percentiles, or the one number that is told instead."""
    return _number(value.get("p50") if isinstance(value, Mapping) else value)


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return None
    number = Decimal(value)
    sensible = number.is_finite() and number >= 0 and -15 <= number.adjusted() <= 15
    return number if sensible else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
