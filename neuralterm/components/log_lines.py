"""What is logged, as lines on stderr that nobody's text can break or pass for."""

from __future__ import annotations

import logging
import sys

from neuralterm.components.foreign_text import quoted


class LogFormatter(logging.Formatter):
    """Shows control characters instead of obeying them, and marks every line: records quote errors and tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record."""
        return quoted(super().format(record))


def show_logs(*, everything: bool) -> None:
    """Let our own modules log to stderr: what happens, or `everything`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler])
    logging.getLogger("neuralterm").setLevel(logging.DEBUG if everything else logging.INFO)


def tame_last_resort() -> None:
    """Mark warnings also where nobody asked for logs."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(LogFormatter())
