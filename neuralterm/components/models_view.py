"""Models and their prices, for programs and for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from neuralterm.application.catalogue import Listing
from neuralterm.application.model_search import is_batch, per_million
from neuralterm.components.endpoints_view import endpoints_document, endpoints_text
from neuralterm.components.machine import SCHEMA_VERSION, moment, money
from neuralterm.components.tables import fitted_table, grouped
from neuralterm.components.text_width import wrapped
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.endpoints import Endpoint
from neuralterm.domain.money import parse_usd, plain
from neuralterm.domain.pricing import Override
from neuralterm.domain.text import one_line

# The service's names of prices per token, in the order in which people ask for them, and of prices per something else.
_PER_TOKEN = {
    "prompt": "prompt",
    "completion": "completion",
    "input_cache_read": "cache read",
    "input_cache_write": "cache write",
    "input_cache_write_1h": "cache write, 1 hour",
    "internal_reasoning": "reasoning",
    "audio": "audio in",
    "audio_output": "audio out",
    "input_audio_cache": "audio cache",
    "image_token": "image token",
    "image_output": "image out",
}
_PER_PIECE = {"request": "request", "image": "image", "web_search": "web search"}
_PRICES = _PER_TOKEN | _PER_PIECE

# Where what is told of a model, and its prices begin.
_TOLD, _PRICED = 16, 24
_MODALITIES = ("text", "image", "file", "audio", "video")

# The service's ways to say that a model stays.
_NEVER = (None, "", "2098-12-31")


def models_document(listing: Listing, models: Sequence[OpenRouterModel]) -> dict[str, Any]:
    """Return the object that `models --json` prints for a selection of the listing."""
    return {
        "schema_version": SCHEMA_VERSION,
        "fetched_at": moment(listing.fetched_at),
        "stale": listing.stale,
        "models": [model_document(model) for model in models],
    }


def one_model_document(
    listing: Listing, model: OpenRouterModel, endpoints: Sequence[Endpoint] | None
) -> dict[str, Any]:
    """Return the object that `models show --json` prints."""
    return {
        "schema_version": SCHEMA_VERSION,
        "fetched_at": moment(listing.fetched_at),
        "stale": listing.stale,
        "model": model_document(model),
        "endpoints": endpoints_document(endpoints),
    }


def model_document(model: OpenRouterModel) -> dict[str, Any]:
    """Return one model; `pricing` is the service's own object, in USD per token."""
    prices = model.prices
    return {
        "id": model.id,
        "name": model.name,
        "description": model.description,
        "context_length": model.context_length,
        "max_completion_tokens": model.max_completion_tokens,
        "prompt_usd_per_million": money(per_million(prices.base.prompt)),
        "completion_usd_per_million": money(per_million(prices.base.completion)),
        "pricing": model.pricing,
        "input_modalities": list(model.input_modalities),
        "output_modalities": list(model.output_modalities),
        "supported_parameters": list(model.supported_parameters),
        "created": moment(_created(model)),
        "expiration_date": model.expiration_date,
        "free": prices.is_free,
        "varies": prices.varies,
    }


def models_table(models: Sequence[OpenRouterModel], width: int | None = None) -> str:
    """Return a table of the models; `varies` stands where the price depends on routing, `unknown` where there is none.

    A terminal of so many columns has what fits; None: all of it.
    """
    headers = ("model", "$/M in", "$/M out", "context", "takes", "features", "")
    rows = [
        (
            model.id,
            _per_million(model.pricing.get("prompt")),
            _per_million(model.pricing.get("completion")),
            grouped(model.context_length),
            "+".join(_in_usual_order(model.input_modalities)),
            ",".join(features(model)),
            _remarks(model),
        )
        for model in models
    ]
    shown = len(headers) if any(row[-1] for row in rows) else len(headers) - 1
    return fitted_table(
        headers[:shown],
        [row[:shown] for row in rows],
        width,
        right=headers[1:4],
        names=("model",),
        expendable=(("features",), ("takes",), ("",), ("context",)),
    )


def _in_usual_order(modalities: Iterable[str]) -> list[str]:
    # The service lists them in any order.
    return sorted(modalities, key=lambda each: _MODALITIES.index(each) if each in _MODALITIES else len(_MODALITIES))


def features(model: OpenRouterModel) -> list[str]:
    """Return in short what a model can: call tools, keep to a schema or at least to JSON, reason, read from a cache."""
    parameters = model.supported_parameters
    keeps_schema = "structured_outputs" in parameters
    known = [
        ("tools" in parameters, "tools"),
        (keeps_schema, "schema"),
        ("response_format" in parameters and not keeps_schema, "json"),
        ("reasoning" in parameters or "include_reasoning" in parameters, "reasoning"),
        (model.pricing.get("input_cache_read") not in (None, "", "0", 0), "cache"),
    ]
    return [name for holds, name in known if holds]


