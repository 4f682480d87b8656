"""Slash commands about what was said: taking back, asking again, forks, titles, other conversations."""

from __future__ import annotations

from datetime import UTC, datetime

from neuralterm.application.editing import fork_conversation, rename_conversation, withdraw_last_exchange
from neuralterm.application.history import resolve_conversation
from neuralterm.application.records import HistoryFilter
from neuralterm.components import chat_view
from neuralterm.components.chat_state import ChatState, Turn
from neuralterm.components.tables import clipped
from neuralterm.domain.exceptions import ValidationError
from neuralterm.domain.models import Conversation
from neuralterm.domain.record import replace
from neuralterm.domain.text import one_line

_RECENT = 10
_MESSAGES_SHOWN = 20


async def undo(state: ChatState, argument: str) -> None:
    """Take the last exchange back."""
    if state.unsent is not None:
        state.unsent = None
        state.console.note("the last prompt was not sent: there was nothing to take back")
        return
    prompt = None
    if state.conversation is not None:
        prompt = withdraw_last_exchange(state.parts.repository, state.conversation.id)
    if prompt is None:
        raise ValidationError("there is nothing to take back")
    state.recount()
    taken = f"taken back: {one_line(prompt)}"
    state.console.note(clipped(taken, state.console.width))
    state.console.note("the model sees it no more; it stays in the history, and its cost counts", dim=True)


async def retry(state: ChatState, argument: str) -> Turn:
    """Ask the last prompt again, in its place."""
    turn = state.last_turn()
    if turn is None:
        raise ValidationError("there is nothing to ask again")
    if argument:
        await state.parts.check_model(argument)
    return replace(turn, model=argument or None)


async def fork(state: ChatState, argument: str) -> None:
    """Go on in a copy."""
    number = _number(argument, "/fork") if argument else None
    copy = fork_conversation(state.parts.repository, _begun(state).id, number)
    state.go_on_in(copy, state.model)
    identity = chat_view.short_id(copy, state.parts.repository)
    state.console.note(f"going on in the copy {identity}: {one_line(copy.title or 'Untitled')}")


async def title(state: ChatState, argument: str) -> None:
    """Show or set the title; the next conversation's where none has begun."""
    if state.conversation is None:
        state.request = replace(state.request, title=argument or state.request.title)
        state.console.note(f"title: {one_line(state.request.title or '(the first prompt will be the title)')}")
        return
    if argument:
        state.conversation = rename_conversation(state.parts.repository, state.conversation.id, argument)
    stored = state.parts.repository.get_by_id(state.conversation.id) or state.conversation
    state.console.note(f"title: {one_line(stored.title or 'Untitled')}")


async def list_messages(state: ChatState, argument: str) -> None:
    """Show what was said, with the numbers that `/fork` takes."""
    count = _number(argument, "/history") if argument else _MESSAGES_SHOWN
    messages = state.messages(withdrawn=True)
    for line in chat_view.message_lines(messages, count, state.console.width):
        state.console.note(line)
    if not messages:
        state.console.note("nothing was said yet; /resume lists other conversations")


async def resume(state: ChatState, argument: str) -> None:
    """List the conversations that were changed last, or go on with one."""
    repository, console = state.parts.repository, state.console
    if not argument:
        recent = repository.summaries(HistoryFilter(limit=_RECENT))
        for line in chat_view.conversation_lines(recent, datetime.now(UTC), console.width):
            console.note(line)
        if not recent:
            console.note("no conversations")
        return
    state.go_on_in(resolve_conversation(repository, argument))
    for line in chat_view.where_one_is(state):
        console.note(line, dim=True)


async def begin_anew(state: ChatState, argument: str) -> None:
    """Let the next turn begin a conversation."""
    state.begin_anew(argument or None)
    state.console.note("a fresh conversation begins with the next line")


def _begun(state: ChatState) -> Conversation:
    if state.conversation is None:
        raise ValidationError("nothing was said yet")
    return state.conversation


def _number(argument: str, command: str) -> int:
    try:
        number = int(argument)
    except ValueError:
        number = 0
    if number < 1:
        raise ValidationError(f"{command} takes the number of a message, not {argument!r}", hint="/history shows them")
    return number
