"""The gate every request passes: may it be made, and how much may it cost at most?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from neuralterm.application.ports import Clock, Ledger
from neuralterm.application.records import Call, CallFilter
from neuralterm.domain.budget import Admission, Budget, Window, fit_output_cap
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.exceptions import BudgetExceededError
from neuralterm.domain.models import CERTAIN_SOURCES, Cost
from neuralterm.domain.money import EXACT, dollars, plain
from neuralterm.domain.pricing import PriceSet, highest_of, worst_case

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


@dataclass(frozen=True, slots=True)
class Permit:
    """What a request may do. `output_cap` None: no cap is set; `at_most_usd` None: its cost has no known bound.

    `max_price_per_million` are the prices (USD per million tokens) that routing must not exceed: set under a budget.
    `cap_by_budget` is true when a budget made the cap smaller than it would have been.
    """

    output_cap: int | None
    at_most_usd: Decimal | None
    cap_by_budget: bool = False
    max_price_per_million: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """A budget with what is spent for sure, reserved for what is not known yet, and left, in USD."""

    budget: Budget
    spent_usd: Decimal
    reserved_usd: Decimal
    remaining_usd: Decimal
    resets_at: datetime | None


class SpendingGate:
    """Compares the worst case of a request with every budget, and writes each request to the ledger.

    Without a ledger nothing is written and only budgets for this invocation can be kept.
    """

    def __init__(self, clock: Clock, ledger: Ledger | None = None, budgets: Iterable[Budget] = ()) -> None:
        self._clock = clock
        self._ledger = ledger
        self.budgets = tuple(budgets)
        self._open: dict[UUID, Decimal] = {}
        self._spent_here = Decimal(0)

    def transaction(self) -> AbstractContextManager[None]:
        """Make what is inside one atomic step that no other process can come between."""
        return nullcontext() if self._ledger is None else self._ledger.transaction()

    def committed(self, budget: Budget) -> Decimal:
        """Return what of a budget is spent, or may still be spent by running or unsettled calls, in USD."""
        if budget.window is Window.CALL:
            return sum(self._open.values(), start=self._spent_here)
        if self._ledger is None:
            return Decimal(0)
        return self._ledger.committed_since(budget.window.start(self._clock.now()))

    def tightest(self) -> tuple[Budget, Decimal] | None:
        """Return the budget with the least left, and what of it is committed; None without budgets."""
        states = [(budget, self.committed(budget)) for budget in self.budgets]
        return min(states, key=lambda state: state[0].limit_usd - state[1], default=None)

    def statuses(self) -> list[BudgetStatus]:
        """Return the state of every budget that outlives this invocation."""
        now = self._clock.now()
        return [self._status(budget, now) for budget in self.budgets if budget.window is not Window.CALL]

    def _status(self, budget: Budget, now: datetime) -> BudgetStatus:
        committed = self.committed(budget)
        reserved = Decimal(0)
        if self._ledger is not None:
            totals = self._ledger.totals(CallFilter(since=budget.window.start(now)), None)
            known = sum((usd for row in totals for usd in row.by_source.values()), start=Decimal(0))
            reserved = max(EXACT.subtract(committed, known), Decimal(0))
        remaining = max(EXACT.subtract(budget.limit_usd, committed), Decimal(0))
        return BudgetStatus(budget, EXACT.subtract(committed, reserved), reserved, remaining, budget.window.end(now))

    def admit(self, plan: CallPlan) -> Permit:
        """Return what the request may do; call it inside `transaction()`, together with `open_call`.

        Raises:
            BudgetExceededError: not even a short answer fits, or the request's cost can't be bounded.
        """
        tightest = self.tightest()
        if tightest is None:
            return _unlimited(plan)
        budget, committed = tightest
        prices = _bounded_prices(plan, budget)
        remaining = EXACT.subtract(budget.limit_usd, committed)
        fitting = fit_output_cap(
            prices,
            prompt_tokens=plan.prompt_bound,
            wanted_output_tokens=plan.natural_cap(plan.likely_prompt_tokens),
            remaining_usd=remaining,
        )
        if fitting is None:
            raise _refusal(budget, committed, worst_case(prices, plan.prompt_bound, 0))
        return _permit(fitting, prices)

    def open_call(self, call: Call) -> None:
        """Write a call down before it is made; its bound counts from now on."""
        if self._ledger is not None:
            self._ledger.open_call(call)
        self._open[call.id] = call.cost.at_most_usd or Decimal(0)

    def note_generation(self, call: Call, generation_id: str) -> None:
        """Remember the service's id of a running call."""
        call.generation_id = generation_id
        if self._ledger is not None:
            self._ledger.note_generation(call.id, generation_id)

    def settle_call(self, call: Call) -> None:
        """Replace the bound of a call by what it cost; what is not known for sure goes on counting at its bound."""
        bound = self._open.pop(call.id, None)
        if bound is not None:
            self._spent_here = EXACT.add(self._spent_here, counted(call.cost, bound))
        if self._ledger is not None:
            self._ledger.settle_call(call)


def counted(cost: Cost, bound: Decimal = Decimal(0)) -> Decimal:
    """Return what a cost counts against a budget, in USD."""
    if cost.usd is not None and cost.source in CERTAIN_SOURCES:
        return cost.usd
    return max(cost.usd or Decimal(0), cost.at_most_usd or bound)


def _unlimited(plan: CallPlan) -> Permit:
    cap = plan.natural_cap(prompt_tokens=0)
    if cap is None or plan.unbounded_part or any(model is None or model.prices.varies for model in plan.models):
        return Permit(plan.wanted_output_tokens, None)
    prices = highest_of([model.prices.highest() for model in plan.models if model])
    return Permit(plan.wanted_output_tokens, worst_case(prices, plan.prompt_bound, cap))


def _permit(fitting: Admission, prices: PriceSet) -> Permit:
    listed = {"prompt": prices.prompt, "completion": prices.completion}
    max_price = {
        name: plain(EXACT.multiply(price, Decimal(1_000_000))) for name, price in listed.items() if price is not None
    }
    if prices.request is not None:
        max_price["request"] = plain(prices.request)
    return Permit(fitting.output_cap, fitting.at_most_usd, fitting.cap_was_reduced, max_price)


def _bounded_prices(plan: CallPlan, budget: Budget) -> PriceSet:
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


def _refusal(budget: Budget, committed: Decimal, prompt_cost: Decimal | None) -> BudgetExceededError:
    left = max(budget.limit_usd - committed, Decimal(0))
    prompt = "" if prompt_cost is None else f"; the prompt alone may cost {dollars(prompt_cost)}"
    return BudgetExceededError(
        f"refused by the {budget.name} of {dollars(budget.limit_usd)}: {dollars(left)} is left, "
        f"which does not pay for this call{prompt}",
        limit_usd=budget.limit_usd,
        spent_usd=committed,
        hint="nothing was sent; raise the budget, shorten the prompt or choose a cheaper model",
    )
