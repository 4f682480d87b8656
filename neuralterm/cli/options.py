"""Parts of command lines that two or more commands share. Imports nothing heavy: `--help` loads it."""

from __future__ import annotations

import math
import re
from collections import UserDict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

import click

from neuralterm.cli.command import Command

if TYPE_CHECKING:
    from decimal import Decimal

_SPAN = r"(\d+)\s*([mhdw])"
_MOST_TOKENS = 10**9
_SPAN_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class _Subcommands(UserDict[str, Any]):
    """The subcommands of a group by name. In the place of one that was not looked up yet may be where it is."""

    def __getitem__(self, name: str) -> click.Command:
        found = self.data[name]
        if isinstance(found, str):
            module, _, attribute = found.partition(":")
            found = self.data[name] = getattr(import_module(f"neuralterm.cli.{module}"), attribute)
        return found  # type: ignore[no-any-return]


class DefaultGroup(Command, click.Group):
    """A group that hands all words to its default subcommand unless the first one names another."""

    command_class = Command

    def __init__(self, name: str | None = None, *, default: str = "list", **kwargs: Any) -> None:
        super().__init__(name, _Subcommands(), **kwargs)
        self.default = default

    def add_by_need(self, name: str, place: str) -> None:
        """Add a subcommand that is imported when it is looked up: `module:attribute`, the module one of `neuralterm.cli`."""
        self.commands.data[name] = place  # type: ignore[attr-defined]

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help of the default subcommand, with the names of the others before its examples."""
        command = self.commands[self.default]
        shown = click.Context(command, info_name=ctx.info_name, parent=ctx.parent)
        command.format_usage(shown, formatter)
        command.format_help_text(shown, formatter)
        command.format_options(shown, formatter)
        from neuralterm.cli.help_page import first_sentence

        others = [(name, first_sentence(other)) for name, other in self.commands.items() if name != self.default]
        if others:
            with formatter.section("Subcommands"):
                formatter.write_dl(others)
        command.format_epilog(shown, formatter)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default subcommand's name in front where none is named."""
        named = bool(args) and (args[0] in self.commands or args[0] in ctx.help_option_names)
        takes_words = any(isinstance(each, click.Argument) for each in self.commands[self.default].params)
        if args and not (named or takes_words or args[0].startswith("-") or ctx.resilient_parsing):
            from neuralterm.cli.what_was_meant import UnknownCommandError

            raise UnknownCommandError(self, args[0], ctx)
        return super().parse_args(ctx, args if named else [self.default, *args])


class TextType(click.ParamType):  # type: ignore[type-arg]  # generic only since Click 8.5
    """Text as it was written, whatever the locale."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text."""
        from neuralterm.cli.stdin import argument_text

        return argument_text(str(value))


class MomentType(click.ParamType):  # type: ignore[type-arg]  # generic only since Click 8.5
    """A date, a date-time, or a span back from now (`90m`, `24h`, `7d`, `2w`), as an aware datetime in UTC.

    Dates and times without a zone are those of `--timezone`, where the command has it (it must be read before), or else of
    the settings. A date is its midnight; as the end of a time, with `is_end`, the end of the day, which is so taken in.
    """

    name = "when"

    def __init__(self, *, is_end: bool = False) -> None:
        self._is_end = is_end

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the moment."""
        text = str(value).strip()
        try:
            if span := re.fullmatch(_SPAN, text):
                return datetime.now(UTC) - timedelta(**{_SPAN_UNITS[span[2]]: int(span[1])})
            moment = datetime.fromisoformat(text)
            if self._is_end:
                moment += timedelta(days=_days_of(text))
            return moment.replace(tzinfo=moment.tzinfo or _zone_of(ctx)).astimezone(UTC)
        except OverflowError:
            self.fail(f"{text!r} is beyond the calendar.", param, ctx)
        except ValueError:
            self.fail(f"{text!r} is neither a date (2026-11-23), a time, nor a span (24h, 7d).", param, ctx)


def _days_of(text: str) -> int:
    """Return how many days a text stands for: 1 for a date, 7 for a week (2026-W48), 0 for a time of day."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return 0
    return 7 if re.fullmatch(r"\d{4}-?W\d\d", text) else 1


def _zone_of(ctx: click.Context | None) -> tzinfo:
    if ctx is None or ctx.resilient_parsing:
        return UTC
    from neuralterm.domain.zones import time_zone

    return time_zone(ctx.params.get("timezone") or ctx.obj.settings.timezone)


