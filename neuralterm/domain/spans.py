"""Spans of time in words."""

from __future__ import annotations

from datetime import timedelta

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))


def in_words(span: timedelta) -> str:
    """Write a span in its largest whole unit, `3 days`; a span under a minute, or a negative one, is `seconds`."""
    seconds = int(span.total_seconds())
    for name, size in _UNITS:
        if seconds >= size:
            count = seconds // size
            return f"{count} {name}" if count == 1 else f"{count} {name}s"
    return "seconds"
