"""Options that choose calls of the ledger, for every report of them. Imports nothing heavy: `--help` loads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from neuralterm.cli.options import MomentType, TextType, not_empty

if TYPE_CHECKING:
    from neuralterm.application.records import CallFilter
    from neuralterm.container import Container

_Callback = TypeVar("_Callback", bound=Callable[..., Any])


def _zone_of_settings(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    return ctx.obj.settings.timezone if value is None and not ctx.resilient_parsing else value


_OPTIONS = (
    click.option("--since", type=MomentType(), metavar="WHEN", help="From then on: 2026-11-23, 24h, 7d, ..."),
    click.option("--until", type=MomentType(is_end=True), metavar="WHEN", help="Before then; a date is taken in."),
    click.option(
        "-z",
        "--timezone",
        is_eager=True,
        callback=_zone_of_settings,
        metavar="ZONE",
        help="Where days begin; by default as in the settings.",
    ),
    click.option("--tag", type=TextType(), metavar="TAG", callback=not_empty, help="Only calls with this tag."),
    click.option("--model", metavar="PATTERN", callback=not_empty, help="Only calls of these models: 'openai/*'."),
    click.option("--provider", metavar="NAME", callback=not_empty, help="Only calls that this provider served."),
    click.option(
        "--run", type=TextType(), metavar="ID", callback=not_empty, help="Only calls of this run (NEURALTERM_RUN_ID)."
    ),
    click.option(
        "--cid", metavar="ID", callback=not_empty, help="Only calls of this conversation (id or beginning of it)."
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
