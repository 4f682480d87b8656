"""Turns from a person at a terminal: line editing with history, search, completion, and a bottom line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import has_focus
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import ColorDepth

from neuralterm.components.chat_lines import continued, finished, is_unfinished
from neuralterm.components.chat_typeahead import TypeAhead, pasted_rest
from neuralterm.components.foreign_text import unbroken, visible
from neuralterm.domain.exceptions import ValidationError
from neuralterm.setting_files import make_private_folder

if TYPE_CHECKING:
    from prompt_toolkit.document import Document

    from neuralterm.components.chat_completion import Suggestion

# What an answer cost may become known, and budgets may be used by others, while nobody types.
_STATUS_INTERVAL_S = 1.0


class TerminalInput:
    """Line editing. Alt-Enter or a backslash at the end of a line adds a line, three double quotes a block.

    `restore_terminal` puts the terminal back into the modes it was found in, for a process that ends without ado. Without a
    `history_file` what was typed is remembered until the end of the chat; what is written to one goes through `clean`.
    `suggest` is asked, with the text before the cursor, when the user wants it completed.
    """

    interactive = True

    def __init__(
        self,
        history_file: Path | None,
        status: Callable[[], str],
        clean: Callable[[str], str] = str,
        suggest: Callable[[str], Sequence[Suggestion]] = lambda text: (),
        *,
        color: bool = True,
    ) -> None:
        descriptor = sys.stdin.fileno()
        self.restore_terminal = _restoring(descriptor)
        self._typed_ahead = TypeAhead(descriptor)
        self._session: PromptSession[str] = PromptSession(
            history=_history(history_file, clean),
            key_bindings=_bindings(),
            bottom_toolbar=lambda: visible(unbroken(status())),
            refresh_interval=_STATUS_INTERVAL_S,
            completer=_Completer(suggest),
            complete_while_typing=False,
            prompt_continuation=". ",
            search_ignore_case=True,
            enable_suspend=True,
            color_depth=None if color else ColorDepth.MONOCHROME,
        )

    async def next_turn(self) -> str | None:
        """Return what was typed; None on Ctrl-D, and when the terminal is gone."""
        self._typed_ahead.replay(self._session.input)
        try:
            return finished(str(await self._session.prompt_async("> ")))
        except (EOFError, OSError):
            return None

    def busy(self) -> AbstractContextManager[None]:
        """Keep what is typed while a command or an answer takes its time for the next turn."""
        return self._typed_ahead.kept()

    def come_back(self) -> None:
        """Note that the process was suspended, and goes on. Can be called at any time."""
        self._typed_ahead.come_back()

    def edit(self, text: str) -> str | None:
        """Return what became of a text in the user's editor, None when it was not saved. Raises ValidationError."""
        import click

        self.restore_terminal()
        try:
            return click.edit(text, extension=".md")
        except click.ClickException as error:
            raise ValidationError(f"the editor failed: {error.message}", hint="$VISUAL or $EDITOR names it") from error
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise ValidationError(f"what was edited can't be read: {reason}") from error
        finally:
            self.restore_terminal()


class _Completer(Completer):
    def __init__(self, suggest: Callable[[str], Sequence[Suggestion]]) -> None:
        self._suggest = suggest

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        for each in self._suggest(document.text_before_cursor):
            yield Completion(
                each.text, -each.replaced, display=visible(each.shown), display_meta=visible(unbroken(each.note))
            )


def _bindings() -> KeyBindings:
    bindings = KeyBindings()
    at_line = has_focus(DEFAULT_BUFFER)

    @bindings.add("escape", "enter", filter=at_line)
    def insert_newline(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @bindings.add("enter", filter=at_line)
    def send_or_go_on(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if rest := pasted_rest(event):
            buffer.insert_text(f"\n{rest}")
        elif is_unfinished(buffer.text):
            buffer.text = continued(buffer.text)
            buffer.cursor_position = len(buffer.text)
        else:
            buffer.validate_and_handle()

    @bindings.add("c-x", "c-e", filter=at_line)
    def write_in_editor(event: KeyPressEvent) -> None:
        event.current_buffer.open_in_editor()

    @bindings.add("c-c", filter=at_line)
    def drop_line(event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.reset()
        else:
            event.app.exit(exception=KeyboardInterrupt())

    return bindings


def _restoring(descriptor: int) -> Callable[[], None]:
    try:
        import termios
    except ImportError:  # Windows
        return lambda: None
    modes = termios.tcgetattr(descriptor)
    return lambda: termios.tcsetattr(descriptor, termios.TCSANOW, modes)


class _CleanHistory(FileHistory):
    """The lines of earlier chats in a file. One that can't be read or written is no reason to lose a turn."""

    def __init__(self, path: Path, clean: Callable[[str], str]) -> None:
        self._clean = clean
        super().__init__(str(path))

    def load_history_strings(self) -> Iterable[str]:
        try:
            return super().load_history_strings()
        except OSError:
            return []

    def store_string(self, string: str) -> None:
        with suppress(OSError):
            super().store_string(self._clean(string))


def _history(path: Path | None, clean: Callable[[str], str]) -> History:
    if path is None:
        return InMemoryHistory()
    with suppress(OSError):
        _make_private(path)
    return _CleanHistory(path, clean)


def _make_private(path: Path) -> None:
    make_private_folder(str(path.parent))
    os.close(os.open(path, os.O_CREAT | os.O_APPEND, 0o600))
    path.chmod(0o600)
