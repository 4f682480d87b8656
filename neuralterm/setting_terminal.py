"""How wide the terminal is."""

from __future__ import annotations

import os
import sys

_USUAL = 80


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
