"""Time zones by name, and the time."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from neuralterm.domain.exceptions import ValidationError


def utc_now() -> datetime:
    """Return the time now, in UTC."""
    return datetime.now(UTC)


def time_zone(name: str) -> tzinfo:
    """Return the time zone with this IANA name.

    Raises:
        ValidationError: there is none, or none is installed here.
    """
    if name.upper() == "UTC":
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as exc:
        raise ValidationError(
            f"there is no time zone {name!r}", hint="use an IANA name such as Europe/Berlin or America/New_York"
        ) from exc
