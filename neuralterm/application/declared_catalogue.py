"""The models of a server whose prices the user has declared."""

from __future__ import annotations

from neuralterm.application.catalogue import Catalogue, Listing
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.declared_prices import ServerPrices
from neuralterm.domain.record import replace


class DeclaredCatalogue:
    """A catalogue that puts declared prices over the listed ones.

    A model with declared prices is never looked up at the server, which may have no list at all; where the copy kept here
    has it, its window and limits are taken from there.
    """

    def __init__(self, catalogue: Catalogue, prices: ServerPrices) -> None:
        self._catalogue = catalogue
        self._prices = prices

    async def listing(self, refresh: bool = False, offline: bool = False) -> Listing:
        """Return the list as `Catalogue.listing` does, with declared prices where there are any."""
        listing = await self._catalogue.listing(refresh, offline)
        return replace(listing, models=[self._prices.price(model.id, model) or model for model in listing.models])

    async def find(self, model_id: str) -> OpenRouterModel | None:
        """Return a model; without declared prices as `Catalogue.find` does."""
        return self._declared(model_id) or await self._catalogue.find(model_id)

    def cached(self, model_id: str) -> OpenRouterModel | None:
        """Return a model without asking the server."""
        return self._declared(model_id) or self._catalogue.cached(model_id)

    async def require(self, model_id: str) -> OpenRouterModel:
        """Return a model; without declared prices as `Catalogue.require` does."""
        return self._declared(model_id) or await self._catalogue.require(model_id)

    def copied(self) -> list[OpenRouterModel]:
        """Return the models of the copy kept here."""
        return self._catalogue.copied()

    async def require_listed(self, model_id: str) -> None:
        """Raise as `Catalogue.require_listed` for a model that has no declared prices and is not listed."""
        if self._prices.price(model_id) is None:
            await self._catalogue.require_listed(model_id)

    def _declared(self, model_id: str) -> OpenRouterModel | None:
        if self._prices.price(model_id) is None:
            return None
        return self._prices.price(model_id, self._catalogue.cached(model_id))
