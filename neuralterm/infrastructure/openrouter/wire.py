"""The model list as the service sends it, validated. Imported only when a list is read: pydantic takes its time."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.infrastructure.openrouter.decoding import parse_clean_json, plain_numbers


class _Architecture(BaseModel):
    model_config = ConfigDict(extra="ignore")

    input_modalities: list[str] | None = None
    output_modalities: list[str] | None = None


class _TopProvider(BaseModel):
    model_config = ConfigDict(extra="ignore")

    context_length: int | None = None
    max_completion_tokens: int | None = None


class _AliasTarget(BaseModel):
    model_config = ConfigDict(extra="ignore")

    slug: str | None = None


class _ModelEntry(BaseModel):
    """One entry of `data`. Everything but the id may be missing or null."""

    model_config = ConfigDict(extra="ignore")

    id: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    name: str | None = None
    description: str | None = None
    pricing: dict[str, Any] | None = None
    context_length: int | None = None
    canonical_slug: str | None = None
    created: int | None = None
    architecture: _Architecture | None = None
    top_provider: _TopProvider | None = None
    supported_parameters: list[str] | None = None
    expiration_date: str | None = None
    alias_target: _AliasTarget | None = None

    def to_model(self) -> OpenRouterModel:
        architecture = self.architecture or _Architecture()
        top = self.top_provider or _TopProvider()
        # The service refuses by the smaller of the two.
        lengths = [length for length in (self.context_length, top.context_length) if length]
        return OpenRouterModel(
            id=self.id,
            name=self.name or self.id,
            description=self.description,
            pricing=plain_numbers(self.pricing or {}),
            context_length=min(lengths, default=None),
            canonical_slug=self.canonical_slug,
            created=self.created,
            max_completion_tokens=top.max_completion_tokens or None,
            input_modalities=tuple(architecture.input_modalities or ()),
            output_modalities=tuple(architecture.output_modalities or ()),
            supported_parameters=tuple(self.supported_parameters or ()),
            expiration_date=self.expiration_date,
            alias_target=self.alias_target.slug if self.alias_target else None,
        )


class _ModelList(BaseModel):
    model_config = ConfigDict(extra="ignore")

    data: list[Any] = Field()


def parse_model_list(body: bytes) -> list[OpenRouterModel]:
    """Return the models of a `GET /models` body; entries that can't be read are left out.

    Raises ValueError when the body is no model list, or when not one of its entries can be read.
    """
    listing = _ModelList.model_validate(parse_clean_json(body))
    models = [model for entry in listing.data if (model := _parse_entry(entry)) is not None]
    if listing.data and not models:
        raise ValueError("none of the entries is a model")
    return models


def _parse_entry(entry: Any) -> OpenRouterModel | None:
    try:
        return _ModelEntry.model_validate(entry).to_model()
    except ValidationError:
        return None
