"""What a server that reports no cost charges, as its user declares it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from neuralterm.domain.budget import matches
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.model_ids import without_dynamic_suffix
from neuralterm.domain.money import EXACT, plain
from neuralterm.domain.record import field, record, replace

# What is counted in tokens; the price of a request is another matter.
TOKEN_PRICES = ("prompt", "completion", "input_cache_read", "input_cache_write", "internal_reasoning")


@record
class DeclaredPrices:
    """Prices under the service's own names, in USD per million tokens (`request`: per request), and limits in tokens."""

    prices: Mapping[str, Decimal]
    context_length: int | None = None
    max_completion_tokens: int | None = None

    def pricing(self) -> dict[str, str]:
        """Return the prices as the service would list them: USD per token."""
        return {
            name: plain(_per_token(price) if name in TOKEN_PRICES else price) for name, price in self.prices.items()
        }


FREE = DeclaredPrices({"prompt": Decimal(0), "completion": Decimal(0)})


@record
class ServerPrices:
    """The prices of one server, by id or by pattern of ids. With `free` nothing there costs anything."""

    free: bool = False
    by_model: Mapping[str, DeclaredPrices] = field(default_factory=dict)

    def price(self, model_id: str, listed: OpenRouterModel | None = None) -> OpenRouterModel | None:
        """Return the model with its declared prices, what is `listed` of it kept; None when none are declared for it."""
        declared = self._of(model_id)
        if declared is None:
            return None
        model = listed or OpenRouterModel(model_id)
        return replace(
            model,
            pricing=declared.pricing(),
            context_length=declared.context_length or model.context_length,
            max_completion_tokens=declared.max_completion_tokens or model.max_completion_tokens,
            declared_prices=True,
        )

    def _of(self, model_id: str) -> DeclaredPrices | None:
        if self.free:
            return FREE
        for written in (model_id, without_dynamic_suffix(model_id)):
            if written in self.by_model:
                return self.by_model[written]
        fitting = [pattern for pattern in self.by_model if matches(model_id, pattern)]
        return self.by_model[max(fitting, key=len)] if fitting else None


def _per_token(per_million: Decimal) -> Decimal:
    return EXACT.divide(per_million, Decimal(10**6))
