"""The models that there are: from the service, or from the copy kept here."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta

from neuralterm.application.model_search import by_id, named
from neuralterm.application.ports import ChatClient, Clock, ModelCache
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.exceptions import (
    AuthenticationError,
    CircuitOpenError,
    NotFoundError,
    OpenRouterAPIError,
    StorageError,
    StreamInterruptedError,
)
from neuralterm.domain.model_ids import without_dynamic_suffix
from neuralterm.domain.record import record
from neuralterm.domain.spans import in_words

MAX_AGE = timedelta(hours=24)

# A model that is not in the list may have come out since; looking for it again within the hour would find nothing more.
_LOOK_AGAIN_AFTER = timedelta(hours=1)

_UNAVAILABLE = (OpenRouterAPIError, CircuitOpenError, StreamInterruptedError)


@record
class Listing:
    """The model list, when it was fetched (UTC), and whether it is a copy older than it should be."""

    models: list[OpenRouterModel]
    fetched_at: datetime
    stale: bool


class Catalogue:
    """Knows the models, with as few questions to the service as will do.

    A copy younger than `MAX_AGE` is taken for the truth. `client` returns who asks the service, and is called only for that.
    `on_stale` is told one sentence when an older copy is used; the service is asked within the block of `while_asking`.
    """

    def __init__(
        self,
        client: Callable[[], ChatClient],
        cache: ModelCache,
        clock: Clock,
        *,
        on_stale: Callable[[str], None],
        while_asking: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._client = client
        self._cache = cache
        self._clock = clock
        self._on_stale = on_stale
        self._while_asking = while_asking

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

    async def find(self, model_id: str) -> OpenRouterModel | None:
        """Return a model by its id, routing suffixes such as `:nitro` ignored; None when it is not listed.

        When the list had to be asked for and can't be had, the row of the old list. Without one: None where the server has
        no list, or the error of a service that may have one at another time.
        """
        wanted = without_dynamic_suffix(model_id)
        row = self._cache.find(wanted)
        if row is not None and not self._older_than(MAX_AGE, row[1]):
            return row[0]
        if row is None and self._was_looked_for():
            return None
        try:
            fetched = await self._fetch()
        except _UNAVAILABLE as error:
            if row is None and _may_pass(error):
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

    async def require(self, model_id: str) -> OpenRouterModel:
        """Return a model as `find` does; raise `NotFoundError`, with close ids in its hint, for one that is not listed."""
        model = await self.find(model_id)
        return named(self.copied(), model_id) if model is None else model

    def copied(self) -> list[OpenRouterModel]:
        """Return the models of the copy kept here, of whatever age; none without one."""
        loaded = self._cache.load()
        return [] if loaded is None else loaded[0]

    async def require_listed(self, model_id: str) -> None:
        """Raise `NotFoundError`, with close ids in its hint, for a model that is not listed; otherwise as `listing`."""
        named((await self.listing()).models, model_id)

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
        return Listing(models, fetched_at, stale=self._older_than(MAX_AGE, fetched_at))

    async def _fetch(self) -> Listing:
        with self._while_asking():
            models = await self._client().get_available_models()
        fetched_at = self._clock.now()
        try:
            self._cache.store(models, fetched_at)
        except StorageError as error:
            self._on_stale(f"the model list could not be kept: {error}")
        return Listing(models, fetched_at, stale=False)

    def _was_looked_for(self) -> bool:
        loaded = self._cache.load()
        return loaded is not None and not self._older_than(_LOOK_AGAIN_AFTER, loaded[1])

    def _older_than(self, limit: timedelta, fetched_at: datetime) -> bool:
        # abs: a copy dated in the future, by a clock that was wrong, must not stay fresh for ever.
        return abs(self._clock.now() - fetched_at) > limit

    def _tell_stale(self, error: Exception, fetched_at: datetime) -> None:
        self._on_stale(f"using the model list of {self._age_in_words(fetched_at)} ago: {error}")

    def _age_in_words(self, fetched_at: datetime) -> str:
        return in_words(self._clock.now() - fetched_at)


def _may_pass(error: Exception) -> bool:
    return not isinstance(error, OpenRouterAPIError) or error.retryable
