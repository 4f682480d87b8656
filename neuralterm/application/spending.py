"""The gate every request passes: may it be made, and how much may it cost at most?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, timedelta, tzinfo
from decimal import Decimal
from uuid import UUID

from neuralterm.application.bounds import BudgetStatus, CallPlan, Subject, cost_unbounded, refusal, unbounded
from neuralterm.application.permit import MoneyHeldError, Permit
from neuralterm.application.ports import Clock, Ledger, Processes
from neuralterm.application.records import Call, CallFilter, Committed
from neuralterm.domain.budget import SMALLEST_OUTPUT_CAP, Budget, Window
from neuralterm.domain.models import CERTAIN_SOURCES
from neuralterm.domain.money import EXACT, plain
from neuralterm.domain.output_caps import Admission, fit_output_cap
from neuralterm.domain.pricing import PriceSet, Span, worst_case
from neuralterm.domain.record import replace
from neuralterm.domain.zones import time_zone

# Prices may change with the time of the day. No answer takes longer, and no two clocks are further apart.
LONGEST_CALL = timedelta(hours=6)
CLOCK_SKEW = timedelta(minutes=10)

# A cap below this is worth waiting for more, when others hold money that they may not need.
COMFORTABLE_OUTPUT_CAP = 1024
# A call that takes no more than this part of what is left leaves room for three others of its size.
_AMPLE = Decimal("0.25")
# For a model whose limits nobody tells: many a server refuses a cap that is beyond its window.
USUAL_OUTPUT_CAP = 8192


class SpendingGate:
    """Compares the worst case of a request with every budget that counts it, and writes each request to the ledger.

    `budgets` may be a function that tells them anew each time. Without a ledger nothing is written and only budgets for this
    invocation can be kept. `service` is the base URL that requests go to, `zone` where the days of budgets begin that name
    no zone. `ceiling` is one more budget, for this invocation; another may take its place at any time, and what was spent
    counts against that. `min_tokens` is the shortest output cap worth paying for. A `soft` gate lets calls through whose cost
    can't be bounded. `processes` tells who runs a call.
    """

    def __init__(
        self,
        clock: Clock,
        ledger: Ledger | None = None,
        budgets: Iterable[Budget] | Callable[[], Iterable[Budget]] = (),
        *,
        ceiling: Budget | None = None,
        processes: Processes | None = None,
        service: str | None = None,
        zone: tzinfo = UTC,
        min_tokens: int = SMALLEST_OUTPUT_CAP,
        soft: bool = False,
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._processes = processes
        self._service = service
        self._zone = zone
        self._soft = soft
        self._here: dict[UUID, Call] = {}
        self._bounds: dict[UUID, Decimal | None] = {}
        self._budgets = budgets if callable(budgets) else tuple(budgets)
        self.ceiling = ceiling
        self.min_tokens = min_tokens

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """The budgets that hold now, the ceiling last."""
        known = tuple(self._budgets()) if callable(self._budgets) else self._budgets
        return known if self.ceiling is None else (*known, self.ceiling)

    def transaction(self) -> AbstractContextManager[None]:
        """Make what is inside one atomic step that no other process can come between."""
        return nullcontext() if self._ledger is None else self._ledger.transaction()

    def applying(self, subject: Subject) -> list[Budget]:
        """Return the budgets that count such a call."""
        return [budget for budget in self.budgets if subject.is_covered_by(budget.scope)]

    def tightest(self, subject: Subject) -> BudgetStatus | None:
        """Return the state of the budget with the least left of those that count such a call; None without any."""
        return _tightest([self.status(budget) for budget in self.applying(subject)])

    def has_ample_room(self, plan: CallPlan) -> bool:
        """Say whether the request, uncut, takes at most a quarter of what every budget that counts it has left.

        A look without a lock, which admits nothing.
        """
        tightest = self.tightest(plan.subject)
        if tightest is None:
            return True
        if unbounded(plan) is not None:
            return False
        fitting = self._fit(plan, plan.prices(self._span()), EXACT.multiply(tightest.remaining_usd, _AMPLE))
        return fitting is not None and not fitting.cap_was_reduced

    def statuses(self) -> list[BudgetStatus]:
        """Return the state of every budget that outlives this invocation."""
        return [self.status(budget) for budget in self.budgets if budget.window is not Window.CALL]

    def status(self, budget: Budget) -> BudgetStatus:
        """Return the state of one budget."""
        committed = self._committed(budget)
        remaining = max(EXACT.subtract(budget.limit_usd, committed.usd), Decimal(0))
        resets_at = budget.window.end(self._clock.now(), self._zone_of(budget))
        return BudgetStatus(budget, committed.spent_usd, committed.reserved_usd, remaining, resets_at)

    def admit(self, plan: CallPlan, *, may_wait: bool = False) -> Permit:
        """Return what the request may do; call it inside `transaction()`, together with `open_call`.

        Raises:
            BudgetExceededError: not even a short answer fits, or the request's cost can't be bounded.
            MoneyHeldError: with `may_wait`, when waiting for other calls to end may help.
        """
        statuses = [self.status(budget) for budget in self.applying(plan.subject)]
        tightest = _tightest(statuses)
        if tightest is None:
            return Permit(plan.wanted_output_tokens, self.worst_case(plan))
        reason = unbounded(plan)
        if reason is not None and not self._soft:
            raise cost_unbounded(tightest.budget, reason)
        if reason is not None and not reason.prices_known:
            if not tightest.remaining_usd:
                raise refusal(tightest, held_usd=self._held_elsewhere(tightest.budget))
            return Permit(plan.wanted_output_tokens, None, budgets=tuple(statuses), unbounded=reason.reason)
        prices = plan.prices(self._span())
        fitting = self._fit(plan, prices, tightest.remaining_usd)
        if may_wait:
            self._raise_if_waiting_helps(plan, prices, tightest, fitting)
        if fitting is None:
            shortest = self._shortest(plan)
            raise refusal(
                tightest,
                shortest=shortest,
                shortest_usd=worst_case(prices, plan.prompt_bound, shortest),
                held_usd=self._held_elsewhere(tightest.budget),
            )
        return Permit(
            output_cap=fitting.output_cap if plan.cap_binds else plan.wanted_output_tokens,
            at_most_usd=None if reason else fitting.at_most_usd,
            cap_by_budget=fitting.cap_was_reduced,
            max_price_per_million=None if plan.prices_are_declared else _price_ceiling(prices),
            budgets=tuple(statuses),
            unbounded=reason.reason if reason else None,
            uncapped_usd=None if reason else _uncapped(plan, prices),
        )

    def open_call(self, call: Call) -> None:
        """Write a call down before it is made; its bound counts from now on."""
        call.service = self._service
        call.owner = self._processes.me() if self._processes else None
        if self._ledger is not None:
            self._ledger.open_call(call)
        self._here[call.id] = call
        self._bounds[call.id] = call.cost.at_most_usd

    def settle_call(self, call: Call) -> None:
        """Replace the bound of a call by what it cost; what is not known for sure goes on counting at its bound."""
        call.owner = None
        if call.id in self._here:
            self._here[call.id] = call
            if call.cost.source not in CERTAIN_SOURCES and call.cost.at_most_usd is None:
                call.cost = replace(call.cost, at_most_usd=self._bounds[call.id])
        if self._ledger is not None:
            self._ledger.settle_call(call)

    def _committed(self, budget: Budget) -> Committed:
        if budget.window is Window.CALL:
            self._learn_of_reconciled()
            return committed_by(call for call in self._here.values() if _subject_of(call).is_covered_by(budget.scope))
        if self._ledger is None:
            return Committed()
        scope = budget.scope
        start = budget.window.start(self._clock.now(), self._zone_of(budget))
        return self._ledger.committed(
            CallFilter(since=start, tag=scope.tag, model=scope.model, conversation=scope.conversation)
        )

    def _learn_of_reconciled(self) -> None:
        """Take over what was found out since of calls made here whose cost was not certain."""
        for call in list(self._here.values()):
            if self._ledger is None or call.owner or call.cost.source in CERTAIN_SOURCES or not call.generation_id:
                continue
            for stored in self._ledger.calls_of(call.generation_id):
                if stored.id == call.id and stored.owner is None:
                    self._here[call.id] = stored

    def _zone_of(self, budget: Budget) -> tzinfo:
        return self._zone if budget.zone is None else time_zone(budget.zone)

    def _span(self) -> Span:
        now = self._clock.now()
        return Span(now - CLOCK_SKEW, now + LONGEST_CALL)

    def _fit(self, plan: CallPlan, prices: PriceSet, remaining_usd: Decimal) -> Admission | None:
        natural = self._natural_cap(plan, prices)
        return fit_output_cap(
            prices,
            prompt_tokens=plan.prompt_bound,
            wanted_output_tokens=natural,
            remaining_usd=remaining_usd,
            floor=self._shortest(plan),
        )

    def _natural_cap(self, plan: CallPlan, prices: PriceSet) -> int | None:
        natural = plan.natural_cap(plan.likely_prompt_tokens if plan.cap_binds else 0)
        if natural is None and plan.cap_binds and prices.highest_completion_price():
            return USUAL_OUTPUT_CAP
        return natural

    def _shortest(self, plan: CallPlan) -> int:
        """Return the shortest answer that is worth asking for; one that no cap can shorten is as long as it can get."""
        if not plan.cap_binds:
            return plan.longest_answer() or self.min_tokens
        return min(self.min_tokens, plan.wanted_output_tokens or self.min_tokens)

    def _raise_if_waiting_helps(
        self, plan: CallPlan, prices: PriceSet, tightest: BudgetStatus, fitting: Admission | None
    ) -> None:
        if fitting is not None and (not fitting.cap_was_reduced or (fitting.output_cap or 0) >= COMFORTABLE_OUTPUT_CAP):
            return
        held = self._held_elsewhere(tightest.budget)
        if not held:
            return
        then = self._fit(plan, prices, EXACT.add(tightest.remaining_usd, held))
        if then is not None and then != fitting:
            raise MoneyHeldError(tightest.budget, held)

    def _held_elsewhere(self, budget: Budget) -> Decimal:
        """Return the USD of a budget that calls of other living processes hold while they run."""
        if budget.window is Window.CALL or self._ledger is None or self._processes is None:
            return Decimal(0)
        start = budget.window.start(self._clock.now(), self._zone_of(budget))
        held = Decimal(0)
        for call in self._ledger.running():
            counts = _subject_of(call).is_covered_by(budget.scope) and (start is None or call.started_at >= start)
            if counts and call.id not in self._here and call.owner and self._processes.may_live(call.owner):
                held = EXACT.add(held, call.cost.at_most_usd or Decimal(0))
        return held

    def worst_case(self, plan: CallPlan) -> Decimal | None:
        """Return the most that the request can cost when no budget limits it, in USD; None when nothing bounds it."""
        cap = plan.natural_cap(prompt_tokens=0)
        if cap is None or unbounded(plan) is not None:
            return None
        return worst_case(plan.prices(self._span()), plan.prompt_bound, cap)


def _uncapped(plan: CallPlan, prices: PriceSet) -> Decimal | None:
    longest = plan.longest_answer()
    return None if longest is None else worst_case(prices, plan.prompt_bound, longest)


def committed_by(calls: Iterable[Call]) -> Committed:
    """Return what calls use of a budget, as `Ledger.committed`."""
    spent = reserved = Decimal(0)
    for call in calls:
        cost = call.cost
        known, bound = cost.usd or Decimal(0), cost.at_most_usd or Decimal(0)
        spent = EXACT.add(spent, EXACT.add(known, cost.upstream_usd or Decimal(0)))
        if cost.source not in CERTAIN_SOURCES and bound > known:
            reserved = EXACT.add(reserved, EXACT.subtract(bound, known))
    return Committed(spent, reserved)


def _tightest(statuses: list[BudgetStatus]) -> BudgetStatus | None:
    return min(statuses, key=lambda status: status.budget.limit_usd - status.committed_usd, default=None)


def _subject_of(call: Call) -> Subject:
    models = (call.requested_model, call.model) if call.model else (call.requested_model,)
    return Subject(tuple(call.tags), models, call.conversation_id)


def _price_ceiling(prices: PriceSet) -> dict[str, str]:
    """Return the prices as `provider.max_price` takes them; a fee on each request that is not listed must not come in."""
    listed = {"prompt": prices.prompt, "completion": prices.completion}
    ceiling = {
        name: plain(EXACT.multiply(price, Decimal(1_000_000))) for name, price in listed.items() if price is not None
    }
    return {**ceiling, "request": plain(prices.request or Decimal(0))}
