"""`neuralterm chat`: a conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from neuralterm.cli.beside import reconciling_beside, started
from neuralterm.cli.command import Command
from neuralterm.cli.hang_up import watch_reader
from neuralterm.cli.loop import run
from neuralterm.cli.options import pass_container, request_options

if TYPE_CHECKING:
    from pathlib import Path

    from neuralterm.components.chat import Chat, Confirm
    from neuralterm.components.chat_input import ChatInput
    from neuralterm.components.chat_terminal import TerminalInput
    from neuralterm.components.console import Console
    from neuralterm.container import Container
    from neuralterm.domain.models import MessageStatus


@click.command(cls=Command)
@request_options
@pass_container
def command(container: Container, /, **given: Any) -> int:
    """Talk with a model at the terminal, or let each line of a pipe be one turn.

    Ctrl-C stops an answer and keeps the chat, Ctrl-D leaves. /help lists the commands of the chat.

    \b
    neuralterm chat -m openai/gpt-4o --title trip
    neuralterm chat -c
    neuralterm chat --max-cost 0.05 < questions.txt
    """
    from neuralterm.cli.exit_codes import ExitCode, exit_code_of_answer
    from neuralterm.cli.request_options import apply_to_container, build_request
    from neuralterm.components.chat import Chat

    apply_to_container(container, given)
    container.ceiling_may_change = True
    container.console.require_stdout()
    container.recover()
    request = build_request(container, given, prompt="")
    chat = Chat(container.chat_parts, request, _confirm(container), is_kept=not container.settings.no_log)
    turns = _input(container, chat)
    watch_reader(container)
    if turns.interactive and container.settings.no_log:
        container.console.note("what is said here is not kept, only what it costs", dim=True)
    with reconciling_beside(container, afterwards=True):
        statuses = run(container, _talk, container, chat, turns)
    if turns.interactive:
        return ExitCode.OK
    return next((code for status in statuses if (code := exit_code_of_answer(status))), ExitCode.OK)


async def _talk(container: Container, chat: Chat, turns: ChatInput) -> list[MessageStatus]:
    """Run the chat. For whoever sits at a terminal for the first time the models are fetched beside it."""
    fetching = started(container.provide_models) if turns.interactive else None
    try:
        return await chat.run(turns)
    finally:
        if fetching is not None:
            fetching.cancel()


def _confirm(container: Container) -> Confirm | None:
    threshold = container.settings.confirm_above
    if threshold is None:
        return None
    from functools import partial

    from neuralterm.cli.before_sending import confirm_price

    return partial(confirm_price, container, threshold)


def _input(container: Container, chat: Chat) -> ChatInput:
    import sys

    if sys.stdin is not None and sys.stdin.isatty() and container.console.stdout_is_terminal:
        return _terminal(container, chat)
    from neuralterm.components.chat_input import PipeInput

    return PipeInput()


def _terminal(container: Container, chat: Chat) -> ChatInput:
    """Seat the person at the terminal: with an editor for lines, and with files."""
    from functools import partial
    from pathlib import Path

    from neuralterm.cli.signals import on_return
    from neuralterm.cli.stdin import file_text, stdin_bytes
    from neuralterm.components.chat_state import Desk
    from neuralterm.components.chat_status import status_line
    from neuralterm.components.chat_terminal import TerminalInput

    settings = container.settings
    turns = TerminalInput(
        None if settings.no_log else Path(settings.database).with_name("chat_history"),
        lambda: status_line(chat.state, container.console.width),
        container.redaction.redact,
        lambda before: container.chat_suggestions(before),
        color=settings.color,
    )
    container.interruption.before_end.append(turns.restore_terminal)
    on_return(partial(_come_back, container.console, turns))
    chat.state.desk = Desk(
        read_text=file_text,
        read_attachment=lambda source: container.read_attachment(source, stdin_bytes),
        write=_write,
        edit=turns.edit,
    )
    return turns


def _come_back(console: Console, turns: TerminalInput) -> None:
    console.come_back()
    turns.come_back()


def _write(path: Path, text: str, overwrite: bool) -> None:
    from neuralterm.cli.writing import write_file

    write_file(path, [text], overwrite=overwrite)
