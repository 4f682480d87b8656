"""The group of all commands: finds them lazily, and turns whatever they raise into words and an exit code."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

from neuralterm.cli.command import Command
from neuralterm.container import Container
from neuralterm.setting_terminal import completion_asked, terminal_columns
from neuralterm.version import __version__

# What help says of each command, under headings.
_SECTIONS = {
    "Asking models": {
        "send": "One prompt in, one answer out.",
        "chat": "A conversation at the terminal, or one turn per line of a pipe.",
    },
    "Looking things up": {
        "models": "What models there are and what they cost.",
        "cost": "Where the money went.",
        "history": "Everything said.",
    },
    "Setting up": {
        "login": "Get a key from OpenRouter in the browser, and keep it.",
        "logout": "Forget that key.",
        "doctor": "Whether key, network, database and budgets are as they should be.",
        "completion": "Let the shell complete command lines.",
    },
}
_COMMANDS = {name: text for section in _SECTIONS.values() for name, text in section.items()}

_NARROWEST_HELP, _WIDEST_HELP = 38, 100  # columns

# With one of these an error is also told as JSON, a mistake in the command line itself included.
_MACHINE_FLAGS = frozenset({"--json", "--ndjson"})


class _CarriedError(Exception):
    """Carries past Click what it would end in its own way: a newline on stderr for Ctrl-C, exit 1 for a closed pipe."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


@contextmanager
def _past_click() -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, OSError) as error:
        raise _CarriedError(error) from error


class Root(Command, click.Group):
    """Knows the commands by name and imports only the one that is asked for."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Parse the command line."""
        # As Click does it, but for what it imports to see how wide the terminal is. Some callers and its own tests tell it.
        if click.formatting.FORCED_WIDTH is None and "terminal_width" not in extra:
            extra["terminal_width"] = max(min(terminal_columns(), _WIDEST_HELP) - 2, _NARROWEST_HELP)
        with _past_click():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _past_click():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help page."""
        return list(_COMMANDS)

    def short_help_of(self, name: str) -> str:
        """Return what help says of a command in a line."""
        return _COMMANDS[name]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import the command's module."""
        if name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"neuralterm.cli.commands.{name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first word names. Raises UsageError for one that is not there."""
        if args[0] not in _COMMANDS and not ctx.resilient_parsing:
            from neuralterm.cli.what_was_meant import UnknownCommandError

            raise UnknownCommandError(self, args[0], ctx)
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, and the commands behind them."""
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        column = max(map(len, _COMMANDS))
        for heading, commands in _SECTIONS.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(column), text) for name, text in commands.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Return the commands that begin so without importing any, and the options."""
        from click.shell_completion import CompletionItem

        commands = [CompletionItem(name, help=text) for name, text in _COMMANDS.items() if name.startswith(incomplete)]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run one invocation; the process ends with the exit code of the contract."""
        asked = completion_asked()
        if asked is not None:
            self._complete(*asked)
            sys.exit(0)
        from neuralterm.cli.outcome import Outcome

        standalone = extra.pop("standalone_mode", True)
        container = extra.get("obj") or Container()
        extra["obj"] = container
        words = args[0] if args and args[0] is not None else extra.get("args") or sys.argv[1:]
        container.machine_errors = not _MACHINE_FLAGS.isdisjoint(words)
        outcome = Outcome(container)
        with outcome:
            try:
                outcome.returned(super().main(*args, **{**extra, "standalone_mode": False}))
            except _CarriedError as carrier:
                raise carrier.error from None
        if standalone:
            sys.exit(outcome.exit_code)
        return outcome.exit_code

    def _complete(self, shell: str, line: str, breaks: str) -> None:
        """Tell a shell how the line may go on; nothing where that fails, for the user is typing."""
        container = Container()
        with suppress(Exception):
            from neuralterm.cli.completing import answer

            container.plain_console.print(answer(self, container, shell, line, breaks))


def _show_version(ctx: click.Context, _: click.Parameter, is_given: bool) -> None:
    if is_given and not ctx.resilient_parsing:
        click.echo(f"neuralterm, version {__version__}")
        ctx.exit()


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": _WIDEST_HELP})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
@click.option("--config", metavar="PATH", help="Read settings from this file.")
@click.option("--sandbox", is_flag=True, help="Answer from a built-in server: no key, no network, no money.")
@click.option("-q", "--quiet", is_flag=True, help="Leave only errors on stderr.")
@click.option("-v", "--verbose", is_flag=True, help="Log what happens to stderr.")
@click.option("--debug", is_flag=True, help="Log everything, and show tracebacks.")
@click.option("--no-color", is_flag=True, help="No colours, also on a terminal.")
@click.pass_obj
def cli(container: Container, /, **flags: Any) -> None:
    """A command-line LLM client for scripts and people.

    Only the answer goes to stdout. Budgets hold, answers are kept, exit codes tell what happened.

    \b
    neuralterm send "why is the sky blue?"
    git diff | neuralterm send "write a commit message"
    neuralterm --sandbox chat
    """
    from neuralterm.setting_flags import Flags

    container.flags = Flags(**flags)
    if container.flags.verbose or container.flags.debug:
        from neuralterm.components.log_lines import show_logs

        show_logs(everything=container.flags.debug)
