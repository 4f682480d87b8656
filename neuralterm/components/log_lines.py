"""What is logged, as lines on stderr that nobody's text can break or pass for."""

from __future__ import annotations

import logging
import sys
from types import TracebackType

from neuralterm.components.foreign_text import quoted

_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class LogFormatter(logging.Formatter):
    """Shows control characters instead of obeying them, and marks every line: records quote errors and tracebacks.

    Without `tracebacks` an exception is one line.
    """

    def __init__(self, fmt: str | None = None, *, tracebacks: bool = False) -> None:
        super().__init__(fmt)
        self._tracebacks = tracebacks

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record."""
        return quoted(super().format(record))

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802 - the name that `logging` gives it
        """Return what is shown of an exception."""
        if self._tracebacks or ei[0] is None:
            return super().formatException(ei)
        return f"{ei[0].__name__}: {ei[1]}"


def show_logs(*, everything: bool) -> None:
    """Let our own modules log to stderr: what happens, or `everything`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogFormatter("%(levelname)s %(name)s: %(message)s", tracebacks=everything))
    logging.basicConfig(handlers=[handler])
    logging.getLogger("neuralterm").setLevel(logging.DEBUG if everything else logging.INFO)


def tame_last_resort() -> None:
    """Mark warnings also where nobody asked for logs."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(LogFormatter())
