"""Slash commands that deal with files and with the editor."""

from __future__ import annotations

import shlex
from pathlib import Path

from neuralterm.application.history import Transcript
from neuralterm.components.chat_state import ChatState, Desk, Turn
from neuralterm.domain.exceptions import ValidationError
from neuralterm.domain.record import replace
from neuralterm.domain.text import one_line


async def edit(state: ChatState, argument: str) -> Turn | None:
    """Open the editor; return what was saved, in the place of the last exchange if that is what was edited."""
    before = None if argument else state.last_turn()
    text = before.prompt if before else argument
    edited = _desk(state).edit(text)
    if edited is None or edited.strip() == text.strip():
        state.console.note("nothing is sent: the text is as it was", dim=True)
        return None
    if not edited.strip():
        state.console.note("nothing is sent: the text is empty", dim=True)
        return None
    prompt = edited.strip("\n")
    return replace(before, prompt=prompt) if before else Turn(prompt)


async def add_files(state: ChatState, argument: str) -> None:
    """Put text files aside for the next turn: all of them, or none."""
    texts = [_desk(state).read_text(path) for path in _paths(argument, "/file")]
    state.texts += tuple(text for text in texts if text)
    _say_material(state)


async def attach(state: ChatState, argument: str) -> None:
    """Put attachments aside for the next turn: all of them, or none."""
    files = [_desk(state).read_attachment(source) for source in _paths(argument, "/attach")]
    state.attachments += tuple(files)
    _say_material(state)


async def save(state: ChatState, argument: str) -> None:
    """Write the conversation to a new file."""
    _write(state, argument, overwrite=False)


async def save_over(state: ChatState, argument: str) -> None:
    """Write the conversation to a file, whether it is there or not."""
    _write(state, argument, overwrite=True)


def _write(state: ChatState, argument: str, *, overwrite: bool) -> None:
    paths = _paths(argument, "/save")
    if len(paths) > 1:
        raise ValidationError("/save writes one file", hint="put a name with spaces in quotes")
    from neuralterm.components.export_formats import EXPORT_FORMATS, format_of
    from neuralterm.components.history_export import exported

    path = Path(paths[0])
    form = format_of(path)
    if form is None:
        endings = ", ".join(f".{each}" for each in EXPORT_FORMATS)
        raise ValidationError(f"what to write can't be told from the name {path}", hint=f"it may end in {endings}")
    conversation = state.conversation and state.parts.repository.get_by_id(state.conversation.id)
    if conversation is None:
        raise ValidationError("nothing was said yet")
    (text,) = exported([Transcript(conversation, state.messages(withdrawn=True))], form)
    try:
        _desk(state).write(path, text + "\n", overwrite)
    except ValidationError as error:
        hint = "/save! writes over it" if error.code == "FILE_EXISTS" else error.hint
        raise ValidationError(error.message, error.code, hint=hint) from error
    state.console.note(f"written to {path}")


def _desk(state: ChatState) -> Desk:
    if state.desk is None:
        raise ValidationError("there are no files and no editor here")
    return state.desk


def _paths(argument: str, command: str) -> list[str]:
    """Return the names in an argument as a shell would read them, with `~` for the home folder."""
    try:
        words = shlex.split(argument)
    except ValueError as error:
        raise ValidationError(
            f"{command}: a quote is not closed", hint="a backslash before it makes it a letter"
        ) from error
    if not words:
        raise ValidationError(f"{command} needs the name of a file")
    if "-" in words:
        raise ValidationError("stdin is where this chat comes from: - names no file here")
    return [str(Path(word).expanduser()) if word.startswith("~") else word for word in words]


def _say_material(state: ChatState) -> None:
    parts = [f"{sum(map(len, state.texts)):,} characters of text"] if state.texts else []
    parts += [one_line(file.attachment.name) for file in state.attachments]
    state.console.note(f"with the next turn: {', '.join(parts) or 'nothing, the file is empty'}")
