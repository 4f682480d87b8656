"""What happens while a prompt is answered, published for whoever wants to watch.

An event may be logged, shown or counted; nothing that must not fail hangs on one.

Payloads (keys always present):

| event | payload |
| --- | --- |
| `message.started` | `model`, `message_id`, `prompt_tokens` (or None), `max_tokens` (or None), `shortened_to`, `unbounded` |
| `token.generated` | `delta` |
| `reasoning.generated` | `delta` |
| `message.completed` | `usage`, `cost` (USD or None), `latency_ms`, `status`, `answer` |
| `budget.threshold`, `budget.exceeded` | `limit_usd`, `spent_usd`, `percent`, `name`; `stopped` (`exceeded` only) |
| `context.truncated` | `original_count`, `new_count`, `dropped` (messages) |
| `budget.waiting` | `name`, `held_usd`, `seconds` (how long at most) |
| `request.retried` | `attempt`, `delay` (seconds), `error`, `lowered_to` (the output cap the account pays for, or None) |
| `storage.failed` | `error` |

`shortened_to` is `max_tokens` where a budget made it smaller than it would have been, else None; `unbounded` says why a
soft budget let a call without a known bound through, else None.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from threading import Lock
from typing import Any
from uuid import UUID

from neuralterm.domain.record import record


class Events:
    """The names of the standard events."""

    MESSAGE_STARTED = "message.started"
    TOKEN_GENERATED = "token.generated"
    REASONING_GENERATED = "reasoning.generated"
    MESSAGE_COMPLETED = "message.completed"
    BUDGET_THRESHOLD = "budget.threshold"
    BUDGET_EXCEEDED = "budget.exceeded"
    BUDGET_WAITING = "budget.waiting"
    CONTEXT_TRUNCATED = "context.truncated"
    REQUEST_RETRIED = "request.retried"
    STORAGE_FAILED = "storage.failed"


@record
class DomainEvent:
    """Something that happened."""

    event_type: str
    conversation_id: UUID | None = None
    payload: dict[str, Any] | None = None


class EventObserver(ABC):
    """Whoever watches events."""

    @abstractmethod
    def on_event(self, event: DomainEvent) -> None:
        """Take notice of an event. Called in the emitting thread: be quick."""


ErrorHandler = Callable[[EventObserver, DomainEvent, Exception], None]


def log_failure(observer: EventObserver, event: DomainEvent, error: Exception) -> None:
    """Log a failed observer, with its traceback."""
    import logging

    logging.getLogger(__name__).error("%s failed on %s", type(observer).__name__, event.event_type, exc_info=error)


class EventBus:
    """Hands each event to its observers in the order of their subscription, those of the type first.

    Thread-safe: observers may subscribe while another thread emits, and emit while they observe. A failing observer
    is reported to `on_error` (default: logged) and the others still hear of the event.
    """

    def __init__(self, on_error: ErrorHandler = log_failure) -> None:
        self._lock = Lock()
        self._by_type: dict[str, tuple[EventObserver, ...]] = {}
        self._to_all: tuple[EventObserver, ...] = ()
        self._on_error = on_error

    def subscribe(self, event_type: str, observer: EventObserver) -> None:
        """Let the observer hear of one type of event."""
        with self._lock:
            self._by_type[event_type] = (*self._by_type.get(event_type, ()), observer)

    def subscribe_all(self, observer: EventObserver) -> None:
        """Let the observer hear of every event."""
        with self._lock:
            self._to_all = (*self._to_all, observer)

    def is_heard(self, event_type: str, besides: EventObserver | None = None) -> bool:
        """Say whether anybody hears of this type of event, `besides` somebody; what nobody hears need not be emitted."""
        return any(each is not besides for each in (*self._by_type.get(event_type, ()), *self._to_all))

    def emit(self, event: DomainEvent) -> None:
        """Tell the observers; returns when all have been told."""
        with self._lock:
            observers = (*self._by_type.get(event.event_type, ()), *self._to_all)
        for observer in observers:
            try:
                observer.on_event(event)
            except Exception as error:
                self._on_error(observer, event, error)
