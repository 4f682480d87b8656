"""That this invocation has been told to end: by which signal, what is stopped then, and what a second Ctrl-C does."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

# Seconds. A program that has started us may pass on a Ctrl-C that the terminal has sent to us too; nobody presses so fast.
ONE_PRESS_S = 0.1

Stop = Callable[[], object]


class InterruptedBySignal(KeyboardInterrupt):
    """A signal has come.

    Once a plain KeyboardInterrupt has left an `exec` of a text, which dataclasses are made with, the interpreter ends
    itself by SIGINT, although the exception was caught and another exit code was given.
    """


class Interruption:
    """What signals do. `arrive` is called by their handlers, in the main thread, between any two steps of the program.

    The first signal stops what runs, or raises where nothing can be stopped. A second Ctrl-C, whatever it finds, ends the
    process by `end_process`, which gets the exit code; what `before_end` lists is called before.
    """

    def __init__(
        self, end_process: Callable[[int], object] = os._exit, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.signum: int | None = None
        self.before_end: list[Stop] = []
        self._end_process = end_process
        self._clock = clock
        self._stop: Stop | None = None
        self._stop_piece: Stop | None = None
        self._since: float | None = None
        self._exit_code: int | None = None
        self._is_closing = False

    @property
    def has_come(self) -> bool:
        """True when the invocation has been told to end."""
        return self.signum is not None

    @property
    def is_stopping(self) -> bool:
        """True when what runs now has been told to stop: synchronous code that waits looks here from time to time."""
        return self._since is not None

    @property
    def reader_is_gone(self) -> bool:
        """True when what has come is SIGPIPE: nobody reads stdout."""
        return self.signum is not None and self.signum == _SIGPIPE

    @property
    def exit_code(self) -> int:
        """128 and the number of the signal, as shells have it; that of Ctrl-C when none has come."""
        return 128 + (self.signum or signal.SIGINT)

    def error(self) -> BaseException:
        """Return what has to be raised for the signal that has come."""
        return BrokenPipeError() if self.reader_is_gone else InterruptedBySignal()

    def check(self) -> None:
        """Raise if a signal has come."""
        if self.has_come:
            raise self.error()

    def arrive(self, signum: int) -> None:
        """Do what a signal that has come just now asks for. Raises InterruptedBySignal where nothing can be stopped."""
        now = self._clock()
        if self._is_closing:
            self._end(self._exit_code if self._exit_code is not None else 128 + signum)
        elif signum == signal.SIGINT and self._since is not None:
            if now - self._since > ONE_PRESS_S:
                self._end(self.exit_code)
        elif self.has_come:
            return
        elif signum == signal.SIGINT and self._stop_piece is not None:
            self._since = now
            self._stop_piece()
        else:
            self._since, self.signum = now, signum
            if self._stop is None:
                raise self.error()
            self._stop()

    @contextmanager
    def stopping(self, stop: Stop) -> Iterator[None]:
        """Let the first signal call `stop`, which must not raise, while the block runs."""
        previous, self._stop = self._stop, stop
        try:
            yield
        finally:
            self._stop = previous

    @contextmanager
    def stopping_piece(self, stop: Stop) -> Iterator[None]:
        """Let Ctrl-C only stop the block, by calling `stop`; the invocation goes on after it."""
        previous, self._stop_piece = self._stop_piece, stop
        try:
            yield
        finally:
            self._stop_piece = previous
            if not self.has_come:
                self._since = None

    def close(self, exit_code: int | None = None) -> None:
        """From now on a signal ends the process: with this exit code, or with that of the signal if it is None."""
        self._is_closing, self._exit_code = True, exit_code

    def _end(self, exit_code: int) -> None:
        for restore in self.before_end:
            with suppress(Exception):
                restore()
        self._end_process(exit_code)


# Not every system has it.
_SIGPIPE = getattr(signal, "SIGPIPE", None)
