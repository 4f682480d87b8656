"""What a conversation can be written as, apart from how that is done."""

from __future__ import annotations

from pathlib import Path

EXPORT_FORMATS = ("md", "json", "jsonl", "html")


def format_of(path: Path) -> str | None:
    """Return the format that the ending of a file's name stands for; None for any other ending."""
    ending = path.suffix.lower().removeprefix(".")
    return ending if ending in EXPORT_FORMATS else None