def model_text(model: OpenRouterModel, endpoints: Sequence[Endpoint] | None = None, width: int | None = None) -> str:
    """Return all that is known of one model; a terminal of so many columns has lines that fit."""
    facts = [
        ("name", model.name),
        ("context", _tokens(model.context_length)),
        ("longest answer", _tokens(model.max_completion_tokens)),
        ("input", ", ".join(model.input_modalities)),
        ("output", ", ".join(model.output_modalities)),
        ("parameters", ", ".join(model.supported_parameters)),
        ("listed since", created.date().isoformat() if (created := _created(model)) else ""),
        ("goes away", "" if model.expiration_date in _NEVER else model.expiration_date),
        ("same as", model.canonical_slug if model.canonical_slug not in (None, model.id) else ""),
    ]
    parts = [
        one_line(model.id),
        "\n".join(wrapped(f"{name:<{_TOLD}}{one_line(value)}", width, _TOLD) for name, value in facts if value),
        "\n".join(wrapped(line, width, _PRICED) for line in _price_lines(model)),
    ]
    if endpoints is not None:
        parts.append(endpoints_text(endpoints, width))
    if model.description:
        parts.append("\n".join(wrapped(line, width) for line in model.description.split("\n")))
    return "\n\n".join(parts)


def _price_lines(model: OpenRouterModel) -> list[str]:
    lines = [f"{'prices':<{_PRICED}}USD", *_prices_of(model.pricing)]
    if is_batch(model):
        lines.append("for batch jobs: answers may take a day")
    overrides = model.pricing.get("overrides")
    entries = [entry for entry in overrides if isinstance(entry, Mapping)] if isinstance(overrides, list) else []
    for entry, override in zip(entries, model.prices.overrides, strict=True):
        lines.append(_condition(override))
        lines.extend(f"  {line}" for line in _prices_of({key: entry[key] for key in entry if key in _PRICES}))
    return lines


def _prices_of(listing: Mapping[str, Any]) -> list[str]:
    names = [*(key for key in _PRICES if key in listing), *(key for key in listing if key not in _PRICES)]
    return [
        f"{_PRICES.get(key, one_line(key)):<{_PRICED}}{_quoted(key, listing[key])}"
        for key in names
        if key != "overrides"
    ]


def _quoted(key: str, value: object) -> str:
    if key not in _PRICES:
        return f"{one_line(str(value))} (as listed)"
    if key in _PER_TOKEN:
        shown = _per_million(value)
        return f"{shown} per million tokens" if parse_usd(value) is not None else shown
    price = parse_usd(value)
    return "varies" if price is None else f"{plain(price)} each"


def _condition(override: Override) -> str:
    conditions = []
    if override.min_prompt_tokens is not None:
        conditions.append(f"for prompts of more than {override.min_prompt_tokens:,} tokens")
    if override.utc_start is not None and override.utc_end is not None:
        conditions.append(f"from {_time(override.utc_start)} to {_time(override.utc_end)} UTC")
    return " and ".join(conditions) or "at times"


def _time(number: int) -> str:
    return f"{number // 100:02d}:{number % 100:02d}"


def _remarks(model: OpenRouterModel) -> str:
    # Few models have any, and reading prices takes its time.
    overrides = model.prices.overrides if model.pricing.get("overrides") else ()
    only_by_size = all(override.utc_start is None for override in overrides)
    more_than_text = "+".join(kind for kind in _in_usual_order(model.output_modalities) if kind != "text")
    remarks = [
        (bool(more_than_text), f"gives {more_than_text}"),
        (is_batch(model), "batch jobs only"),
        (bool(overrides), "more for long prompts" if only_by_size else "varies by prompt or time"),
        (model.expiration_date not in _NEVER, f"until {model.expiration_date}"),
    ]
    return ", ".join(text for holds, text in remarks if holds)


def _per_million(listed: object) -> str:
    amount = per_million(parse_usd(listed))
    if amount is not None:
        return plain(amount)
    return "unknown" if listed in (None, "") else "varies"


def _tokens(count: int | None) -> str:
    return "" if count is None else f"{grouped(count)} tokens"


def _created(model: OpenRouterModel) -> datetime | None:
    try:
        return None if model.created is None else datetime.fromtimestamp(model.created, UTC)
    except (OverflowError, ValueError, OSError):
        return None