def not_empty(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Return the value of an option that chooses; refuse an empty one, as of a variable that is not set."""
    # It would choose nothing, and a check of nothing always passes.
    if value is not None and not value.strip():
        raise click.BadParameter("it is empty; leave it out to choose all.")
    return value


class DecimalType(click.ParamType):  # type: ignore[type-arg]  # generic only since Click 8.5
    """An amount of money in USD, exact."""

    name = "usd"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """Return a finite amount, zero or more; a leading `$` is allowed."""
        from neuralterm.setting_amounts import usd_or_none

        amount = usd_or_none(str(value))
        if amount is None:
            self.fail(f"{value!r} is not an amount in USD.", param, ctx)
        return amount


class LevelType(click.ParamType):  # type: ignore[type-arg]  # generic only since Click 8.5
    """A part of a whole, exact; that it is above 0 and at most 1 is checked where it is used."""

    name = "level"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """Return the number."""
        from neuralterm.setting_amounts import number_or_none

        level = number_or_none(str(value))
        if level is None:
            self.fail(f"{value!r} is not a level; it must be a number above 0 and at most 1.", param, ctx)
        return level


class FiniteRange(click.FloatRange):
    """A number in a range; neither `nan`, which passes every comparison, nor infinity."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number as a float."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


class WholeRange(click.IntRange):
    """A whole number in a range."""

    name = "whole number"


class TokensType(WholeRange):
    """A number of tokens, from 1 on."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        number: int = super().convert(value, param, ctx)
        if number > _MOST_TOKENS:
            self.fail(f"{value!r} is more tokens than any model writes.", param, ctx)
        return number


# The first argument of a command is the container of this invocation.
pass_container = click.pass_obj

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")

_Callback = TypeVar("_Callback", bound=Callable[..., Any])

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def request_options(function: _Callback) -> _Callback:
    """Add the options that say how a prompt is sent, and into which conversation."""
    for option in reversed(_request_options()):
        function = option(function)
    return function


def _request_options() -> tuple[Callable[[_Callback], _Callback], ...]:
    return (
        click.option("-m", "--model", metavar="ID", help="Which model answers."),
        click.option("-s", "--system", metavar="TEXT", help="The system prompt."),
        click.option("-c", "--continue", "continue_last", is_flag=True, help="Go on with the last conversation."),
        click.option("--cid", metavar="ID", help="Go on with this conversation (id or unique beginning of it)."),
        click.option("--title", metavar="TEXT", help="The conversation's title."),
        click.option("--tag", "tags", multiple=True, metavar="TAG", help="Attach a tag to calls and conversation."),
        click.option("--tag-branch", is_flag=True, help="Attach the tag branch:NAME of the git branch of this folder."),
        click.option("--no-log", is_flag=True, help="Keep what it cost, and nothing of what was said."),
        click.option("--temperature", type=FiniteRange(0, 2), metavar="NUMBER", help="Sampling temperature."),
        click.option("--max-tokens", type=TokensType(1), metavar="N", help="Longest answer in tokens."),
        click.option("--max-cost", type=DecimalType(), metavar="USD", help="Ceiling: this invocation can't cost more."),
        click.option(
            "--confirm-above",
            type=DecimalType(),
            metavar="USD",
            help="Ask before a prompt that may cost more; in a script exit 4.",
        ),
        click.option(
            "--min-tokens",
            type=TokensType(1),
            metavar="N",
            help="Refuse (exit 4) where a budget pays for shorter answers only.",
        ),
        click.option("--soft-budget", is_flag=True, help="Send also what has no bound; budgets may be exceeded."),
        click.option(
            "--budget-wait",
            type=FiniteRange(0),
            metavar="SECONDS",
            help="Wait so long for what running calls hold, then refuse.",
        ),
        click.option(
            "--fallback",
            "fallbacks",
            multiple=True,
            metavar="ID",
            help="This model answers if the first can't; budgets allow for it.",
        ),
        click.option("--provider", "providers", multiple=True, metavar="NAME", help="Only these providers may answer."),
        click.option(
            "--reasoning",
            type=click.Choice(EFFORTS),
            metavar="EFFORT",
            help=f"How hard to think: {', '.join(EFFORTS)}.",
        ),
        click.option("-R", "--hide-reasoning", is_flag=True, help="Don't show the reasoning on the terminal."),
        click.option("--raw", is_flag=True, help="Show the answer as it came, also on a terminal."),
        click.option(
            "-o",
            "--option",
            "pairs",
            type=(str, str),
            multiple=True,
            metavar="KEY VALUE",
            help="Set any other field of the request; VALUE may be JSON.",
        ),
        click.option("--retry-for", type=FiniteRange(0), metavar="SECONDS", help="How long to retry; 0 tries once."),
        click.option(
            "--timeout", type=FiniteRange(0, min_open=True), metavar="SECONDS", help="Limit for a whole answer."
        ),
        click.option(
            "--idle-timeout",
            type=FiniteRange(0, min_open=True),
            metavar="SECONDS",
            help="Longest silence in an answer.",
        ),
        click.option("-q", "--quiet", is_flag=True, help="Leave only errors on stderr."),
    )
