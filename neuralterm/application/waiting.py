"""Waiting, whoever runs the code: an event loop, or nobody but the one task itself.

Code that waits for something asks here. Under an event loop it is anyio that waits; while `neuralterm.application.alone`
runs a coroutine function it is that, which needs neither anyio nor asyncio.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol


class Waiter(Protocol):
    """What waits in the place of an event loop. Times are in seconds."""

    def sleep(self, seconds: float) -> None:
        """Wait so long."""

    def wait(self, descriptor: int, seconds: float, *, writing: bool) -> bool:
        """Wait until a descriptor can be read, or written; False when it can't after `seconds`."""

    def check(self) -> None:
        """Raise what a wait would raise now."""

    def move_on_after(self, seconds: float | None) -> AbstractContextManager[object]:
        """Leave the block in its next wait when so much time has passed."""

    def watch(self, descriptor: int, look: Callable[[], None]) -> Callable[[], None]:
        """Have `look` called when something happens to a descriptor while others are waited for; return what ends that."""


class _Local(threading.local):
    waiter: Waiter | None = None


_local = _Local()


def set_waiter(waiter: Waiter | None) -> None:
    """Have everything that waits in this thread wait by `waiter`; None stands for the event loop."""
    _local.waiter = waiter


async def sleep(seconds: float) -> None:
    """Wait so many seconds."""
    if _local.waiter is not None:
        return _local.waiter.sleep(seconds)
    import anyio

    return await anyio.sleep(seconds)


async def readable(descriptor: int, seconds: float) -> bool:
    """Wait until there is something to read; False when there is nothing after so many seconds."""
    return await _wait(descriptor, seconds, writing=False)


async def writable(descriptor: int, seconds: float) -> bool:
    """Wait until there is room to write; False when there is none after so many seconds."""
    return await _wait(descriptor, seconds, writing=True)


async def checkpoint() -> None:
    """Let a cancellation in: for code that finds so much to read that it never has to wait."""
    if _local.waiter is not None:
        return _local.waiter.check()
    import anyio.lowlevel

    return await anyio.lowlevel.checkpoint()


def move_on_after(seconds: float | None) -> AbstractContextManager[object]:
    """Leave the block where it waits, without an error, when so many seconds have passed. None: no limit."""
    if _local.waiter is not None:
        return _local.waiter.move_on_after(seconds)
    import anyio

    return anyio.move_on_after(seconds)


def watch(descriptor: int, look: Callable[[], None]) -> Callable[[], None] | None:
    """Have `look` called when the other end of a descriptor is closed; return what ends the watch.

    None under an event loop, which has its own way to watch.
    """
    return None if _local.waiter is None else _local.waiter.watch(descriptor, look)


async def _wait(descriptor: int, seconds: float, *, writing: bool) -> bool:
    if _local.waiter is not None:
        return _local.waiter.wait(descriptor, seconds, writing=writing)
    import anyio

    with anyio.move_on_after(seconds):
        await (anyio.wait_writable if writing else anyio.wait_readable)(descriptor)
        return True
    return False
