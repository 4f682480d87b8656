"""How wide the terminal is, and what a shell that completes a command line asks."""

from __future__ import annotations

import os
import sys

_USUAL = 80


def completion_asked() -> tuple[str, str, str] | None:
    """Return what a shell wants completed: its name, the line up to the cursor, and what separates words there.

    None in every other invocation.
    """
    shell, _, what = os.environ.get("_NEURALTERM_COMPLETE", "").partition("_")
    if what != "complete":
        return None
    return shell, os.environ.get("_NEURALTERM_LINE", ""), os.environ.get("_NEURALTERM_BREAKS", "")


def terminal_columns() -> int:
    """Return the columns that `COLUMNS` names, or else those of the terminal behind stdout; 80 where there is neither.

    As `shutil.get_terminal_size`, whose module also knows archives, and takes a thirtieth of the time of `--help` to import.
    """
    try:
        columns = int(os.environ["COLUMNS"])
    except (KeyError, ValueError):
        columns = 0
    if columns <= 0 and sys.__stdout__ is not None:
        try:
            columns = os.get_terminal_size(sys.__stdout__.fileno()).columns
        except (OSError, ValueError):  # no terminal, or closed
            columns = 0
    return columns if columns > 0 else _USUAL
