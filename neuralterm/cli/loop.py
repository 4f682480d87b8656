"""The one place where coroutine functions are run."""

from __future__ import annotations

import select
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import asyncio

    from neuralterm.container import Container

_Result = TypeVar("_Result")


def run(container: Container, function: Callable[..., Awaitable[_Result]], *args: Any) -> _Result:
    """Run a coroutine function to its end by anyio, then close the client's connections.

    A signal cancels it, wherever it waits; what has ended before keeps its result.

    Raises:
        InterruptedBySignal, BrokenPipeError: it was cancelled; see `Interruption.error`.
    """
    import asyncio

    import anyio

    from neuralterm.components.log_lines import tame_last_resort

    tame_last_resort()
    interruption = container.interruption
    interruption.check()
    work = _Work()

    async def whole() -> _Result:
        work.begin()
        if interruption.has_come:
            raise asyncio.CancelledError
        try:
            return await function(*args)
        finally:
            work.end()
            with anyio.CancelScope(shield=True):
                await container.disconnect()

    try:
        with interruption.stopping(work.stop):
            return anyio.run(whole)
    except asyncio.CancelledError:
        raise interruption.error() from None


def run_alone(container: Container, function: Callable[..., Awaitable[_Result]], *args: Any) -> _Result:
    """Like `run`, for a coroutine function that needs nothing to run beside it: without an event loop, where that can be."""
    if container.needs_event_loop or not hasattr(select, "poll"):
        return run(container, function, *args)
    from neuralterm.application.alone import Alone, Cancelled

    interruption = container.interruption
    interruption.check()
    alone = Alone()

    async def whole() -> _Result:
        if interruption.has_come:
            raise Cancelled
        try:
            return await function(*args)
        finally:
            await container.disconnect()

    try:
        with interruption.stopping(alone.stop):
            return alone.run(whole)
    except Cancelled:
        raise interruption.error() from None


class _Work:
    """The task that runs; it can be stopped from a handler of signals, at any time."""

    def __init__(self) -> None:
        self._has_ended = False
        self._task: asyncio.Task[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self) -> None:
        """Take the running task for the one to be stopped."""
        import asyncio

        self._task, self._loop = asyncio.current_task(), asyncio.get_running_loop()
        # With a handler for any signal every signal wakes the loop, also one that comes just before it begins to
        # wait. This one never comes, and nobody else (such as the line editor) sets or removes a handler for it.
        with suppress(AttributeError, NotImplementedError, RuntimeError, ValueError):
            self._loop.add_signal_handler(signal.SIGURG, _do_nothing)

    def end(self) -> None:
        """Stop nothing any more."""
        self._has_ended = True
        # The loop closes what signals wake it by before it stops being woken; a signal in between would leave a traceback.
        with suppress(AttributeError, NotImplementedError, RuntimeError, ValueError):
            assert self._loop is not None
            self._loop.remove_signal_handler(signal.SIGURG)

    def stop(self) -> None:
        """Cancel the task if it still has work to do."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._task is None or self._loop is None or self._has_ended:
            return
        self._task.cancel()
        from concurrent.futures import ThreadPoolExecutor

        # The loop would wait in the end for a thread that looks up a name, which nothing can stop.
        self._loop.set_default_executor(ThreadPoolExecutor(1))


def _do_nothing() -> None:
    return
