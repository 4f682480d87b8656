"""Watches the money of this process while answers stream in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from math import inf
from threading import RLock
from typing import TYPE_CHECKING, Any

from neuralterm.application.counting import rough_tokens, utf8_length
from neuralterm.application.events import DomainEvent, EventBus, EventObserver, Events
from neuralterm.domain.budget import DEFAULT_WARNING_LEVEL
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.models import MessageStatus, TokenUsage
from neuralterm.domain.money import EXACT
from neuralterm.domain.pricing import PriceList
from neuralterm.domain.record import record
from neuralterm.domain.zones import utc_now

if TYPE_CHECKING:
    from neuralterm.application.bounds import BudgetStatus

# Texts are counted in batches of this many characters: one count costs about as much for 200 characters as for one.
_BATCH = 200

# Fewer than any text has bytes, and a learnt factor beside it: as long as nothing happens at so many, nothing is counted.
_MOST_TOKENS_PER_BYTE = 2

TokenCount = Callable[[str, str], int]


@record(frozen=False)
class _Watched:
    """A budget: `base` (USD) counts against it besides what was settled here since `settled_before`."""

    name: str
    limit: Decimal
    warning_level: Decimal
    base: Decimal
    settled_before: Decimal = Decimal(0)
    warned: bool = False
    told_exceeded: bool = False


class CostTracker(EventObserver):
    """Adds up what answers cost, estimates the running one, and says when a budget is nearly or wholly used.

    `budget_limit` is in USD, None for no limit. `budget.threshold` is emitted once for each budget when `warning_level` of
    it is used, `budget.exceeded` once when more than all of it is, or when an answer was stopped by its budget; after
    `reset()` each may come again. `already_spent` (USD) counts against the limit but not in `accumulated_cost`. `watch` adds
    the budgets that the spending gate found to count a call. `count_tokens(text, model_id)` makes the estimate as good as a
    count; without it a token is taken for four bytes.

    Thread-safe. The estimate is of one answer at a time: an answer that starts takes the place of the running one.
    """

    def __init__(
        self,
        event_bus: EventBus,
        budget_limit: Decimal | None = None,
        *,
        warning_level: Decimal = DEFAULT_WARNING_LEVEL,
        count_tokens: TokenCount | None = None,
        already_spent: Decimal = Decimal(0),
        name: str = "budget",
    ) -> None:
        self._bus = event_bus
        self._count_tokens = count_tokens
        self._lock = RLock()
        self._model: OpenRouterModel | None = None
        self._per_thousand: tuple[Decimal, Decimal] | None = None
        self._tokens_of_uncounted: int | None = None
        self._quiet_below: float | None = None
        self._comes_in_pieces = True
        self._own = None if budget_limit is None else _Watched(name, budget_limit, warning_level, already_spent)
        self._watched: dict[str, _Watched] = {}
        self._expected_tokens = 0
        self.reset()

    @property
    def accumulated_cost(self) -> Decimal:
        """What the answers so far cost, in USD, the running one by estimate."""
        with self._lock:
            return EXACT.add(self._settled, self._running_estimate())

    @property
    def exceeded(self) -> bool:
        """True while more than a limit is used, or would be by one more token of the running answer."""
        with self._lock:
            if self._is_quiet():
                return False
            here, more = self.accumulated_cost, self._next_token()
            return any(_used(each, here) + more > each.limit for each in self._budgets())

    @property
    def overspent(self) -> bool:
        """True while more than a limit is used."""
        with self._lock:
            if self._is_quiet():
                return False
            here = self.accumulated_cost
            return any(_used(each, here) > each.limit for each in self._budgets())

    def has_more_tokens_than(self, tokens: int) -> bool:
        """Say whether more tokens of the running answer have come, by estimate."""
        with self._lock:
            return self._size * _MOST_TOKENS_PER_BYTE > tokens and self._tokens() > tokens

    def has_room_for(self, size: int, tokens: int | None = None) -> bool:
        """Say whether so many bytes more of the running answer are certain to reach no limit and no warning level.

        With `tokens`, nor so many tokens.
        """
        with self._lock:
            after = self._size + size
            return self._is_quiet(size) and (tokens is None or after * _MOST_TOKENS_PER_BYTE <= tokens)

    @property
    def has_own_limit(self) -> bool:
        """True when it was made with a limit, which the spending gate knows nothing of."""
        return self._own is not None

    def expect(self, prompt_tokens: int) -> None:
        """Take the next prompt for so long, if its start tells no count."""
        with self._lock:
            self._expected_tokens = prompt_tokens

    def watch(self, budgets: Iterable[BudgetStatus]) -> None:
        """Compare the next answer with these budgets, as they are before it; one with another limit may be told of again."""
        with self._lock:
            before, self._watched = self._watched, {}
            self._quiet_below = None
            for status in budgets:
                budget = status.budget
                said = before.get(budget.name)
                if said is not None and said.limit != budget.limit_usd:
                    said = None
                self._watched[budget.name] = _Watched(
                    budget.name,
                    budget.limit_usd,
                    budget.warning_level,
                    status.committed_usd,
                    self._settled,
                    warned=said is not None and said.warned,
                    told_exceeded=said is not None and said.told_exceeded,
                )

    def set_model(self, model: OpenRouterModel) -> None:
        """Take the prices for estimates from this model."""
        prompt, completion = model.prompt_price, model.completion_price
        with self._lock:
            self._model = model
            self._tokens_of_uncounted = None
            self._per_thousand = None if prompt is None or completion is None else (prompt, completion)
            self._take_prices()

    def reset(self) -> None:
        """Start afresh: nothing spent here, nothing warned of. Model and limits stay."""
        with self._lock:
            self._settled = Decimal(0)
            for each in self._budgets():
                each.settled_before = Decimal(0)
                each.warned = each.told_exceeded = False
            self._begin(prompt_tokens=0)

    def on_event(self, event: DomainEvent) -> None:
        """Follow one answer from its start over its text to its cost."""
        payload = event.payload or {}
        with self._lock:
            self._follow(event.event_type, payload)
            stopped = payload.get("status") is MessageStatus.STOPPED
            due = self._due(stopped=stopped) if stopped or not self._is_quiet() else []
        # Observers are told outside the lock: one that waits for another thread must not block it here.
        for event_type, budget, spent in due:
            self._emit(event_type, event, budget, spent)

    def _budgets(self) -> list[_Watched]:
        return ([] if self._own is None else [self._own]) + list(self._watched.values())

    def _follow(self, event_type: str, payload: dict[str, Any]) -> None:
        if event_type == Events.MESSAGE_STARTED:
            expected, self._expected_tokens = self._expected_tokens, 0
            self._begin(prompt_tokens=payload.get("prompt_tokens") or expected, running=True)
            # An answer in one piece comes with its price: an estimate would be no sooner there, and less true.
            self._comes_in_pieces = payload.get("streamed", True)
        elif event_type in (Events.TOKEN_GENERATED, Events.REASONING_GENERATED):
            if self._comes_in_pieces:
                self._read(payload.get("delta") or "")
        elif event_type == Events.MESSAGE_COMPLETED:
            self._settle(payload)

    def _begin(self, prompt_tokens: int, *, running: bool = False) -> None:
        self._running = running
        self._size = 0
        self._prompt_tokens = prompt_tokens
        self._counted_tokens = 0
        self._uncounted: list[str] = []
        self._uncounted_length = 0
        self._tokens_of_uncounted = None
        self._take_prices()

    def _take_prices(self) -> None:
        """Take the prices for a prompt of this size at this time: long prompts and busy hours may cost more."""
        self._quiet_below = None
        self._prices = self._per_thousand
        listed = getattr(self._model, "prices", None)
        if self._prices is None or not isinstance(listed, PriceList) or not listed.overrides:
            return
        now = listed.at(self._prompt_tokens, utc_now())
        if now.prompt is not None and now.completion is not None:
            self._prices = (now.prompt * 1000, now.completion * 1000)

    def _read(self, delta: str) -> None:
        self._size += utf8_length(delta)
        self._uncounted.append(delta)
        self._uncounted_length += len(delta)
        self._tokens_of_uncounted = None

    def _settle(self, payload: dict[str, Any]) -> None:
        cost = payload.get("cost")
        if cost is None:
            cost = self._list_price(payload.get("usage"))
        if cost is None:
            cost = self._running_estimate()
        self._settled = EXACT.add(self._settled, Decimal(cost))
        self._begin(prompt_tokens=0)

    def _list_price(self, usage: TokenUsage | None) -> Decimal | None:
        if usage is None or self._prices is None:
            return None
        return usage.calculate_cost(*self._prices)

    def _is_quiet(self, more: int = 0) -> bool:
        """Say whether no limit and no warning level can be reached, be the text and `more` bytes as many tokens as can be."""
        if self._quiet_below is None:
            self._quiet_below = self._bytes_to_next_level()
        return self._size + more < self._quiet_below

    def _bytes_to_next_level(self) -> float:
        """Return how many bytes of the running answer leave everything as it is, however many tokens they are."""
        here = EXACT.add(self._settled, self._cost_with(0))
        rooms = [EXACT.subtract(_next_level(each), _used(each, here)) for each in self._budgets()]
        room, per_token = min(rooms, default=None), self._per_token()
        if room is None or (room > 0 and not per_token):
            return inf
        return 0 if room <= 0 else int(room / per_token - 1) // _MOST_TOKENS_PER_BYTE

    def _per_token(self) -> Decimal:
        return Decimal(0) if self._prices is None else EXACT.divide(self._prices[1], Decimal(1000))

    def _cost_with(self, tokens: int) -> Decimal:
        if self._prices is None:
            return Decimal(0)
        return TokenUsage(self._prompt_tokens, tokens, self._prompt_tokens + tokens).calculate_cost(*self._prices)

    def _running_estimate(self) -> Decimal:
        return Decimal(0) if self._prices is None else self._cost_with(self._tokens())

    def _tokens(self) -> int:
        """Return the tokens of the running answer, counted only when somebody asks: where nobody does, nothing is loaded."""
        if self._tokens_of_uncounted is None:
            self._tokens_of_uncounted = self._count("".join(self._uncounted))
            if self._uncounted_length >= _BATCH:
                self._counted_tokens += self._tokens_of_uncounted
                self._uncounted, self._uncounted_length, self._tokens_of_uncounted = [], 0, 0
        return self._counted_tokens + self._tokens_of_uncounted

    def _next_token(self) -> Decimal:
        """What one more token of the running answer would cost, in USD."""
        if not self._running or self._prices is None or not self._has_text():
            return Decimal(0)
        return self._per_token()

    def _has_text(self) -> bool:
        return bool(self._counted_tokens or self._uncounted)

    def _count(self, text: str) -> int:
        if not text:
            return 0
        if self._count_tokens is not None and self._model is not None:
            return self._count_tokens(text, self._model.id)
        return rough_tokens(text)

    def _due(self, *, stopped: bool) -> list[tuple[str, _Watched, Decimal]]:
        """Return the warnings that are due and have not been given, each with its budget and what is used (USD)."""
        self._quiet_below = None
        open_budgets = [each for each in self._budgets() if not each.told_exceeded]
        if not open_budgets:
            return []
        due, here = [], self.accumulated_cost
        tightest = min(self._budgets(), key=lambda each: each.limit - _used(each, here))
        for each in open_budgets:
            spent = _used(each, here)
            if not each.warned and spent >= EXACT.multiply(each.limit, each.warning_level) and spent > 0:
                each.warned = True
                due.append((Events.BUDGET_THRESHOLD, each, spent))
            if (stopped and each is tightest) or spent > each.limit:
                each.told_exceeded = True
                due.append((Events.BUDGET_EXCEEDED, each, spent))
        return due

    def _emit(self, event_type: str, cause: DomainEvent, budget: _Watched, spent: Decimal) -> None:
        percent = int(EXACT.divide(spent * 100, budget.limit)) if budget.limit else 100
        payload: dict[str, Any] = {
            "name": budget.name,
            "limit_usd": budget.limit,
            "spent_usd": spent,
            "percent": percent,
        }
        if event_type == Events.BUDGET_EXCEEDED:
            payload["stopped"] = _is_stopped(cause)
        self._bus.emit(DomainEvent(event_type, cause.conversation_id, payload))


def _used(budget: _Watched, spent_here: Decimal) -> Decimal:
    return EXACT.add(budget.base, EXACT.subtract(spent_here, budget.settled_before))


def _next_level(budget: _Watched) -> Decimal:
    """Return the amount at which something is said of a budget next (USD)."""
    return budget.limit if budget.warned else EXACT.multiply(budget.limit, budget.warning_level)


def _is_stopped(cause: DomainEvent) -> bool:
    """Say whether the answer is ended by the budget: one that came to its end may still turn out dearer than allowed."""
    if cause.event_type != Events.MESSAGE_COMPLETED:
        return True
    return (cause.payload or {}).get("status") is MessageStatus.STOPPED
