"""The gate every request passes: may it be made, and how much may it cost at most?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from neuralterm.application.bounds import BudgetStatus, CallPlan, bounded_prices, refusal
from neuralterm.application.ports import Clock, Ledger
from neuralterm.application.records import Call, CallFilter
from neuralterm.domain.budget import Admission, Budget, Window, fit_output_cap
from neuralterm.domain.models import CERTAIN_SOURCES, Cost
from neuralterm.domain.money import EXACT, plain
from neuralterm.domain.pricing import PriceSet, highest_of, worst_case


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
        self._known_here = Decimal(0)

    def transaction(self) -> AbstractContextManager[None]:
        """Make what is inside one atomic step that no other process can come between."""
        return nullcontext() if self._ledger is None else self._ledger.transaction()

    def committed(self, budget: Budget) -> Decimal:
        """Return what of a budget is spent, or may still be spent by running or unsettled calls, in USD."""
        if budget.window is Window.CALL:
            return sum(self._open.values(), start=self._spent_here)
        if self._ledger is None:
            return Decimal(0)
        return self._ledger.committed(CallFilter(since=budget.window.start(self._clock.now()))).usd

    def tightest(self) -> tuple[Budget, Decimal] | None:
        """Return the budget with the least left, and what of it is committed; None without budgets."""
        states = [(budget, self.committed(budget)) for budget in self.budgets]
        return min(states, key=lambda state: state[0].limit_usd - state[1], default=None)

    def statuses(self) -> list[BudgetStatus]:
        """Return the state of every budget that outlives this invocation."""
        return [self.status(budget) for budget in self.budgets if budget.window is not Window.CALL]

    def status(self, budget: Budget) -> BudgetStatus:
        """Return the state of one budget."""
        now = self._clock.now()
        committed = self.committed(budget)
        reserved = max(EXACT.subtract(committed, self._known(budget, now)), Decimal(0))
        remaining = max(EXACT.subtract(budget.limit_usd, committed), Decimal(0))
        return BudgetStatus(budget, EXACT.subtract(committed, reserved), reserved, remaining, budget.window.end(now))

    def _known(self, budget: Budget, now: datetime) -> Decimal:
        if budget.window is Window.CALL or self._ledger is None:
            return self._known_here
        totals = self._ledger.totals(CallFilter(since=budget.window.start(now)))
        return sum((usd for row in totals for usd in row.by_source.values()), start=Decimal(0))

    def admit(self, plan: CallPlan) -> Permit:
        """Return what the request may do; call it inside `transaction()`, together with `open_call`.

        Raises:
            BudgetExceededError: not even a short answer fits, or the request's cost can't be bounded.
        """
        tightest = self.tightest()
        if tightest is None:
            return _unlimited(plan)
        budget, committed = tightest
        prices = bounded_prices(plan, budget)
        remaining = EXACT.subtract(budget.limit_usd, committed)
        fitting = fit_output_cap(
            prices,
            prompt_tokens=plan.prompt_bound,
            wanted_output_tokens=plan.natural_cap(plan.likely_prompt_tokens),
            remaining_usd=remaining,
        )
        if fitting is None:
            raise refusal(self.status(budget), worst_case(prices, plan.prompt_bound, 0))
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
            self._known_here = EXACT.add(self._known_here, call.cost.usd or Decimal(0))
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
