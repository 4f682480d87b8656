"""From a turn and its permit to the fields of the request: what makes the bound binding at the service too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from neuralterm.application.bounds import CAP_FIELDS
from neuralterm.application.turn import Turn
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.exceptions import ValidationError
from neuralterm.domain.money import parse_usd

# Fields that say how a request is routed or noted, not parameters that an endpoint has to support.
_NO_PARAMETERS = frozenset({"metadata", "models", "provider", "session_id", "usage", "user"})
# Where thinking has a limit of its own, so much of the cap is left for the answer.
_ANSWER_SHARE = 4


def request_arguments(turn: Turn) -> dict[str, Any]:
    """Return the arguments for the chat client; those beyond the common four only where they are set."""
    cap = turn.permit.output_cap
    models = [model for model in (turn.prompt.model, *turn.prompt.fallbacks) if model is not None]
    extra = dict(turn.options.extra)
    if turn.options.fallbacks:
        extra["models"] = [turn.prompt.model_id, *turn.options.fallbacks]
    caps = {} if cap is None else dict.fromkeys(_cap_fields(models), cap)
    if cap is not None and "reasoning" in extra:
        extra["reasoning"] = _reasoning_inside(extra["reasoning"], cap)
    if turn.permit.max_price_per_million is not None:
        names = {*caps, *extra} - _NO_PARAMETERS | ({"temperature"} if turn.temperature is not None else set())
        provider = _with_price_ceiling(extra.get("provider") or {}, turn.permit.max_price_per_million)
        extra["provider"] = {**provider, **_requiring(names, models)}
    arguments: dict[str, Any] = {
        "messages": turn.prompt.wire_messages(),
        "model": turn.prompt.model_id,
        "temperature": turn.temperature,
    }
    if "max_tokens" in caps:
        arguments["max_tokens"] = caps.pop("max_tokens")
    if extra or caps:
        arguments["extra"] = {**extra, **caps}
    if not turn.options.stream:
        arguments["stream"] = False
    return arguments


def _cap_fields(models: Iterable[OpenRouterModel]) -> list[str]:
    """Return the names under which these models take their cap; `max_tokens` unless one takes only the other."""
    usual, other = CAP_FIELDS
    listed = [model.supported_parameters for model in models if model.supported_parameters]
    only_other = [other in names and usual not in names for names in listed]
    if not any(only_other):
        return [usual]
    return [other] if all(only_other) else [usual, other]


def _reasoning_inside(reasoning: object, cap: int) -> object:
    """Return the wish for reasoning with its own limit, if it has one, inside the cap of the whole answer."""
    own = reasoning.get("max_tokens") if isinstance(reasoning, Mapping) else None
    if not isinstance(reasoning, Mapping) or not isinstance(own, int) or isinstance(own, bool):
        return reasoning
    most = max(cap - max(cap // _ANSWER_SHARE, 1), 1)
    return reasoning if own <= most else {**reasoning, "max_tokens": most}


def _requiring(names: set[str], models: list[OpenRouterModel]) -> dict[str, bool]:
    """Ask for endpoints that obey every parameter, the cap among them, where the list says that there are any.

    An endpoint that does not know a parameter ignores it, and an ignored cap is none.
    """
    can_all = all(model.supported_parameters and names <= set(model.supported_parameters) for model in models)
    return {"require_parameters": True} if models and can_all else {}


def _with_price_ceiling(provider: object, ceiling: Mapping[str, str]) -> dict[str, Any]:
    """Return the routing wishes with the budget's price ceiling; a lower one of the user's own stays."""
    if not isinstance(provider, Mapping):
        raise ValidationError("the request field 'provider' must be an object")
    own = provider.get("max_price")
    own = own if isinstance(own, Mapping) else {}
    lower = {name: own[name] for name, limit in ceiling.items() if name in own and _is_lower(own[name], limit)}
    return {**provider, "max_price": {**own, **ceiling, **lower}}


def _is_lower(price: object, limit: str) -> bool:
    parsed = parse_usd(price)
    return parsed is not None and parsed < Decimal(limit)
