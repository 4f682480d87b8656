"""Who runs a model, for programs and for people."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from neuralterm.application.model_search import per_million
from neuralterm.components.machine import money
from neuralterm.components.tables import fitted_table, grouped
from neuralterm.domain.endpoints import Endpoint
from neuralterm.domain.money import plain

_LEFT_OUT_FIRST = (("lacks",), ("tokens/s", "ms"), ("max out",), ("cache read",), ("precision",), ("up",), ("context",))
_UNTOLD = "-"


def endpoints_document(endpoints: Sequence[Endpoint] | None) -> list[dict[str, Any]] | None:
    """Return the list in `models show --json`; None where nobody has told."""
    return None if endpoints is None else [_endpoint_document(endpoint) for endpoint in endpoints]


def _endpoint_document(endpoint: Endpoint) -> dict[str, Any]:
    prices = endpoint.charged()
    return {
        "provider": endpoint.provider,
        "tag": endpoint.tag,
        "prompt_usd_per_million": money(per_million(prices.prompt)),
        "completion_usd_per_million": money(per_million(prices.completion)),
        "pricing": endpoint.pricing,
        "context_length": endpoint.context_length,
        "max_prompt_tokens": endpoint.max_prompt_tokens,
        "max_completion_tokens": endpoint.max_completion_tokens,
        "quantization": endpoint.quantization,
        "supported_parameters": list(endpoint.supported_parameters),
        "implicit_caching": endpoint.implicit_caching,
        "status": endpoint.status,
        "uptime_percent": _number(endpoint.uptime),
        "uptime_day_percent": _number(endpoint.uptime_day),
        "latency_ms": _number(endpoint.latency),
        "tokens_per_second": _number(endpoint.throughput),
    }


def endpoints_text(endpoints: Sequence[Endpoint], width: int | None = None) -> str:
    """Return a table of the endpoints, with what fits a terminal of so many columns; what none of them tells is left out."""
    if not endpoints:
        return "endpoints: none; nobody runs it now"
    known = {name for endpoint in endpoints for name in endpoint.supported_parameters}
    cells = [_cells(endpoint, known) for endpoint in endpoints]
    headers = [
        name for name in cells[0] if name in ("endpoint", "$/M in", "$/M out") or any(row[name] for row in cells)
    ]
    rows = [[row[name] or ("" if name == "lacks" else _UNTOLD) for name in headers] for row in cells]
    right = [name for name in headers if name not in ("endpoint", "precision", "lacks")]
    return fitted_table(headers, rows, width, right=right, names=("endpoint",), expendable=_LEFT_OUT_FIRST)


def _cells(endpoint: Endpoint, known: set[str]) -> dict[str, str]:
    prices = endpoint.charged()
    unusual = "" if endpoint.status in (None, 0) else f" (status {endpoint.status})"
    return {
        "endpoint": f"{endpoint.tag or endpoint.provider}{unusual}",
        "$/M in": _price(prices.prompt) or _no_price(endpoint, "prompt"),
        "$/M out": _price(prices.completion) or _no_price(endpoint, "completion"),
        "cache read": _price(prices.cache_read),
        "context": "" if endpoint.context_length is None else grouped(endpoint.context_length),
        "max out": "" if endpoint.max_completion_tokens is None else grouped(endpoint.max_completion_tokens),
        "precision": "" if endpoint.quantization in (None, "unknown") else str(endpoint.quantization),
        "up": "" if endpoint.uptime is None else f"{_short(endpoint.uptime)}%",
        "ms": "" if endpoint.latency is None else _short(endpoint.latency),
        "tokens/s": "" if endpoint.throughput is None else _short(endpoint.throughput),
        "lacks": ",".join(sorted(known - set(endpoint.supported_parameters))),
    }


def _no_price(endpoint: Endpoint, key: str) -> str:
    """Say why there is no price: the service lists none, or one that depends on routing."""
    return "unknown" if endpoint.pricing.get(key) in (None, "") else "varies"


def _price(usd_per_token: Decimal | None) -> str:
    amount = per_million(usd_per_token)
    return "" if amount is None else plain(amount)


def _short(number: Decimal) -> str:
    """Write a number with one decimal, rounded down: what is up almost always is not up always."""
    return plain(number.quantize(Decimal("0.1"), ROUND_FLOOR))


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
