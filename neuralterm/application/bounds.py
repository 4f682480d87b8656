"""What a request could cost at most: from its plan to prices that bound it, or to the reason why nothing does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from neuralterm.domain.budget import Budget, Scope
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.exceptions import BudgetExceededError
from neuralterm.domain.money import EXACT, dollars
from neuralterm.domain.pricing import PriceSet, Span, highest_of
from neuralterm.domain.record import record, replace

# Request fields that are known to add no charge besides the tokens that are counted anyway, and that leave the bound as it
# was computed. Whatever is not here may be a search, a dearer tier, a second answer, another model.
BOUNDED_FIELDS = frozenset(
    {
        "cache_control",
        "frequency_penalty",
        "include_reasoning",
        "logit_bias",
        "logprobs",
        "metadata",
        "min_p",
        "parallel_tool_calls",
        "presence_penalty",
        "prompt_cache_key",
        "provider",
        "reasoning",
        "reasoning_effort",
        "repetition_penalty",
        "response_format",
        "seed",
        "session_id",
        "stop",
        "structured_outputs",
        "temperature",
        "top_a",
        "top_k",
        "top_logprobs",
        "top_p",
        "usage",
        "user",
        "verbosity",
    }
)
# Routing suffixes that may choose a dearer tier or add a search.
UNBOUNDED_SUFFIXES = frozenset({"nitro", "online"})
# Models that search the web of their own accord, for a fee that the list tells for one search, not for a call.
_SEARCHES_BY_ITSELF = r"^perplexity/|-search|deep-research"
# What the service calls the cap on the length of an answer.
CAP_FIELDS = ("max_tokens", "max_completion_tokens")

# A prompt may have so many per cent of the tokens counted here, where the model's own vocabulary is another.
_LONGEST_PERCENT = 160


@record
class BudgetStatus:
    """A budget with what is spent, reserved for what is not certain yet, and left, in USD."""

    budget: Budget
    spent_usd: Decimal
    reserved_usd: Decimal
    remaining_usd: Decimal
    resets_at: datetime | None

    @property
    def committed_usd(self) -> Decimal:
        """What is spent and what is reserved."""
        return EXACT.add(self.spent_usd, self.reserved_usd)


@record
class Subject:
    """What of a call the scope of a budget looks at: its tags, the models that may answer, its conversation.

    `is_routed`: the service chooses among all models, so that any of them may answer.
    """

    tags: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    conversation: UUID | None = None
    is_routed: bool = False

    def is_covered_by(self, scope: Scope) -> bool:
        """Say whether a budget with that scope counts the call."""
        if self.is_routed and scope.model is not None:
            scope = replace(scope, model=None)
        return scope.covers(self.tags, self.models, self.conversation)


def subject_of(
    tags: tuple[str, ...],
    model_ids: Sequence[str],
    entries: Iterable[OpenRouterModel | None],
    conversation: UUID | None,
) -> Subject:
    """Return what budgets look at, with all names of the models whose entries are known."""
    known = [entry for entry in entries if entry is not None]
    names = (name for entry in known for name in entry.names)
    return Subject(tags, (*model_ids, *names), conversation, is_routed=any(entry.prices.varies for entry in known))


@record
class CallPlan:
    """What is known of a request before it is made.

    `models` are the catalogue entries of all models that may answer, None for an unknown one; `prompt_bound` is an upper
    bound in tokens, `prompt_estimate` a count of them (None: not counted); `wanted_output_tokens` is the cap by the user's
    wish, None for none. `unbounded_part` says what of the prompt has a price that can't be told.
    """

    model_ids: Sequence[str]
    models: Sequence[OpenRouterModel | None]
    prompt_bound: int
    wanted_output_tokens: int | None
    extra: Mapping[str, Any]
    prompt_estimate: int | None = None
    unbounded_part: str | None = None
    tags: tuple[str, ...] = ()
    conversation_id: UUID | None = None

    @property
    def subject(self) -> Subject:
        """What budgets look at."""
        return subject_of(self.tags, self.model_ids, self.models, self.conversation_id)

    @property
    def cap_binds(self) -> bool:
        """True when every model that may answer takes a cap; one that lists no parameters is expected to."""
        return all(takes_cap(model) for model in self.models)

    @property
    def prices_are_declared(self) -> bool:
        """True when a price is one of the user's own words, which no service can be held to."""
        return any(model is not None and model.declared_prices for model in self.models)

    def prices(self, span: Span) -> PriceSet:
        """Return the highest prices that the call can meet in that span of time, of all models that may answer."""
        return highest_of([model.prices.highest(self.prompt_bound, span) for model in self.models if model is not None])

    def natural_cap(self, prompt_tokens: int) -> int | None:
        """Return the cap that holds without any budget: the user's, or else the largest of the models' own."""
        if self.wanted_output_tokens is not None and self.cap_binds:
            return self.wanted_output_tokens
        return self.longest_answer(prompt_tokens)

    def longest_answer(self, prompt_tokens: int = 0) -> int | None:
        """Return how long an answer the models can give when nothing holds them, in tokens; None for any length."""
        limits = [model.output_limit(prompt_tokens) if model else None for model in self.models]
        known = [limit for limit in limits if limit]
        return max(known) if len(known) == len(limits) else None

    @property
    def cap_depends_on_prompt(self) -> bool:
        """True where a shorter prompt would leave room in the window for a longer cap."""
        return self.cap_binds and self.natural_cap(self.prompt_bound) != self.natural_cap(0)

    @property
    def likely_prompt_tokens(self) -> int:
        """A size that the prompt hardly exceeds: not a bound, but closer."""
        if self.prompt_estimate is None:
            return self.prompt_bound
        return min(self.prompt_bound, self.prompt_estimate * _LONGEST_PERCENT // 100)


@record
class Unbounded:
    """Why a call's cost has no bound, and what to do about it. `prices_known`: the tokens at least have a price.

    `unknown_model` is the id of a model that is not listed, where that is why.
    """

    reason: str
    hint: str
    prices_known: bool = False
    unknown_model: str | None = None


def unbounded(plan: CallPlan) -> Unbounded | None:
    """Return which part of the request has no bound; None when all of it has one."""
    for model_id, model in zip(plan.model_ids, plan.models, strict=True):
        found = _unbounded_model(model_id, model)
        if found is not None:
            return found
    if plan.unbounded_part:
        return Unbounded(plan.unbounded_part, "send it without a budget, or leave it out", prices_known=True)
    for field in sorted(plan.extra.keys() - BOUNDED_FIELDS):
        return Unbounded(f"the request field {field!r} may add charges", "leave it out", prices_known=True)
    if not plan.cap_binds and plan.natural_cap(plan.prompt_bound) is None:
        return Unbounded("the model takes no limit for the length of its answer", "choose another model")
    return None


def _unbounded_model(model_id: str, model: OpenRouterModel | None) -> Unbounded | None:
    if model is None:
        reason = f"the price of {model_id} is not known"
        return Unbounded(reason, "`neuralterm models` lists the models", unknown_model=model_id)
    if model.prices.varies:
        return Unbounded(f"the price of {model_id} depends on routing", "choose a model with a fixed price")
    if UNBOUNDED_SUFFIXES.intersection(model_id.split(":")[1:]):
        return Unbounded(f"{model_id} may cost more than its list price", "leave the suffix out")
    if re.search(_SEARCHES_BY_ITSELF, model_id.lower()) and model.pricing.get("web_search") not in (None, "", "0"):
        return Unbounded(f"{model_id} searches the web, for a fee on each search", "choose another model", True)
    made = [kind for kind in model.output_modalities if kind != "text"]
    if made:
        return Unbounded(f"{model_id} may make {made[0]} output, whose price can't be told", "choose another model")
    return None


def takes_cap(model: OpenRouterModel | None) -> bool:
    """Say whether a model takes a cap for the length of its answer."""
    names = () if model is None else model.supported_parameters
    return not names or any(name in names for name in CAP_FIELDS)


def cost_unbounded(budget: Budget, why: Unbounded) -> BudgetExceededError:
    """Return the error for a call that a hard budget can't let through."""
    error = BudgetExceededError(
        f"refused by the {budget.title} of {dollars(budget.limit_usd)}: {why.reason}, so its cost can't be bounded",
        "COST_UNBOUNDED",
        limit_usd=budget.limit_usd,
        hint=f"{why.hint}; --soft-budget lets it through",
    )
    error.unknown_model = why.unknown_model
    return error


def refusal(
    status: BudgetStatus, *, shortest: int = 0, shortest_usd: Decimal | None = None, held_usd: Decimal = Decimal(0)
) -> BudgetExceededError:
    """Return the error for a call whose worst case does not fit what a budget has left.

    `shortest_usd` is what the prompt and the shortest answer worth having, `shortest` tokens, may cost; `held_usd` is the
    part of what is reserved that calls hold which run now.
    """
    budget = status.budget
    reasons, hints = [f"{dollars(status.remaining_usd)} is left"], ["nothing was sent; raise the budget"]
    if shortest_usd is not None:
        reasons[0] += f", and this prompt with an answer of {shortest} tokens may cost {dollars(shortest_usd)}"
        hints[0] += ", shorten the prompt or choose a cheaper model"
    if held_usd:
        reasons.append(f"{dollars(held_usd)} is held by calls that run")
        hints.append("--budget-wait says how long to wait for calls that run")
    uncertain = EXACT.subtract(status.reserved_usd, held_usd)
    if uncertain > 0:
        reasons.append(f"{dollars(uncertain)} is kept back for calls whose cost is not certain")
        hints.append("`neuralterm cost reconcile` asks what they cost")
    return BudgetExceededError(
        f"refused by the {budget.title} of {dollars(budget.limit_usd)}: {'; '.join(reasons)}",
        limit_usd=budget.limit_usd,
        spent_usd=status.committed_usd,
        hint="; ".join(hints),
    )
