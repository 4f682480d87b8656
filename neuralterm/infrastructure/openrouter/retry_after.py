"""How long the service asks to wait."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from neuralterm.infrastructure.openrouter.error_report import ErrorReport

# Epoch seconds reach this number in the year 5138, epoch milliseconds reached it in 1973.
_SMALLEST_MILLISECONDS = 10**11


def retry_after(report: ErrorReport, now: float) -> float | None:
    """Return the wait in seconds, or None when the service gave no hint. `now` is the Unix time.

    Looked for in this order: the reply's headers, the headers repeated in `metadata.headers`, `availability`, and the
    time at which the rate limit is reset.
    """
    inner = report.metadata.get("headers")
    sources = [_lower(report.headers), _lower(inner if isinstance(inner, Mapping) else {})]
    for headers in sources:
        wait = _seconds(headers.get("retry-after-ms"))
        if wait is not None:
            return wait / 1000
        wait = _seconds_or_date(headers.get("retry-after"), now)
        if wait is not None:
            return wait
    wait = _seconds(report.availability.get("retry_after"))
    if wait is not None:
        return wait
    resets = (_until(headers.get("x-ratelimit-reset"), now) for headers in sources)
    return next((wait for wait in resets if wait is not None), None)


def _lower(headers: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name).lower(): value for name, value in headers.items()}


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _seconds_or_date(value: object, now: float) -> float | None:
    seconds = _seconds(value)
    if seconds is not None or not isinstance(value, str):
        return seconds
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _until(value: object, now: float) -> float | None:
    moment = _seconds(value)
    if moment is None:
        return None
    return max(0.0, (moment / 1000 if moment >= _SMALLEST_MILLISECONDS else moment) - now)
