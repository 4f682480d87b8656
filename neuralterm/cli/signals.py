"""The one place where handlers of signals are set."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping
from typing import Any

# Signals that ask a process to end, as far as the system has them.
ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def handle_signals(arrive: Callable[[int], object]) -> dict[int, Any]:
    """Have `arrive` called, in the main thread, with each ending signal that comes; return the handlers there were.

    Signals that are ignored stay so. Another thread than the main one can't set handlers, and doesn't.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    previous = {signum: signal.getsignal(signum) for signum in ENDING}
    # None stands for a handler that is not Python's, which could not be set again.
    ours = {signum: handler for signum, handler in previous.items() if handler not in (signal.SIG_IGN, None)}
    for signum in ours:
        signal.signal(signum, lambda number, _: arrive(number))
    return ours


def on_return(call: Callable[[], object]) -> None:
    """Have `call` called when the process, which was suspended, goes on; nothing where that can't be known."""
    if hasattr(signal, "SIGCONT") and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCONT, lambda number, frame: call())


def restore_handlers(previous: Mapping[int, Any]) -> None:
    """Set the handlers again that there were."""
    for signum, handler in previous.items():
        signal.signal(signum, handler)


def end_process(signum: int) -> None:
    """End the process at once, with the exit code that shells give to a signal."""
    os._exit(128 + signum)
