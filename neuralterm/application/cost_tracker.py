"""Watches the money of this process while answers stream in."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from threading import RLock
from typing import Any

from neuralterm.application.estimates import rough_tokens
from neuralterm.application.events import DomainEvent, EventBus, EventObserver, Events
from neuralterm.domain.budget import DEFAULT_WARNING_LEVEL
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.models import MessageStatus, TokenUsage
from neuralterm.domain.money import EXACT

# Texts are counted in batches of this many characters: one count costs about as much for 200 characters as for one.
_BATCH = 200

TokenCount = Callable[[str, str], int]


class CostTracker(EventObserver):
    """Adds up what answers cost, estimates the running one, and says when a budget is nearly or wholly used.

    `budget_limit` is in USD, None for no limit. `budget.threshold` is emitted once when `warning_level` of it is used,
    `budget.exceeded` once when more than all of it is, when the running answer has no room for one more token, or when an
    answer was stopped by its budget; after `reset()` each may come again. `already_spent` (USD) counts against the limit
    but not in `accumulated_cost`. `count_tokens(text, model_id)` makes the estimate as good as a count; without it a token
    is taken for four bytes.

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
        self._limit = budget_limit
        self._warning_level = warning_level
        self._count_tokens = count_tokens
        self._name = name
        self._already_spent = already_spent
        self._lock = RLock()
        self._model: OpenRouterModel | None = None
        self._prices: tuple[Decimal, Decimal] | None = None
        self._tokens_of_uncounted: int | None = None
        self.reset()

    @property
    def accumulated_cost(self) -> Decimal:
        """What the answers so far cost, in USD, the running one by estimate."""
        with self._lock:
            return EXACT.add(self._settled, self._running_estimate())

    @property
    def exceeded(self) -> bool:
        """True while more than the limit is used, or would be by one more token of the running answer."""
        with self._lock:
            return self._limit is not None and self._used() + self._next_token() > self._limit

    def set_model(self, model: OpenRouterModel) -> None:
        """Take the prices for estimates from this model."""
        prompt, completion = model.prompt_price, model.completion_price
        with self._lock:
            self._model = model
            self._tokens_of_uncounted = None
            self._prices = None if prompt is None or completion is None else (prompt, completion)

    def reset(self) -> None:
        """Start afresh: nothing spent here, nothing warned of. Model and limit stay."""
        with self._lock:
            self._settled = Decimal(0)
            self._warned = False
            self._told_exceeded = False
            self._begin(prompt_tokens=0)

    def on_event(self, event: DomainEvent) -> None:
        """Follow one answer from its start over its text to its cost."""
        payload = event.payload or {}
        with self._lock:
            self._follow(event.event_type, payload)
            due = self._due(stopped=payload.get("status") is MessageStatus.STOPPED)
        # Observers are told outside the lock: one that waits for another thread must not block it here.
        for event_type, spent in due:
            self._emit(event_type, event, spent)

    def _follow(self, event_type: str, payload: dict[str, Any]) -> None:
        if event_type == Events.MESSAGE_STARTED:
            self._begin(prompt_tokens=payload.get("prompt_tokens") or 0, running=True)
        elif event_type in (Events.TOKEN_GENERATED, Events.REASONING_GENERATED):
            self._read(payload.get("delta") or "")
        elif event_type == Events.MESSAGE_COMPLETED:
            self._settle(payload)

    def _begin(self, prompt_tokens: int, *, running: bool = False) -> None:
        self._running = running
        self._prompt_tokens = prompt_tokens
        self._counted_tokens = 0
        self._uncounted: list[str] = []
        self._uncounted_length = 0
        self._tokens_of_uncounted = None

    def _read(self, delta: str) -> None:
        self._uncounted.append(delta)
        self._uncounted_length += len(delta)
        self._tokens_of_uncounted = None
        if self._uncounted_length >= _BATCH:
            self._counted_tokens += self._count("".join(self._uncounted))
            self._uncounted = []
            self._uncounted_length = 0

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

    def _running_estimate(self) -> Decimal:
        if self._prices is None:
            return Decimal(0)
        if self._tokens_of_uncounted is None:
            self._tokens_of_uncounted = self._count("".join(self._uncounted))
        tokens = self._counted_tokens + self._tokens_of_uncounted
        return TokenUsage(self._prompt_tokens, tokens, self._prompt_tokens + tokens).calculate_cost(*self._prices)

    def _next_token(self) -> Decimal:
        """What one more token of the running answer would cost, in USD."""
        if not self._running or self._prices is None or not self._has_text():
            return Decimal(0)
        return EXACT.divide(self._prices[1], Decimal(1000))

    def _has_text(self) -> bool:
        return bool(self._counted_tokens or self._uncounted)

    def _used(self) -> Decimal:
        return EXACT.add(self._already_spent, self.accumulated_cost)

    def _count(self, text: str) -> int:
        if not text:
            return 0
        if self._count_tokens is not None and self._model is not None:
            return self._count_tokens(text, self._model.id)
        return rough_tokens(text)

    def _due(self, *, stopped: bool) -> list[tuple[str, Decimal]]:
        """Return the warnings that are due and have not been given, with what is used (USD)."""
        if self._limit is None or self._told_exceeded:
            return []
        spent, due = self._used(), []
        if not self._warned and spent >= EXACT.multiply(self._limit, self._warning_level) and spent > 0:
            self._warned = True
            due.append((Events.BUDGET_THRESHOLD, spent))
        if stopped or spent + self._next_token() > self._limit:
            self._told_exceeded = True
            due.append((Events.BUDGET_EXCEEDED, spent))
        return due

    def _emit(self, event_type: str, cause: DomainEvent, spent: Decimal) -> None:
        limit = self._limit or Decimal(0)
        percent = int(EXACT.divide(spent * 100, limit)) if limit else 100
        payload: dict[str, Any] = {"name": self._name, "limit_usd": limit, "spent_usd": spent, "percent": percent}
        if event_type == Events.BUDGET_EXCEEDED:
            payload["stopped"] = _is_stopped(cause)
        self._bus.emit(DomainEvent(event_type, cause.conversation_id, payload))


def _is_stopped(cause: DomainEvent) -> bool:
    """Say whether the answer is ended by the budget: one that came to its end may still turn out dearer than allowed."""
    if cause.event_type != Events.MESSAGE_COMPLETED:
        return True
    return (cause.payload or {}).get("status") is MessageStatus.STOPPED
