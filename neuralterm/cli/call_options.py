"""Options that choose calls of the ledger, for every report of them. Imports nothing heavy: `--help` loads it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from neuralterm.cli.options import MomentType, TextType

if TYPE_CHECKING:
    from neuralterm.application.records import CallFilter
    from neuralterm.container import Container

_Callback = TypeVar("_Callback", bound=Callable[..., Any])


class LocalMoment(MomentType):
    """A moment; dates and times without a zone are those of `--timezone`, which must be read before.

    With `whole_day` a date stands for the end of that day, so that `--until` takes the day in.
    """

    def __init__(self, *, whole_day: bool = False) -> None:
        self._whole_day = whole_day

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the moment in UTC."""
        from neuralterm.domain.zones import time_zone

        text = str(value).strip()
        try:
            moment = _written_in_full(text)
            if moment is None or moment.tzinfo is not None or ctx is None:
                return super().convert(value, param, ctx)
            if self._whole_day and len(text) == len("2026-11-23"):
                moment += timedelta(days=1)
            return moment.replace(tzinfo=time_zone(ctx.params["timezone"])).astimezone(UTC)
        except OverflowError:
            self.fail(f"{text!r} is beyond the calendar.", param, ctx)


def _written_in_full(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _zone_of_settings(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    return ctx.obj.settings.timezone if value is None and not ctx.resilient_parsing else value


def _not_empty(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    # A variable that is not set would choose no calls, and a check of nothing always passes.
    if value is not None and not value.strip():
        raise click.BadParameter("it is empty; leave it out to choose all calls.")
    return value


_OPTIONS = (
    click.option("--since", type=LocalMoment(), metavar="WHEN", help="From then on: 2026-11-23, 24h, 7d, ..."),
    click.option("--until", type=LocalMoment(whole_day=True), metavar="WHEN", help="Before then; a date is taken in."),
    click.option(
        "-z",
        "--timezone",
        is_eager=True,
        callback=_zone_of_settings,
        metavar="ZONE",
        help="Where days begin; by default as in the settings.",
    ),
    click.option("--tag", type=TextType(), metavar="TAG", callback=_not_empty, help="Only calls with this tag."),
    click.option("--model", metavar="PATTERN", callback=_not_empty, help="Only calls of these models: 'openai/*'."),
    click.option("--provider", metavar="NAME", callback=_not_empty, help="Only calls that this provider served."),
    click.option(
        "--run", type=TextType(), metavar="ID", callback=_not_empty, help="Only calls of this run (NEURALTERM_RUN_ID)."
    ),
    click.option(
        "--cid", metavar="ID", callback=_not_empty, help="Only calls of this conversation (id or beginning of it)."
    ),
)


def calls_options(callback: _Callback) -> _Callback:
    """Add the options that choose calls to a command."""
    for option in reversed(_OPTIONS):
        callback = option(callback)
    return callback


def chosen_calls(container: Container, given: dict[str, Any]) -> CallFilter:
    """Return which calls the options choose. Raises `NotFoundError` for a conversation that never was."""
    from neuralterm.application.history import known_conversation
    from neuralterm.application.records import CallFilter

    cid = given["cid"]
    return CallFilter(
        since=given["since"],
        until=given["until"],
        tag=given["tag"],
        run=given["run"],
        model=given["model"],
        provider=given["provider"],
        conversation=None if cid is None else known_conversation(container.repository, container.ledger, cid),
    )
