"""What each model does with a request.

`SCENARIOS` is the one table of rehearsed behaviour: to add one, write a function that makes a `Plan` (or raises a
`ServiceRefusedError`) and give it a line there. Every other model answers by `converse`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

from neuralterm.domain.record import record
from neuralterm.sandbox.answers import long_text, paragraph, stable_hash, thoughts
from neuralterm.sandbox.catalogue import ServedModel, served
from neuralterm.sandbox.example import ExampleWriter
from neuralterm.sandbox.jsontext import to_json
from neuralterm.sandbox.refusal import ServiceRefusedError
from neuralterm.sandbox.request import ChatRequest

SCENARIO_PROVIDER = "Sandbox"

# A sentence of `long_text` has thirteen or fourteen tokens with its number.
_LONG_SENTENCES = 296
_SLOW_SENTENCES = 20

# Output tokens: the most of a scenario, and what `sandbox/affordable` has credit for.
_OUTPUT_CAP = 16384
_AFFORDABLE = 100


class Ending(Enum):
    """How an answer ends."""

    COMPLETE = "complete"
    CUT = "cut"  # the connection closes in the middle
    ERROR = "error"  # an error arrives in place of the rest
    STALL = "stall"  # silence until the client goes away


@record
class Plan:
    """An answer that is going to be given. `pace` multiplies the server's delay between two tokens.

    `is_byok`: a provider charges it to a key of the caller's own. Unless it `tells_usage`, neither tokens nor cost come
    with it.
    """

    text: str
    reasoning: str = ""
    ending: Ending = Ending.COMPLETE
    finish_reason: str = "stop"
    pace: int = 1
    ignores_cap: bool = False
    is_byok: bool = False
    tells_usage: bool = True


def converse(request: ChatRequest) -> Plan:
    """Answer as an ordinary model: text, or JSON where the request asks for it."""
    return Plan(_structured(request) or paragraph(request))


def _structured(request: ChatRequest) -> str | None:
    form = request.response_format
    if form.get("type") not in ("json_object", "json_schema"):
        return None
    text = request.last_user_text
    wrapper = form.get("json_schema")
    schema = wrapper.get("schema") if isinstance(wrapper, dict) else None
    if form["type"] == "json_object" or not isinstance(schema, dict):
        return to_json({"answer": "This is a rehearsed answer from the sandbox.", "you_said": text[:200]})
    return to_json(ExampleWriter(schema, "sandbox", stable_hash(text)).write())


def _echo(request: ChatRequest) -> Plan:
    return Plan(request.last_user_text)


def _slow(request: ChatRequest) -> Plan:
    return Plan(long_text(_SLOW_SENTENCES), pace=20)


def _long(request: ChatRequest) -> Plan:
    return Plan(long_text(_LONG_SENTENCES), ignores_cap=True)


def _rate_limited(request: ChatRequest) -> Plan:
    raise ServiceRefusedError(
        429,
        "Provider returned error",
        metadata={
            "raw": "sandbox/rate-limited is temporarily rate-limited upstream. It always is.",
            "provider_name": SCENARIO_PROVIDER,
            "limit_source": "upstream_provider_shared_pool",
        },
        headers={"Retry-After": "1"},
    )


def _overloaded(request: ChatRequest) -> Plan:
    raise ServiceRefusedError(
        503,
        "Provider returned error",
        metadata={
            "raw": {"error": {"type": "Service Unavailable", "message": "No worker is free. None ever is."}},
            "provider_name": SCENARIO_PROVIDER,
            "is_byok": False,
        },
    )


def _no_credit(request: ChatRequest) -> Plan:
    raise ServiceRefusedError(
        402,
        "Insufficient credits. Add more using https://openrouter.ai/settings/credits",
        metadata={"limit_source": "openrouter_credits", "provider_name": None},
    )


def _affordable(request: ChatRequest) -> Plan:
    wanted = _OUTPUT_CAP if request.output_cap is None else request.output_cap
    if wanted <= _AFFORDABLE:
        return converse(request)
    raise ServiceRefusedError(
        402,
        f"This request needs more credits, or fewer max_tokens: it asks for up to {wanted} tokens, "
        f"but the account can only afford {_AFFORDABLE}",
        metadata={"provider_name": None},
    )


def _in_flight(request: ChatRequest) -> Plan:
    if not request.is_first_visit:
        return converse(request)
    raise ServiceRefusedError(
        402,
        "Credit is reserved for requests that are still running",
        metadata={
            "reason": "in_flight_budget_exhausted",
            "limit_source": "openrouter_in_flight_budget",
            "headers": {"Retry-After": "1"},
        },
        headers={"Retry-After": "1"},
    )


def _byok(request: ChatRequest) -> Plan:
    return Plan(paragraph(request), is_byok=True)


def _no_cost(request: ChatRequest) -> Plan:
    return Plan(paragraph(request), tells_usage=False)


def _cut(request: ChatRequest) -> Plan:
    return Plan("This answer breaks off in the middle of a", ending=Ending.CUT)


def _error_midstream(request: ChatRequest) -> Plan:
    return Plan("This answer goes well until the provider", ending=Ending.ERROR)


def _stall(request: ChatRequest) -> Plan:
    return Plan("This answer begins, and then nothing more", ending=Ending.STALL)


def _length(request: ChatRequest) -> Plan:
    return Plan("This answer has reached its limit before it could", finish_reason="length")


def _reasoning(request: ChatRequest) -> Plan:
    return Plan(paragraph(request), reasoning=thoughts(request, request.effort or "medium"))


@record
class Scenario:
    """A model that rehearses one behaviour. Prices are USD per token; `kind` as in the catalogue."""

    name: str
    description: str
    play: Callable[[ChatRequest], Plan]
    prompt_price: str = "0.0000025"
    completion_price: str = "0.00001"
    kind: str = "chat"

    @property
    def id(self) -> str:
        """The model id."""
        return f"sandbox/{self.name}"

    def model(self) -> ServedModel:
        """Return the model that clients see."""
        return served(self._facts())

    def _facts(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "slug": self.id,
            "name": f"Sandbox: {self.name}",
            "created": 1795392000,
            "context_length": 128000,
            "max_completion_tokens": _OUTPUT_CAP,
            "inputs": ["text", "image", "file", "audio"],
            "tokenizer": "Other",
            "provider": SCENARIO_PROVIDER,
            "kind": self.kind,
            "knowledge_cutoff": None,
            "pricing": {"prompt": self.prompt_price, "completion": self.completion_price},
            "description": self.description,
        }


SCENARIOS = (
    Scenario("echo", "Answers with the last user message, word for word.", _echo),
    Scenario("slow", "A long answer, about ten tokens a second: time to press Ctrl-C.", _slow),
    Scenario("long", "About 4,000 tokens whatever max_tokens says, as some real endpoints do.", _long),
    Scenario("rate-limited", "Always 429, with Retry-After: 1.", _rate_limited),
    Scenario("overloaded", "Always 503: the provider has no capacity.", _overloaded),
    Scenario("no-credit", "Always 402: the account has no credit left.", _no_credit),
    Scenario("affordable", "402 unless max_tokens is at most 100, which the credit pays for.", _affordable),
    Scenario("in-flight", "402 at first: running requests reserve the credit. Then it answers.", _in_flight),
    Scenario("byok", "Charged by the provider to a key of your own; the service takes nothing.", _byok),
    Scenario("no-cost", "Says neither tokens nor cost; both can be asked for afterwards.", _no_cost),
    Scenario("cut", "The connection closes in mid-answer; what was sent is billed.", _cut),
    Scenario("error-midstream", "An error arrives in mid-answer; what was sent is billed.", _error_midstream),
    Scenario("stall", "Some words, then silence until the client gives up.", _stall),
    Scenario("length", "The answer ends at the token limit: finish_reason length.", _length),
    Scenario("reasoning", "Thinks before it answers; the thoughts are billed as output.", _reasoning, kind="reasoning"),
)

_PLAYS = {scenario.id: scenario.play for scenario in SCENARIOS}


def plan_for(model: ServedModel, request: ChatRequest) -> Plan:
    """Return what the model is going to answer. Raises ServiceRefusedError when it does not answer."""
    if model.id in _PLAYS:
        return _PLAYS[model.id](request)
    plan = converse(request)
    if request.effort is None or not model.reasons:
        return plan
    return Plan(plan.text, reasoning=thoughts(request, request.effort))
