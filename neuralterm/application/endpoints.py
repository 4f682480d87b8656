"""Who runs a model, for people who choose one."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from neuralterm.application.ports import EndpointSource
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.endpoints import Endpoint
from neuralterm.domain.exceptions import CircuitOpenError, OpenRouterAPIError, StreamInterruptedError
from neuralterm.domain.money import EXACT

_UNAVAILABLE = (OpenRouterAPIError, CircuitOpenError, StreamInterruptedError)


async def endpoints_of(
    source: EndpointSource, model: OpenRouterModel, *, on_failure: Callable[[str], None]
) -> list[Endpoint] | None:
    """Return the endpoints of a model, an alias followed, cheapest first; those without a price come last.

    None where the service tells none, or can't be asked: then `on_failure` is told one sentence, for the rest of what is
    known of the model is of use without them.
    """
    try:
        found = await source.get_endpoints(model.alias_target or model.id)
    except _UNAVAILABLE as error:
        on_failure(f"the endpoints can't be told: {error.message}")
        return None
    if found is None:
        on_failure("no endpoints are told of this model here")
        return None
    return sorted(found, key=_price_key)


def _price_key(endpoint: Endpoint) -> tuple[bool, Decimal]:
    prices = endpoint.charged()
    if prices.prompt is None or prices.completion is None:
        return (True, Decimal(0))
    return (False, EXACT.add(prices.prompt, prices.completion))
