"""Runs a coroutine function without an event loop: it is the only task, so whatever it waits for is waited for in place.

An event loop is for several things at once. Importing one takes longer than the rest of a short invocation.
"""

from __future__ import annotations

import math
import os
import select
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from neuralterm.application.waiting import set_waiter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

_Result = TypeVar("_Result")


class Cancelled(BaseException):
    """The task was told to stop."""


class Alone:
    """Runs one task and is what it waits by. `stop` may be called from a handler of signals, at any time.

    A task that waits for anything else than what `neuralterm.application.waiting` offers ends with RuntimeError.
    """

    def __init__(self) -> None:
        self._stopped = False
        self._scopes: list[_Scope] = []
        self._watched: dict[int, Callable[[], None]] = {}
        self._wake, self._woken = -1, -1

    def run(self, function: Callable[[], Awaitable[_Result]]) -> _Result:
        """Run a coroutine function to its end. Raises Cancelled when it was stopped while it waited."""
        with self._woken_by_signals():
            set_waiter(self)
            try:
                return _finished(function())
            finally:
                set_waiter(None)

    def stop(self) -> None:
        """Have the task end where it waits, now or the next time."""
        self._stopped = True
        with suppress(OSError):  # the pipe is full, or closed
            os.write(self._woken, b"\0")

    def check(self) -> None:
        """Raise if the task was stopped, or if a block has used its time."""
        if self._stopped:
            self._stopped = False
            raise Cancelled
        self._check_scopes(time.monotonic())

    def sleep(self, seconds: float) -> None:
        """Wait so long."""
        self._wait(None, 0, seconds)

    def wait(self, descriptor: int, seconds: float, *, writing: bool) -> bool:
        """Wait for a descriptor; False when nothing has happened to it after `seconds`."""
        return self._wait(descriptor, select.POLLOUT if writing else select.POLLIN, seconds)

    def move_on_after(self, seconds: float | None) -> _Scope:
        """Leave the block where it waits when so many seconds have passed."""
        return _Scope(self._scopes, math.inf if seconds is None else time.monotonic() + seconds)

    def watch(self, descriptor: int, look: Callable[[], None]) -> Callable[[], None]:
        """Have `look` called when the other end of a descriptor is closed."""
        self._watched[descriptor] = look
        return lambda: _drop(self._watched, descriptor)

    def _wait(self, descriptor: int | None, event: int, seconds: float) -> bool:
        end = time.monotonic() + seconds
        poll = self._poll(descriptor, event)
        while True:
            self.check()
            now = time.monotonic()
            until = min([end, *(scope.deadline for scope in self._scopes)])
            happened = {number for number, _ in poll.poll(_milliseconds(until - now))}
            if self._wake in happened:
                os.read(self._wake, 4096)
            for number in happened & self._watched.keys():
                poll.unregister(number)
                self._watched[number]()
            if self._stopped:  # before what may have come at the same time: nothing after it is taken in
                self.check()
            if descriptor in happened:
                return True
            if time.monotonic() >= end:
                self.check()
                return False

    def _poll(self, descriptor: int | None, event: int) -> Any:
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        for watched in self._watched:
            poll.register(watched, 0)
        if descriptor is not None:
            poll.register(descriptor, event)
        return poll

    def _check_scopes(self, now: float) -> None:
        for scope in self._scopes:  # the outermost first
            if scope.deadline <= now:
                raise _TimeIsOver(scope)

    @contextmanager
    def _woken_by_signals(self) -> Iterator[None]:
        """Have the interpreter write into a pipe when a signal comes, also just before a wait begins."""
        self._wake, self._woken = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._woken, False)
        is_main = threading.current_thread() is threading.main_thread()
        previous = signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False) if is_main else -1
        try:
            yield
        finally:
            if is_main:
                signal.set_wakeup_fd(previous)
            os.close(self._wake)
            woken, self._woken = self._woken, -1
            os.close(woken)


class _TimeIsOver(BaseException):
    """The time of a block is over."""

    def __init__(self, scope: _Scope) -> None:
        self.scope = scope


class _Scope:
    """A block with a deadline, on the clock `time.monotonic`."""

    __slots__ = ("_scopes", "deadline")

    def __init__(self, scopes: list[_Scope], deadline: float) -> None:
        self._scopes = scopes
        self.deadline = deadline

    def __enter__(self) -> _Scope:
        self._scopes.append(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        self._scopes.remove(self)
        return isinstance(error, _TimeIsOver) and error.scope is self


def _finished(work: Awaitable[_Result]) -> _Result:
    assert isinstance(work, Coroutine)
    try:
        work.send(None)
    except StopIteration as end:
        result: _Result = end.value
        return result
    work.close()
    raise RuntimeError("something waits for an event loop, and there is none")


def _milliseconds(seconds: float) -> float | None:
    """Return what poll takes, rounded up, so that nobody wakes just before the time."""
    return None if seconds == math.inf else math.ceil(max(0.0, seconds) * 1000)


def _drop(watched: dict[int, Callable[[], None]], descriptor: int) -> None:
    watched.pop(descriptor, None)
