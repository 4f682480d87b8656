"""What happens beside the answer, as lines on stderr."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from neuralterm.application.events import DomainEvent, EventObserver, Events
from neuralterm.components.console import Console
from neuralterm.domain.money import dollars
from neuralterm.domain.text import numbered, one_line

if TYPE_CHECKING:
    from neuralterm.application.recovery import Recovered


class Notices(EventObserver):
    """Writes budget limits and events, retries, truncations and storage failures; reasoning dim, and only on a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.show_reasoning = True

    def on_event(self, event: DomainEvent) -> None:
        """Write the line for an event."""
        payload = event.payload or {}
        if event.event_type == Events.REASONING_GENERATED:
            if self.show_reasoning:
                self._console.aside(payload["delta"])
            return
        line = _LINES[event.event_type](payload)
        if line is not None:
            self._console.note(line, fg="yellow")


def _started(payload: dict[str, Any]) -> str | None:
    cap, reason = payload.get("shortened_to"), payload.get("unbounded")
    if reason is not None:
        return f"budget: can't be held here: {one_line(reason)}; sent all the same, as the soft budget allows"
    if cap is not None:
        return f"budget: the answer is limited to {cap:,} tokens, which is what the budget pays for"
    return None


def _waiting(payload: dict[str, Any]) -> str:
    return (
        f"budget: waiting up to {payload['seconds']:g} s for {dollars(payload['held_usd'])} of the {payload['name']}"
        " that running calls hold"
    )


def _threshold(payload: dict[str, Any]) -> str:
    return f"budget: {payload['percent']}% of {dollars(payload['limit_usd'])} used ({dollars(payload['spent_usd'])})"


def _exceeded(payload: dict[str, Any]) -> str:
    spent, limit = dollars(payload["spent_usd"]), dollars(payload["limit_usd"])
    if payload.get("stopped", True):
        return f"budget: the answer was stopped at {spent} of {limit}"
    return f"budget: exceeded, {spent} of {limit} used; the service charged more than could be foreseen"


def _truncated(payload: dict[str, Any]) -> str:
    return f"context: {numbered(payload['dropped'], 'earlier message')} left out to fit the model's window"


def _retried(payload: dict[str, Any]) -> str:
    lowered = payload.get("lowered_to")
    if lowered is not None:
        return f"credit: asking again for at most {lowered:,} tokens, which is what the account pays for"
    delay, message = payload["delay"], one_line(payload["error"].message)
    return f"retry: {message} (try {payload['attempt']}); trying again in {delay:.{0 if delay >= 10 else 1}f} s"


def _storage(payload: dict[str, Any]) -> str:
    if payload["lost"] is not None:
        return f"warning: the answer could not be kept in the local history: {one_line(payload['lost'].message)}"
    return (
        f"warning: the local history could not be written: {one_line(payload['error'].message)};"
        " the answer is kept beside the database and will be merged at the next start"
    )


def recovered_line(recovered: Recovered) -> str | None:
    """Say what earlier processes had left behind; None when that is nothing."""
    parts = []
    if recovered.abandoned:
        parts.append(
            f"{numbered(recovered.abandoned, 'answer')} broke off when the process ended"
            " (`neuralterm history --partial` shows what came)"
        )
    if recovered.merged:
        parts.append(f"{numbered(recovered.merged, 'answer')} kept beside the database now in the history")
    return f"note: {'; '.join(parts)}" if parts else None


_LINES: dict[str, Callable[[dict[str, Any]], str | None]] = {
    Events.BUDGET_WAITING: _waiting,
    Events.MESSAGE_STARTED: _started,
    Events.BUDGET_THRESHOLD: _threshold,
    Events.BUDGET_EXCEEDED: _exceeded,
    Events.CONTEXT_TRUNCATED: _truncated,
    Events.REQUEST_RETRIED: _retried,
    Events.STORAGE_FAILED: _storage,
}
