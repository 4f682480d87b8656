"""Budgets: how much may be spent in which window, on which calls."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from fnmatch import fnmatchcase
from uuid import UUID

from neuralterm.domain.exceptions import ValidationError
from neuralterm.domain.model_ids import without_dynamic_suffix
from neuralterm.domain.money import plain
from neuralterm.domain.record import record

DEFAULT_WARNING_LEVEL = Decimal("0.8")

# Some providers refuse a smaller cap (`max_tokens` of at least 16), and a shorter answer is of no use to anyone.
SMALLEST_OUTPUT_CAP = 16


class Window(str, Enum):
    """The time a budget counts: one invocation, or a calendar period. Weeks start on Monday."""

    CALL = "call"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    TOTAL = "total"

    def start(self, now: datetime, zone: tzinfo = UTC) -> datetime | None:
        """Return the beginning (UTC) of the window that `now` is in, by the calendar of `zone`; None without one."""
        first = self._first_day(_day_of(now, zone))
        return None if first is None else _beginning(first, zone)

    def end(self, now: datetime, zone: tzinfo = UTC) -> datetime | None:
        """Return when (UTC) the window that `now` is in ends and the budget starts afresh; None for never."""
        first = self._first_day(_day_of(now, zone))
        if first is None:
            return None
        days = {Window.DAY: 1, Window.WEEK: 7}.get(self)
        following = (first + timedelta(days=32)).replace(day=1) if days is None else first + timedelta(days=days)
        return _beginning(following, zone)

    def _first_day(self, today: date) -> date | None:
        if self is Window.DAY:
            return today
        if self is Window.WEEK:
            return today - timedelta(days=today.weekday())
        return today.replace(day=1) if self is Window.MONTH else None


def _day_of(now: datetime, zone: tzinfo) -> date:
    """Return the last day that has begun. A clock that was set back over midnight shows the one before once more."""
    day = now.astimezone(zone).date()
    following = day + timedelta(days=1)
    return following if _beginning(following, zone) <= now else day


def _beginning(day: date, zone: tzinfo) -> datetime:
    """Return the first moment (UTC) at which clocks in the zone show this day, or a later one."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    moment = midnight.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return moment
    # Clocks skip midnight: the day begins when they jump, which is to the second in every zone.
    before, after = midnight.replace(fold=1).astimezone(UTC), moment
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        before, after = (before, middle) if middle.astimezone(zone).date() >= day else (middle, after)
    return after


@record
class Scope:
    """Which calls a budget counts: all, or those that a tag, a model pattern and a conversation select together.

    `model` is a pattern with `*`, `?` and `[...]` as in a shell; case is ignored.
    """

    tag: str | None = None
    model: str | None = None
    conversation: UUID | None = None

    def covers(self, tags: Collection[str], models: Iterable[str], conversation: UUID | None) -> bool:
        """Say whether a call counts that has these tags, may be answered by any of these models, and belongs there."""
        return (
            (self.tag is None or self.tag in tags)
            and (self.conversation is None or self.conversation == conversation)
            and (self.model is None or any(matches(model, self.model) for model in models))
        )


def matches(model_id: str, pattern: str) -> bool:
    """Say whether a model id, as it is or without routing suffixes such as `:nitro`, matches a pattern, case ignored."""
    wanted, written = pattern.lower(), model_id.lower()
    return fnmatchcase(written, wanted) or fnmatchcase(without_dynamic_suffix(written), wanted)


def checked_warning_level(level: Decimal) -> Decimal:
    """Return a warning level. Raises `ValidationError` unless it is above 0 and at most 1."""
    if not 0 < level <= 1:
        raise ValidationError(f"the warning level is {plain(level)}, it must be above 0 and at most 1")
    return level


@record
class Budget:
    """A limit in USD for a window. A warning is due when `warning_level` (0 to 1) of it is used.

    `zone` is where its days begin; None for the zone of the settings.
    """

    name: str
    limit_usd: Decimal
    window: Window
    warning_level: Decimal = DEFAULT_WARNING_LEVEL
    scope: Scope = Scope()
    zone: str | None = None

    @property
    def title(self) -> str:
        """What a sentence calls it: `ceiling`, `day budget`, `budget ci`."""
        return self.name if self.name == "ceiling" or self.name.endswith("budget") else f"budget {self.name}"
