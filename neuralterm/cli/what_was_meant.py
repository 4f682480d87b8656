"""What somebody meant who typed a command or an option that is not there; imported only when that has happened."""

from __future__ import annotations

from difflib import get_close_matches

import click

from neuralterm.cli.options import DefaultGroup

# What other tools call it, by the command in which it was typed.
OTHER_NAMES = {
    "neuralterm": {
        **dict.fromkeys(("ask", "complete", "exec", "prompt", "query", "run"), "send"),
        **dict.fromkeys(("interactive", "repl", "talk"), "chat"),
        **dict.fromkeys(("conversations", "log", "logs", "sessions", "threads"), "history"),
        **{name: f"history {name}" for name in ("export", "fork", "import", "search", "show")},
        **dict.fromkeys(("spend", "spending", "stats", "usage"), "cost"),
        **dict.fromkeys(("budget", "budgets", "limit"), "cost budget"),
        **dict.fromkeys(("auth", "key", "keys"), "login"),
        **dict.fromkeys(("check", "config", "status"), "doctor"),
        "template": "send --template NAME",
        "templates": "send --template NAME",
    },
    "neuralterm history": {
        **dict.fromkeys(("find", "grep", "query"), "search"),
        **dict.fromkeys(("remove", "rm"), "delete"),
        **dict.fromkeys(("recover", "undelete"), "restore"),
        **dict.fromkeys(("cat", "get", "view"), "show"),
    },
    "neuralterm cost": {
        **{f"{unit}ly": f"--by {unit}" for unit in ("week", "month")},
        "daily": "--by day",
        "budgets": "budget",
        "session": "--by conversation",
    },
}
_OPTIONS = {
    **dict.fromkeys(("--budget", "--max-budget", "--max-budget-usd"), "--max-cost"),
    **dict.fromkeys(("--chat", "--conversation", "--session"), "--cid"),
    **dict.fromkeys(("--attachment", "--image"), "--attach"),
    "--fragment": "--file",
    "--role": "--template",
}
_KEYS = ("--api-key", "--key", "--token")


class UnknownCommandError(click.UsageError):
    """A group has no such command."""

    def __init__(self, group: click.Group, name: str, ctx: click.Context) -> None:
        super().__init__(f"No such command '{name}'.", ctx)
        self.group = group
        self.name = name


def hint_for(error: click.UsageError, context: click.Context) -> str | None:
    """Return what to type in place of a command or an option that is not there; None where nobody can tell."""
    if isinstance(error, UnknownCommandError):
        return _command_meant(error, context)
    if isinstance(error, click.NoSuchOption):
        return _misplaced(error.option_name, context) or _option_meant(error.option_name, context)
    return None


def _command_meant(error: UnknownCommandError, context: click.Context) -> str | None:
    path = context.command_path
    if len(error.name.split()) > 1:
        return f"`{context.find_root().command_path} send ...` sends a prompt" if context.parent is None else None
    name = error.name.lower()
    near = get_close_matches(name, error.group.list_commands(context), 1)
    meant = OTHER_NAMES.get(path, {}).get(name) or (near[0] if near else None)
    return meant and f"did you mean `{path} {meant}`?"


def _misplaced(name: str, context: click.Context) -> str | None:
    """Say where an option goes that belongs to the whole program but was given to a command, or the other way round."""
    root = context.find_root()
    if context is root:
        return _misplaced_before(name, root)
    option = _option_of(root.command, name)
    if option is None or not option.expose_value:
        return None
    value = "" if option.is_flag else " ..."
    command = path_with_help(context).removeprefix(f"{root.command_path} ")
    return f"it goes before the command: `{root.command_path} {name}{value} {command} ...`"


def _misplaced_before(name: str, root: click.Context) -> str | None:
    group = root.command
    if not isinstance(group, click.Group):
        return None
    for command in (group.get_command(root, each) for each in group.list_commands(root)):
        usual = command.commands[command.default] if isinstance(command, DefaultGroup) else command
        if usual is not None and _option_of(usual, name) is not None:
            return f"it goes behind the command: `{root.command_path} COMMAND {name} ...`"
    return None


def _option_of(command: click.Command, name: str) -> click.Option | None:
    return next((each for each in command.params if isinstance(each, click.Option) and name in each.opts), None)


def _option_meant(name: str, context: click.Context) -> str | None:
    if name in _KEYS:
        return (
            "keys are no options, for others can read command lines: set OPENROUTER_API_KEY or use `neuralterm login`"
        )
    own = _OPTIONS.get(name)
    return f"it is called {own} here" if own and _option_of(context.command, own) else None


def path_with_help(context: click.Context) -> str:
    """Return the words of a command whose help describes it: a group tells the help of its default subcommand itself."""
    group = context.parent
    while group is not None and getattr(group.command, "default", None) == context.command.name:
        context, group = group, group.parent
    return context.command_path
