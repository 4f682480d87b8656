"""What is done while an answer is waited for, and in a chat also while the next line is."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

from neuralterm.application.events import DomainEvent, EventObserver, Events
from neuralterm.domain.models import CERTAIN_SOURCES

if TYPE_CHECKING:
    import asyncio

    from neuralterm.container import Container


@contextlib.contextmanager
def reconciling_beside(container: Container, *, afterwards: bool = False) -> Iterator[None]:
    """Ask about calls of unknown cost while an answer is under way, from its first event to its end and no longer.

    Nothing is asked before the own request has been handed to the event loop, and nobody waits for the questions. With
    `afterwards` an answer whose own cost is uncertain is asked about when it has ended, while nothing else is done.
    """
    beside = _Beside(container.settle_open_calls, container.settle_last_call if afterwards else None)
    container.bus.subscribe(Events.MESSAGE_STARTED, beside)
    container.bus.subscribe(Events.MESSAGE_COMPLETED, beside)
    yield


def is_anything_uncertain(container: Container) -> bool:
    """Say whether there are calls of unknown cost to ask about."""
    from neuralterm.domain.exceptions import StorageError

    with contextlib.suppress(StorageError):
        return bool(container.ledger.to_reconcile(container.service, 1))
    return False


class _Beside(EventObserver):
    """Starts and stops the one task."""

    def __init__(self, during: Callable[[], Awaitable[None]], after: Callable[[], Awaitable[None]] | None) -> None:
        self._during = during
        self._after = after
        self._task: asyncio.Task[None] | None = None

    def on_event(self, event: DomainEvent) -> None:
        """Begin with an answer, end with it."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if event.event_type == Events.MESSAGE_STARTED:
            self._task = started(self._during)
        elif self._after is not None and (event.payload or {})["answer"].cost.source not in CERTAIN_SOURCES:
            self._task = started(self._after)


def started(work: Callable[[], Awaitable[None]]) -> asyncio.Task[Any]:
    """Begin with something in the running event loop that nobody waits for, and that may fail without a word."""
    import asyncio

    from neuralterm.domain.exceptions import NeuralTermError

    async def quietly() -> None:
        with contextlib.suppress(NeuralTermError):
            await work()

    return asyncio.get_running_loop().create_task(quietly())
