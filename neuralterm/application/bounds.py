"""What a request could cost at most: from its plan to prices that bound it, or to the reason why nothing does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from neuralterm.domain.budget import Budget
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.exceptions import BudgetExceededError
from neuralterm.domain.money import EXACT, dollars
from neuralterm.domain.pricing import PriceSet, highest_of

# Request fields that add charges, or choose among prices, that the model list does not tell; and those that would take
# the place of what the bound was computed from.
UNBOUNDED_FIELDS = frozenset(
    {
        "audio",
        "image_config",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "modalities",
        "model",
        "models",
        "n",
        "plugins",
        "prediction",
        "preset",
        "prompt",
        "route",
        "service_tier",
        "tools",
        "web_search_options",
    }
)
# Routing suffixes that may choose a dearer tier or add a search.
UNBOUNDED_SUFFIXES = frozenset({"nitro", "online"})

# A prompt may have so many per cent of the tokens counted here, where the model's own vocabulary is another.
_LONGEST_PERCENT = 160


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """A budget with what is spent, reserved for what is not certain yet, and left, in USD."""

    budget: Budget
    spent_usd: Decimal
    reserved_usd: Decimal
    remaining_usd: Decimal
    resets_at: datetime | None


@dataclass(frozen=True, slots=True)
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

    def natural_cap(self, prompt_tokens: int) -> int | None:
        """Return the cap that holds without any budget: the user's, or else the largest of the models' own."""
        if self.wanted_output_tokens is not None:
            return self.wanted_output_tokens
        limits = [model.output_limit(prompt_tokens) if model else None for model in self.models]
        known = [limit for limit in limits if limit]
        return max(known) if len(known) == len(limits) else None

    @property
    def likely_prompt_tokens(self) -> int:
        """A size that the prompt hardly exceeds: not a bound, but closer."""
        if self.prompt_estimate is None:
            return self.prompt_bound
        return min(self.prompt_bound, self.prompt_estimate * _LONGEST_PERCENT // 100)


def bounded_prices(plan: CallPlan, budget: Budget) -> PriceSet:
    """Return the highest prices that can apply, or say which part of the request has no bound."""
    sets = []
    for model_id, model in zip(plan.model_ids, plan.models, strict=True):
        if model is None:
            raise _unbounded(budget, f"the price of {model_id} is not known", "`neuralterm models` lists the models")
        if model.prices.varies:
            raise _unbounded(budget, f"the price of {model_id} depends on routing", "choose a model with a fixed price")
        if UNBOUNDED_SUFFIXES.intersection(model_id.split(":")[1:]):
            raise _unbounded(budget, f"{model_id} may cost more than its list price", "leave the suffix out")
        sets.append(model.prices.highest())
    if plan.unbounded_part:
        raise _unbounded(budget, plan.unbounded_part, "send it without a budget, or leave it out")
    for field in sorted(UNBOUNDED_FIELDS.intersection(plan.extra)):
        raise _unbounded(budget, f"the request field {field!r} may add charges", "leave it out")
    return highest_of(sets)


def _unbounded(budget: Budget, reason: str, hint: str) -> BudgetExceededError:
    return BudgetExceededError(
        f"refused by the {budget.name} of {dollars(budget.limit_usd)}: {reason}, so its cost can't be bounded",
        "COST_UNBOUNDED",
        limit_usd=budget.limit_usd,
        hint=hint,
    )


def refusal(status: BudgetStatus, prompt_cost: Decimal | None) -> BudgetExceededError:
    """Return the error for a call whose worst case does not fit what a budget has left."""
    reasons = [f"{dollars(status.remaining_usd)} is left, which does not pay for this call"]
    if prompt_cost is not None:
        reasons.append(f"the prompt alone may cost {dollars(prompt_cost)}")
    if status.reserved_usd:
        reasons.append(f"{dollars(status.reserved_usd)} is kept back for calls whose cost is not certain")
    return BudgetExceededError(
        f"refused by the {status.budget.name} of {dollars(status.budget.limit_usd)}: {'; '.join(reasons)}",
        limit_usd=status.budget.limit_usd,
        spent_usd=EXACT.add(status.spent_usd, status.reserved_usd),
        hint="nothing was sent; raise the budget, shorten the prompt or choose a cheaper model",
    )
