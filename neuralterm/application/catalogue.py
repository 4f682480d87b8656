"""The models that there are: from the service, or from the copy kept here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from neuralterm.application.ports import ChatClient, Clock, ModelCache
from neuralterm.domain.catalogue import OpenRouterModel, without_dynamic_suffix
from neuralterm.domain.exceptions import (
    AuthenticationError,
    CircuitOpenError,
    NotFoundError,
    OpenRouterAPIError,
    StorageError,
    StreamInterruptedError,
)
from neuralterm.domain.money import EXACT
from neuralterm.domain.spans import in_words

_log = logging.getLogger(__name__)

MAX_AGE = timedelta(hours=24)

# A model that is not in the list may have come out since; looking for it again within the hour would find nothing more.
_LOOK_AGAIN_AFTER = timedelta(hours=1)

_UNAVAILABLE = (OpenRouterAPIError, CircuitOpenError, StreamInterruptedError)

_MILLION = Decimal(10**6)

Models = list[OpenRouterModel]


@dataclass(frozen=True, slots=True)
class Listing:
    """The model list, when it was fetched (UTC), and whether it is a copy older than it should be."""

    models: Models
    fetched_at: datetime
    stale: bool


class Catalogue:
    """Knows the models, with as few questions to the service as will do.

    A copy younger than `max_age` is taken for the truth. `on_stale` is told one sentence when an older one is used.
    """

    def __init__(
        self,
        client: ChatClient,
        cache: ModelCache,
        clock: Clock,
        *,
        max_age: timedelta = MAX_AGE,
        on_stale: Callable[[str], None],
    ) -> None:
        self._client = client
        self._cache = cache
        self._clock = clock
        self._max_age = max_age
        self._on_stale = on_stale

    async def listing(self, refresh: bool = False, offline: bool = False) -> Listing:
        """Return the model list; `refresh` asks the service whatever there is here, `offline` never asks it.

        When the service can't answer, a copy of any age is used. Without a copy its error is raised; `NotFoundError`
        with `offline`.
        """
        copy = self._copy()
        if offline:
            return self._offline(copy)
        if copy is not None and not copy.stale and not refresh:
            return copy
        try:
            return await self._fetch()
        except _UNAVAILABLE as error:
            if copy is None or isinstance(error, AuthenticationError):
                raise
            self._tell_stale(error, copy.fetched_at)
            return Listing(copy.models, copy.fetched_at, stale=True)

    async def find(self, model_id: str, *, required_fresh: bool = False) -> OpenRouterModel | None:
        """Return a model by its id, routing suffixes such as `:nitro` ignored; None when it is not listed.

        When the list had to be asked for and can't be had: the row of the old list or None, or with
        `required_fresh` the error.
        """
        wanted = without_dynamic_suffix(model_id)
        row = self._cache.find(wanted)
        if row is not None and not self._older_than(self._max_age, row[1]):
            return row[0]
        if row is None and self._was_looked_for():
            return None
        try:
            fetched = await self._fetch()
        except _UNAVAILABLE as error:
            if required_fresh:
                raise
            if row is None:
                return None
            self._tell_stale(error, row[1])
            return row[0]
        return by_id(fetched.models, wanted)

    def cached(self, model_id: str) -> OpenRouterModel | None:
        """Return a model from the copy kept here, of whatever age; None when it is not in it."""
        row = self._cache.find(without_dynamic_suffix(model_id))
        return None if row is None else row[0]

    async def list(self, refresh: bool = False, offline: bool = False) -> Models:
        """Return the models of `listing`."""
        return (await self.listing(refresh, offline)).models

    def _offline(self, copy: Listing | None) -> Listing:
        if copy is None:
            raise NotFoundError("there is no copy of the model list here", hint="run `neuralterm models` once online")
        if copy.stale:
            self._on_stale(f"the model list is {self._age_in_words(copy.fetched_at)} old")
        return copy

    def _copy(self) -> Listing | None:
        loaded = self._cache.load()
        if loaded is None:
            return None
        models, fetched_at = loaded
        return Listing(models, fetched_at, stale=self._older_than(self._max_age, fetched_at))

    async def _fetch(self) -> Listing:
        models = await self._client.get_available_models()
        fetched_at = self._clock.now()
        try:
            self._cache.store(models, fetched_at)
        except StorageError as error:
            _log.warning("the model list could not be kept: %s", error)
        return Listing(models, fetched_at, stale=False)

    def _was_looked_for(self) -> bool:
        loaded = self._cache.load()
        return loaded is not None and not self._older_than(min(_LOOK_AGAIN_AFTER, self._max_age), loaded[1])

    def _older_than(self, limit: timedelta, fetched_at: datetime) -> bool:
        # abs: a copy dated in the future, by a clock that was wrong, must not stay fresh for ever.
        return abs(self._clock.now() - fetched_at) > limit

    def _tell_stale(self, error: Exception, fetched_at: datetime) -> None:
        self._on_stale(f"using the model list of {self._age_in_words(fetched_at)} ago: {error}")

    def _age_in_words(self, fetched_at: datetime) -> str:
        return in_words(self._clock.now() - fetched_at)


@dataclass(frozen=True, slots=True)
class ModelFilter:
    """Which models. Every word of `query` must be in the id or the name, whatever its case.

    `max_price` is in USD per million tokens and holds for prompt and completion each, at their base price; `min_context`
    is in tokens. What is not known matches no limit.
    """

    query: str = ""
    free_only: bool = False
    max_price: Decimal | None = None
    min_context: int | None = None
    input_modality: str | None = None
    supports: str | None = None
    author: str | None = None


def matching(models: Iterable[OpenRouterModel], wanted: ModelFilter) -> Models:
    """Return the models that pass every part of the filter, in their order."""
    return [model for model in models if _matches(model, wanted)]


def ordered(models: Iterable[OpenRouterModel], by: str) -> Models:
    """Return the models sorted by `price` (a prompt and a completion token together, cheapest first), `context` (largest
    first), `newest` or `name` (the id).

    Unknown values come last. Batch endpoints, which are cheap because they answer within a day, come after all others
    that have a price.
    """
    alphabetical = sorted(models, key=lambda model: model.id.lstrip("~").casefold())
    if by == "price":
        return sorted(alphabetical, key=_price_key)
    if by == "context":
        return sorted(alphabetical, key=lambda model: -(model.context_length or -1))
    if by == "newest":
        return sorted(alphabetical, key=lambda model: -(model.created or -1))
    return alphabetical


def by_id(models: Iterable[OpenRouterModel], model_id: str) -> OpenRouterModel | None:
    """Return the model with this id, or else the first with this canonical slug, or None."""
    candidates = list(models)
    for model in candidates:
        if model.id == model_id:
            return model
    return next((model for model in candidates if model.canonical_slug == model_id), None)


def close_matches(model_id: str, models: Iterable[OpenRouterModel]) -> list[str]:
    """Return up to five ids that may have been meant, the likeliest first."""
    from difflib import get_close_matches

    ids = [model.id for model in models]
    wanted = model_id.casefold()
    same_name = [each for each in ids if wanted in (each.casefold(), each.casefold().partition("/")[2])]
    similar = get_close_matches(wanted, ids, n=5, cutoff=0.6)
    holding = sorted((each for each in ids if wanted and wanted in each.casefold()), key=len)
    return list(dict.fromkeys([*same_name, *similar, *holding]))[:5]


def is_batch(model: OpenRouterModel) -> bool:
    """Say whether the row is an endpoint for batch jobs, not for chat."""
    return model.id.endswith(":batch")


def per_million(price: Decimal | None) -> Decimal | None:
    """Return a price per token as price per million tokens, exactly; None stays None."""
    return None if price is None else EXACT.multiply(price, _MILLION)


def _matches(model: OpenRouterModel, wanted: ModelFilter) -> bool:
    text = f"{model.id} {model.name}".casefold()
    return (
        all(word in text for word in wanted.query.casefold().split())
        and (not wanted.free_only or model.prices.is_free)
        and (wanted.max_price is None or _costs_at_most(model, wanted.max_price))
        and (wanted.min_context is None or (model.context_length or 0) >= wanted.min_context)
        and (wanted.input_modality is None or _has(model.input_modalities, wanted.input_modality))
        and (wanted.supports is None or _has(model.supported_parameters, wanted.supports))
        and (wanted.author is None or model.author.casefold() == wanted.author.casefold())
    )


def _costs_at_most(model: OpenRouterModel, usd_per_million: Decimal) -> bool:
    base = model.prices.base
    prices = (per_million(base.prompt), per_million(base.completion))
    return all(price is not None and price <= usd_per_million for price in prices)


def _has(values: Iterable[str], wanted: str) -> bool:
    return wanted.casefold() in (value.casefold() for value in values)


def _price_key(model: OpenRouterModel) -> tuple[int, Decimal]:
    base = model.prices.base
    if base.prompt is None or base.completion is None:
        return (2, Decimal(0))
    return (int(is_batch(model)), EXACT.add(base.prompt, base.completion))
