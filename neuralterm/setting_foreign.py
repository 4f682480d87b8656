"""Where other programs keep what they know."""

from __future__ import annotations

import os
from pathlib import Path


def llm_logs_path() -> Path:
    """Return where the program `llm` keeps its log: below `LLM_USER_PATH`, or else where its settings usually are."""
    import click

    folder = os.environ.get("LLM_USER_PATH") or click.get_app_dir("io.datasette.llm")
    return Path(folder) / "logs.db"
