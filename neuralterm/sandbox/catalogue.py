"""The models that the sandbox serves: a catalogue of real ones as of 2026, and its own scenarios.

`catalogue.json` holds facts about the real models (ids, windows, prices in USD per token); its `kind` names the set of
request parameters that they take.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib import resources
from typing import Any

from neuralterm.domain.model_ids import DEFAULT_MODEL, without_dynamic_suffix
from neuralterm.domain.pricing import PriceList
from neuralterm.domain.record import record
from neuralterm.sandbox.refusal import ServiceRefusedError

_SAMPLING = ("frequency_penalty", "max_tokens", "presence_penalty", "seed", "stop", "temperature", "top_p")
_SHAPING = ("response_format", "structured_outputs", "tool_choice", "tools")
_REASONING = ("include_reasoning", "reasoning")
_PARAMETERS = {
    "chat": sorted((*_SAMPLING, *_SHAPING)),
    "reasoning": sorted((*_SAMPLING, *_SHAPING, *_REASONING)),
    "openai-reasoning": sorted(("max_completion_tokens", "max_tokens", "seed", *_SHAPING, *_REASONING)),
}

# What `openrouter/auto` always chooses here.
_ROUTERS = {"openrouter/auto": DEFAULT_MODEL}


@record
class ServedModel:
    """A model with its row of `GET /models`. `context_length` is the endpoint's, in tokens."""

    id: str
    slug: str
    provider: str
    prices: PriceList
    context_length: int
    max_completion_tokens: int | None
    reasons: bool
    listing: dict[str, Any]

    @property
    def billed_as(self) -> str:
        """The name that replies carry: the dated slug, or the id of a `:free` variant, which has a price of its own."""
        return self.id if ":" in self.id else self.slug


class Catalogue:
    """All served models, found by id or canonical slug."""

    def __init__(self, models: Iterable[ServedModel]) -> None:
        self._models = tuple(models)
        # An id wins over a slug: variants of one model share their slug.
        self._by_name = {model.slug: model for model in reversed(self._models)}
        self._by_name.update({model.id: model for model in self._models})

    def find(self, model_id: str) -> ServedModel:
        """Return the model that answers for an id; routers choose one. Raises ServiceRefusedError 400 for an unknown id."""
        name = without_dynamic_suffix(model_id)
        model = self._by_name.get(_ROUTERS.get(name, name))
        if model is None:
            raise ServiceRefusedError(400, f"{model_id} is not a valid model ID")
        return model

    def listed(self, model_id: str) -> ServedModel | None:
        """Return the model with exactly this id or slug, or None."""
        return self._by_name.get(model_id)

    def listing(self) -> list[dict[str, Any]]:
        """Return the rows of `GET /models`, newest first."""
        return [model.listing for model in sorted(self._models, key=lambda model: -model.listing["created"])]


def endpoints_of(model: ServedModel, *, is_known: bool) -> dict[str, Any]:
    """Return the answer about who runs a model: one provider here. Only who is known by a key is told how fast it is."""
    listing = model.listing
    endpoint = {
        "name": f"{model.provider} | {model.slug}",
        "model_id": model.slug,
        "model_name": listing["name"],
        "context_length": model.context_length,
        "pricing": {**listing["pricing"], "discount": 0},
        "provider_name": model.provider,
        "tag": model.provider.lower().replace(" ", "-"),
        "quantization": "unknown",
        "max_completion_tokens": model.max_completion_tokens,
        "max_prompt_tokens": None,
        "supported_parameters": listing["supported_parameters"],
        "status": 0,
        "uptime_last_5m": 100,
        "uptime_last_30m": 99.5,
        "uptime_last_1d": 99.8,
        "supports_implicit_caching": False,
        "latency_last_30m": {"p50": 250, "p75": 350, "p90": 480, "p99": 850} if is_known else None,
        "throughput_last_30m": {"p50": 45.2, "p75": 38.5, "p90": 28.3, "p99": 15.1} if is_known else None,
    }
    described = ("id", "name", "created", "description", "architecture")
    return {**{key: listing[key] for key in described}, "endpoints": [endpoint]}


def real_models() -> list[ServedModel]:
    """Read the catalogue of real models."""
    text = resources.files("neuralterm.sandbox").joinpath("catalogue.json").read_text("utf-8")
    return [served(fact) for fact in json.loads(text)]


def served(fact: dict[str, Any]) -> ServedModel:
    """Make a model from its facts, the keys as in `catalogue.json`."""
    context = fact.get("provider_context_length", fact["context_length"])
    return ServedModel(
        id=fact["id"],
        slug=fact["slug"],
        provider=fact["provider"],
        prices=PriceList.from_listing(fact["pricing"]),
        context_length=context,
        max_completion_tokens=fact["max_completion_tokens"],
        reasons="reasoning" in fact["kind"],
        listing=_listing(fact, context),
    )


def _listing(fact: dict[str, Any], provider_context: int) -> dict[str, Any]:
    inputs = fact["inputs"]
    return {
        "id": fact["id"],
        "canonical_slug": fact["slug"],
        "hugging_face_id": None,
        "name": fact["name"],
        "created": fact["created"],
        "description": fact["description"],
        "context_length": fact["context_length"],
        "architecture": {
            "modality": f"{'+'.join(inputs)}->text",
            "input_modalities": inputs,
            "output_modalities": ["text"],
            "tokenizer": fact["tokenizer"],
            "instruct_type": None,
        },
        "pricing": fact["pricing"],
        "top_provider": {
            "context_length": provider_context,
            "max_completion_tokens": fact["max_completion_tokens"],
            "is_moderated": False,
        },
        "per_request_limits": None,
        "supported_parameters": _PARAMETERS[fact["kind"]],
        "default_parameters": {},
        "supported_voices": None,
        "knowledge_cutoff": fact["knowledge_cutoff"],
        "expiration_date": None,
        "links": {"details": f"/api/v1/models/{fact['slug']}/endpoints"},
    }
