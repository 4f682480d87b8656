"""The one place where an event loop is run."""

from __future__ import annotations

import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from neuralterm.container import Container

_Result = TypeVar("_Result")


def run(container: Container, function: Callable[..., Awaitable[_Result]], *args: Any) -> _Result:
    """Run a coroutine function to its end, then close the client's connections.

    SIGTERM cancels it, wherever it waits, and ends in KeyboardInterrupt, as Ctrl-C does.
    """
    import asyncio

    import anyio

    from neuralterm.components.log_lines import tame_last_resort

    tame_last_resort()

    async def whole() -> _Result:
        with _cancelled_by_sigterm(container):
            try:
                return await function(*args)
            finally:
                with anyio.CancelScope(shield=True):
                    await container.disconnect()

    before = signal.getsignal(signal.SIGTERM)
    try:
        return anyio.run(whole)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        if in_main_thread():
            signal.signal(signal.SIGTERM, before)


@contextmanager
def _cancelled_by_sigterm(container: Container) -> Iterator[None]:
    """Cancel the running task on SIGTERM; SIGINT is left to asyncio and to the line editor, who have their own ways."""
    import asyncio

    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None

    def terminate() -> None:
        container.terminated = True
        task.cancel()

    try:
        loop.add_signal_handler(signal.SIGTERM, terminate)
    except (NotImplementedError, RuntimeError, ValueError):  # Windows, or not the main thread
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def in_main_thread() -> bool:
    """Say whether signal handlers can be set here."""
    return threading.current_thread() is threading.main_thread()
