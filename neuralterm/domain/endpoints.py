"""Who runs a model, and on which terms."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from neuralterm.domain.money import EXACT
from neuralterm.domain.pricing import PriceList, PriceSet
from neuralterm.domain.record import field, record


@record
class Endpoint:
    """One provider's offer of a model; None is what the service does not say.

    `pricing` is the service's own object: USD per token, before its `discount`. `tag` is the name to ask for it by. Lengths
    are in tokens, `uptime` in percent over half an hour (`uptime_day`: a day), `latency` is the median time to the first token
    in milliseconds and `throughput` the median in tokens per second, both over half an hour. `status` 0 is an ordinary one.
    """

    provider: str
    tag: str | None = None
    pricing: Mapping[str, Any] = field(default_factory=dict)
    context_length: int | None = None
    max_prompt_tokens: int | None = None
    max_completion_tokens: int | None = None
    quantization: str | None = None
    supported_parameters: tuple[str, ...] = ()
    status: int | None = None
    uptime: Decimal | None = None
    uptime_day: Decimal | None = None
    latency: Decimal | None = None
    throughput: Decimal | None = None
    implicit_caching: bool | None = None

    def charged(self) -> PriceSet:
        """Return what is charged at its base prices, USD per token: the discount is taken off."""
        prices = PriceList.from_listing(self.pricing)
        return prices.base.times(EXACT.subtract(Decimal(1), prices.discount)) if prices.discount else prices.base
