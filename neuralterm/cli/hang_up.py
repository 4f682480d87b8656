"""What goes with hanging up in mid-answer: noticing that nobody reads it any more, and saying what hanging up is worth."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from neuralterm.application import waiting
from neuralterm.application.events import DomainEvent, EventObserver, Events
from neuralterm.components.pipe import descriptor_of, is_pipe

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

    from neuralterm.application.interruption import Interruption
    from neuralterm.container import Container


def watch_reader(container: Container) -> None:
    """End the invocation, as SIGPIPE would, when the reader of stdout's pipe goes while an answer is under way.

    Where a pipe can't be watched, the next write notices. Raises BrokenPipeError when there is no reader now.
    """
    descriptor = descriptor_of(sys.stdout)
    if descriptor is not None and is_pipe(descriptor) and _can_only_be_written(descriptor):
        if _has_no_reader(descriptor):
            raise BrokenPipeError
        watch = _Watch(descriptor, container.interruption)
        container.bus.subscribe(Events.MESSAGE_STARTED, watch)
        container.bus.subscribe(Events.MESSAGE_COMPLETED, watch)


@contextmanager
def telling_of_disconnect(container: Container, *, streamed: bool) -> Iterator[None]:
    """Say whether the provider bills the rest of an answer that was cut off here; not when it was the reader who left."""
    from neuralterm.domain.exceptions import BudgetExceededError, StreamInterruptedError

    try:
        yield
    except (KeyboardInterrupt, BudgetExceededError, StreamInterruptedError):
        from neuralterm.components.answer_notes import cut_off_note

        note = cut_off_note(container.last_answer, streamed=streamed)
        if note is not None:
            container.console.note(note, dim=True)
        raise


class _Watch(EventObserver):
    """Watches from an answer's first event to its last."""

    def __init__(self, descriptor: int, interruption: Interruption) -> None:
        self._descriptor = descriptor
        self._interruption = interruption
        self._forget: Callable[[], None] | None = None

    def on_event(self, event: DomainEvent) -> None:
        """Begin with an answer, end with it."""
        self._end()
        if event.event_type == Events.MESSAGE_STARTED:
            with suppress(NotImplementedError, OSError):
                # This end can't be read. What is reported all the same is that the other one is closed.
                self._forget = waiting.watch(self._descriptor, self._look) or self._watch_in_loop()

    def _watch_in_loop(self) -> Callable[[], None]:
        import asyncio

        loop = asyncio.get_running_loop()
        loop.add_reader(self._descriptor, self._look)
        return lambda: _forget(loop, self._descriptor)

    def _look(self) -> None:
        self._end()
        if _has_no_reader(self._descriptor):
            self._interruption.arrive(signal.SIGPIPE)

    def _end(self) -> None:
        if self._forget is not None:
            self._forget()
            self._forget = None


def _forget(loop: AbstractEventLoop, descriptor: int) -> None:
    loop.remove_reader(descriptor)


def _can_only_be_written(descriptor: int) -> bool:
    try:
        import fcntl
    except ImportError:
        return False
    import os

    return fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY


def _has_no_reader(descriptor: int) -> bool:
    import select

    poll = select.poll()
    poll.register(descriptor, 0)
    # Linux calls it an error, macOS and the BSDs that the other end has hung up.
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
