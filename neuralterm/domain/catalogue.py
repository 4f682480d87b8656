"""A model as the service lists it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from neuralterm.domain.money import EXACT
from neuralterm.domain.pricing import PriceList
from neuralterm.domain.record import field, record

# Tokens that are kept free for the answer where the user asks for no particular size.
ANSWER_RESERVE = 500


@record
class OpenRouterModel:
    """One entry of `GET /models`.

    `pricing` is the service's own object: decimal strings, USD per token. `prompt_price` and `completion_price` are USD
    per 1,000 tokens, as `TokenUsage.calculate_cost` takes them; None when the price depends on routing or is missing.
    `context_length` and `max_completion_tokens` are in tokens; `created` is a Unix time in seconds. `declared_prices` says
    that the prices are the user's own words, not the service's; `alias_target` is the slug of the model that an alias means.
    """

    id: str
    name: str = ""
    description: str | None = None
    pricing: Mapping[str, Any] = field(default_factory=dict)
    context_length: int | None = None
    canonical_slug: str | None = None
    created: int | None = None
    max_completion_tokens: int | None = None
    input_modalities: tuple[str, ...] = ()
    output_modalities: tuple[str, ...] = ()
    supported_parameters: tuple[str, ...] = ()
    expiration_date: str | None = None
    declared_prices: bool = False
    alias_target: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """All names that the service knows this model by."""
        return tuple(name for name in (self.id, self.canonical_slug, self.alias_target) if name)

    @property
    def prices(self) -> PriceList:
        """All prices, USD per token."""
        return PriceList.from_listing(self.pricing)

    @property
    def prompt_price(self) -> Decimal | None:
        """USD per 1,000 prompt tokens."""
        return _per_thousand(self.prices.base.prompt)

    @property
    def completion_price(self) -> Decimal | None:
        """USD per 1,000 output tokens."""
        return _per_thousand(self.prices.base.completion)

    def output_limit(self, prompt_tokens: int = 0) -> int | None:
        """Return the most tokens that an answer to so long a prompt can have; None where nothing limits it.

        The service refuses a cap that is beyond the window together with the prompt. However long the prompt may be,
        `ANSWER_RESERVE` is left, because history is cut to leave as much.
        """
        window, own = self.context_length, self.max_completion_tokens
        if not window:
            return own or None
        room = max(window - prompt_tokens, min(ANSWER_RESERVE, window // 4))
        return min(own or room, room)

    @property
    def author(self) -> str:
        """The part of the id before the slash."""
        return self.id.partition("/")[0].lstrip("~")


def _per_thousand(price: Decimal | None) -> Decimal | None:
    return None if price is None else EXACT.multiply(price, Decimal(1000))
