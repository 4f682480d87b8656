"""The slash commands of a chat: one table for what they do, what `/help` says of them, and what is completed after them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TYPE_CHECKING

from neuralterm.components import chat_exchanges as exchanges
from neuralterm.components import chat_material as material
from neuralterm.components.budget_view import states_table
from neuralterm.components.chat_state import ChatState, Turn
from neuralterm.components.text_width import wrapped
from neuralterm.domain.exceptions import ValidationError
from neuralterm.domain.money import dollars
from neuralterm.domain.record import record, replace
from neuralterm.domain.text import numbered
from neuralterm.setting_amounts import usd_or_none

if TYPE_CHECKING:
    from neuralterm.domain.budget import Budget

# Columns of what is typed in the help, and those a terminal has where what it means stands beside it.
_USAGE, _TWO_COLUMNS = 20, 60

# With `/budget`: no ceiling for this run any more.
_NO_CEILING = "none"

# Words with which one leaves elsewhere. Nobody asks a model only that.
LEAVING = ("exit", "quit")

Verb = Callable[[ChatState, str], Awaitable[Turn | None]]


class Names(Enum):
    """What the argument of a command names."""

    NOTHING = "nothing"
    MODEL = "model"
    CONVERSATION = "conversation"
    FILE = "file"
    SWITCH = "switch"


@record
class Command:
    """A command. Its verb gets the rest of the line, and may return what is to be asked next.

    `at_terminal_only`: it reads or writes files, which the lines of a pipe may not do.
    """

    name: str
    argument: str
    summary: str
    verb: Verb
    names: Names = Names.NOTHING
    at_terminal_only: bool = False


async def run_command(state: ChatState, line: str) -> Turn | None:
    """Do what a line says that begins with a slash; return what is to be asked then, if anything.

    Raises:
        ValidationError: there is no such command, or it can't be used here or so.
    """
    name, *rest = re.split(r"\s", line[1:], maxsplit=1)
    command = next((each for each in COMMANDS if each.name == name), None)
    if command is None:
        raise ValidationError(
            f"there is no command /{name}",
            hint=f"{_meant(name)}/help lists them; // sends a line that begins with /",
        )
    if command.at_terminal_only and state.desk is None:
        raise ValidationError(f"/{name} is for a terminal: the lines of a pipe can't read or write files")
    argument = "".join(rest).strip()
    if argument and not command.argument:
        raise ValidationError(f"/{name} takes no words behind it, not {argument!r}")
    return await command.verb(state, argument)


async def _help(state: ChatState, argument: str) -> None:
    console = state.console
    usages = [(f"/{each.name} {each.argument}".rstrip(), each.summary) for each in COMMANDS]
    for usage, meaning in (*usages, *KEYS):
        for row in _in_rows(usage, meaning, console.width if console.stderr_is_terminal else None):
            console.note(row)


def _meant(name: str) -> str:
    """Return a question after the command whose name is close to this one; nothing where there is none."""
    if name in LEAVING:
        return "did you mean /exit? "
    from difflib import get_close_matches

    return "".join(f"did you mean /{each}? " for each in get_close_matches(name, [each.name for each in COMMANDS], 1))


def _in_rows(usage: str, meaning: str, width: int | None) -> list[str]:
    """Lay a line of the help out for a terminal so wide; what it means stands below where there is no room beside it."""
    if width is None:
        return [f"{usage:<{_USAGE}}{meaning}"]
    if width < _TWO_COLUMNS:
        return [usage, *wrapped(f"  {meaning}", max(width, _USAGE), 2).splitlines()]
    return wrapped(f"{usage:<{_USAGE}}{meaning}", width, _USAGE).splitlines()


async def _choose_model(state: ChatState, argument: str) -> None:
    if argument:
        await state.parts.check_model(argument)
        state.choose_model(argument)
    state.console.note(f"model: {state.model}")


async def _set_system(state: ChatState, argument: str) -> None:
    if argument:
        options = replace(state.request.options, system_prompt=argument)
        state.request = replace(state.request, options=options)
    state.console.note(f"system: {state.system_prompt or '(none)'}")


async def _show_reasoning(state: ChatState, argument: str) -> None:
    notices = state.parts.notices
    if argument not in ("", "on", "off"):
        raise ValidationError(f"/reasoning takes on or off, not {argument!r}")
    notices.show_reasoning = not notices.show_reasoning if not argument else argument == "on"
    state.console.note(f"reasoning: {'shown' if notices.show_reasoning else 'hidden'}")


async def _say_cost(state: ChatState, argument: str) -> None:
    spending, tokens = state.parts.spending, state.parts.session.total_tokens
    parts = [f"cost: {state.spent()} in this chat"]
    parts += [f"{numbered(tokens, 'token')} in this run"] if tokens or not state.untold else []
    parts += [f"{numbered(state.untold, 'answer')} told no tokens"] if state.untold else []
    state.console.note(", ".join(parts))
    for status in map(spending.status, spending.applying(state.subject())):
        left = f"{dollars(status.remaining_usd)} of {dollars(status.budget.limit_usd)} left"
        held = f", {dollars(status.reserved_usd)} kept back until its cost is certain" if status.reserved_usd else ""
        state.console.note(f"{status.budget.name}: {left}{held}")


async def _budgets(state: ChatState, argument: str) -> None:
    spending, console = state.parts.spending, state.console
    if argument:
        spending.ceiling = _ceiling_of(state, argument)
    statuses = [spending.status(budget) for budget in spending.applying(state.subject())]
    if not statuses:
        console.note("no budget counts the next turn")
        return
    for line in states_table(statuses, console.width if console.stderr_is_terminal else None).splitlines():
        console.note(line)


def _ceiling_of(state: ChatState, argument: str) -> Budget | None:
    if state.desk is None:  # or whatever is piped in could lift the ceiling
        raise ValidationError("only somebody at a terminal can set a ceiling here", hint="use --max-cost")
    if argument.casefold() == _NO_CEILING:
        return None
    usd = usd_or_none(argument)
    if usd is None:
        raise ValidationError(
            f"{argument!r} is not an amount in USD", hint=f"`/budget {_NO_CEILING}` lifts the ceiling"
        )
    return state.parts.ceiling(usd)


async def _leave(state: ChatState, argument: str) -> None:
    state.running = False


COMMANDS = (
    Command("help", "", "this list", _help),
    Command("model", "[ID]", "show or choose the model", _choose_model, Names.MODEL),
    Command("system", "[TEXT]", "show or set the system prompt", _set_system),
    Command("reasoning", "[on|off]", "show the model's reasoning, or hide it", _show_reasoning, Names.SWITCH),
    Command("cost", "", "what this chat has cost, and what the budgets have left", _say_cost),
    Command(
        "budget",
        f"[USD|{_NO_CEILING}]",
        "the budgets that count the next turn; USD sets a ceiling",
        _budgets,
    ),
    Command("undo", "", "take the last exchange back; it stays in the history, and its cost counts", exchanges.undo),
    Command(
        "retry", "[MODEL]", "ask the last prompt again, this time perhaps another model", exchanges.retry, Names.MODEL
    ),
    Command(
        "edit",
        "[TEXT]",
        "write in $VISUAL or $EDITOR: the last prompt again, or a new one",
        material.edit,
        at_terminal_only=True,
    ),
    Command(
        "file", "PATH...", "put text files into the next turn", material.add_files, Names.FILE, at_terminal_only=True
    ),
    Command(
        "attach",
        "PATH|URL",
        "attach an image, PDF or sound to the next turn",
        material.attach,
        Names.FILE,
        at_terminal_only=True,
    ),
    Command("fork", "[N]", "go on in a copy, of the messages up to number N", exchanges.fork),
    Command("title", "[TEXT]", "show or set the title", exchanges.title),
    Command(
        "save",
        "FILE",
        "write the conversation to a new .md, .json, .jsonl or .html file",
        material.save,
        Names.FILE,
        at_terminal_only=True,
    ),
    Command(
        "save!",
        "FILE",
        "the same, also over a file that is there",
        material.save_over,
        Names.FILE,
        at_terminal_only=True,
    ),
    Command("history", "[N]", "the last N messages of this conversation", exchanges.list_messages),
    Command("resume", "[ID]", "list the last conversations, or go on with one", exchanges.resume, Names.CONVERSATION),
    Command("new", "[TITLE]", "begin a fresh conversation", exchanges.begin_anew),
    Command("exit", "", "leave (or Ctrl-D, or exit or quit alone on a line)", _leave),
)

KEYS = (
    ("//text", "send a line that begins with a slash"),
    ('Alt-Enter, \\, """', "several lines: by key, a backslash at a line end, or marks before and after"),
    ("Tab", "complete a command, a model, a conversation, a file"),
    ("Ctrl-R", "search what was typed before; Ctrl-X Ctrl-E opens the line in the editor"),
    ("Ctrl-C", "stop the answer, or drop the line; keeps the chat"),
)
