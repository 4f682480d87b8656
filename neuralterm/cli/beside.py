"""What is done while an answer is waited for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

    from neuralterm.container import Container


@contextlib.contextmanager
def reconciling_beside(container: Container) -> Iterator[None]:
    """Ask about calls of unknown cost while an answer is under way, from its first event to its end and no longer.

    Nothing is asked before the own request has been handed to the event loop, and nobody waits for the questions.
    """
    from neuralterm.application.events import DomainEvent, EventObserver, Events

    class Beside(EventObserver):
        def __init__(self) -> None:
            self.task: asyncio.Task[Any] | None = None

        def on_event(self, event: DomainEvent) -> None:
            if event.event_type == Events.MESSAGE_STARTED and self.task is None:
                import asyncio

                self.task = asyncio.get_running_loop().create_task(container.settle_open_calls())
            elif event.event_type == Events.MESSAGE_COMPLETED and self.task is not None:
                self.task.cancel()

    beside = Beside()
    container.bus.subscribe(Events.MESSAGE_STARTED, beside)
    container.bus.subscribe(Events.MESSAGE_COMPLETED, beside)
    yield
