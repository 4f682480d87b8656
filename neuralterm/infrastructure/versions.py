"""Which versions of what this process consists of."""

from __future__ import annotations

import platform
import sqlite3

from neuralterm.version import __version__


def versions() -> dict[str, str]:
    """Return the version of each part by its name."""
    return {
        "neuralterm": __version__,
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        platform.system() or "system": f"{platform.release()} {platform.machine()}".strip(),
    }
