"""The body of `POST /chat/completions`, as far as the sandbox looks at it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from neuralterm.domain.model_ids import DEFAULT_MODEL
from neuralterm.domain.record import record
from neuralterm.sandbox.refusal import ServiceRefusedError
from neuralterm.sandbox.tokens import count_prompt, text_of

_MAX_PRICE_KEYS = ("prompt", "completion", "request")
_MOST_DIGITS = 400

# The parameters that endpoints support or don't, by their names in a request.
_PARAMETERS = frozenset(
    (
        *("frequency_penalty", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens", "min_p"),
        *("parallel_tool_calls", "presence_penalty", "reasoning", "repetition_penalty", "response_format", "seed"),
        *("stop", "temperature", "tool_choice", "tools", "top_a", "top_k", "top_logprobs", "top_p", "verbosity"),
    )
)


@record
class ChatRequest:
    """A checked request. `models` are the ids to try, in order; `max_price` is USD per million tokens (per request).

    `prompt_tokens` is the prompt's size in the sandbox's own tokens. `required` are the parameters that an endpoint must
    support to be chosen; `thinking_cap` limits the tokens of the reasoning. `is_first_visit`: the same key has not asked
    for the same models before.
    """

    models: tuple[str, ...]
    messages: tuple[Mapping[str, Any], ...]
    stream: bool
    output_cap: int | None
    max_price: Mapping[str, Decimal]
    response_format: Mapping[str, Any]
    effort: str | None
    hide_reasoning: bool
    prompt_tokens: int
    required: frozenset[str] = frozenset()
    thinking_cap: int | None = None
    is_first_visit: bool = True

    @property
    def last_user_text(self) -> str:
        """The text of the newest user message; empty when there is none."""
        texts = [text_of(message.get("content")) for message in self.messages if message.get("role") == "user"]
        return texts[-1] if texts else ""


def parse_chat_request(body: bytes) -> ChatRequest:
    """Read a request body. Raises ServiceRefusedError 400 for what the service would not take either."""
    try:
        data = json.loads(body, parse_float=_exact, parse_constant=_exact)
    except (ValueError, RecursionError):
        raise ServiceRefusedError(400, "Invalid JSON in request body") from None
    if not isinstance(data, dict):
        raise ServiceRefusedError(400, "Input required: the request body must be an object")
    reasoning, provider = _mapping(data, "reasoning"), _mapping(data, "provider")
    output_cap = _output_cap(data)
    messages = _messages(data)
    return ChatRequest(
        models=_models(data),
        messages=messages,
        stream=data.get("stream") is True,
        output_cap=output_cap,
        max_price=_max_price(provider),
        response_format=_mapping(data, "response_format"),
        effort=_effort(data, reasoning),
        hide_reasoning=reasoning.get("exclude") is True,
        prompt_tokens=count_prompt(messages),
        required=_parameters(data) if provider.get("require_parameters") is True else frozenset(),
        thinking_cap=_thinking_cap(reasoning, output_cap),
    )


def _exact(text: str) -> Decimal:
    """Read a number. Raises ValueError for `NaN` and for one so long that writing it out would fill the memory."""
    number = Decimal(text)
    if not number.is_finite() or abs(number.adjusted()) > _MOST_DIGITS:
        raise ValueError(f"not a usable number: {text}")
    return number


def _mapping(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ServiceRefusedError(400, f"{key}: expected an object")
    return value


def _models(data: Mapping[str, Any]) -> tuple[str, ...]:
    first, others = data.get("model"), data.get("models") or []
    if not isinstance(others, list) or not all(isinstance(name, str) for name in (*others, first or "")):
        raise ServiceRefusedError(400, "model, models: expected a string and a list of strings")
    names = ([first] if first else []) + others
    return tuple(dict.fromkeys(names)) or (DEFAULT_MODEL,)


def _messages(data: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    messages = data.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ServiceRefusedError(400, "messages: expected at least one message")
    for position, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise ServiceRefusedError(400, f"messages.{position}: expected an object with a role")
        if not isinstance(message.get("content"), (str, list, type(None))):
            raise ServiceRefusedError(400, f"messages.{position}.content: expected a string or a list of parts")
    return tuple(messages)


def _output_cap(data: Mapping[str, Any]) -> int | None:
    caps = [data[key] for key in ("max_tokens", "max_completion_tokens") if data.get(key) is not None]
    if any(not isinstance(cap, int) or isinstance(cap, bool) or cap < 1 for cap in caps):
        raise ServiceRefusedError(400, "max_tokens: expected a positive integer")
    return min(caps, default=None)


def _thinking_cap(reasoning: Mapping[str, Any], output_cap: int | None) -> int | None:
    cap = reasoning.get("max_tokens")
    if cap is None:
        return None
    if not isinstance(cap, int) or isinstance(cap, bool) or cap < 1:
        raise ServiceRefusedError(400, "reasoning.max_tokens: expected a positive integer")
    if output_cap is not None and cap >= output_cap:
        raise ServiceRefusedError(400, f"max_tokens ({output_cap}) must be greater than reasoning.max_tokens ({cap})")
    return cap


def _parameters(data: Mapping[str, Any]) -> frozenset[str]:
    """Return what the request needs of an endpoint, by the names of the model list."""
    names = {name for name in _PARAMETERS if data.get(name) is not None}
    if data.get("reasoning_effort") is not None:
        names.add("reasoning")
    form = data.get("response_format")
    if isinstance(form, dict) and form.get("type") == "json_schema":
        names.add("structured_outputs")
    return frozenset(names)


def _max_price(provider: Mapping[str, Any]) -> dict[str, Decimal]:
    limits = _mapping(provider, "max_price")
    try:
        prices = {key: Decimal(str(limits[key])) for key in _MAX_PRICE_KEYS if limits.get(key) is not None}
    except InvalidOperation:
        prices = {"": Decimal("nan")}
    if any(not price.is_finite() for price in prices.values()):
        raise ServiceRefusedError(400, "provider.max_price: expected numbers, USD per million tokens")
    return prices


def _effort(data: Mapping[str, Any], reasoning: Mapping[str, Any]) -> str | None:
    """Return the wished reasoning effort; None for none."""
    effort = reasoning.get("effort") or data.get("reasoning_effort")
    if effort is None and (reasoning.get("enabled") is True or reasoning.get("max_tokens") is not None):
        effort = "medium"
    return effort if isinstance(effort, str) and effort != "none" else None
