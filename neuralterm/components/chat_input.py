"""Where the turns of a chat come from: a person at a terminal, or the lines of a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from neuralterm.components.foreign_text import unbroken, visible
from neuralterm.domain.exceptions import ValidationError

if TYPE_CHECKING:
    from prompt_toolkit.history import History

BLOCK_MARK = '"""'
_BLOCK = 1 << 16


class ChatInput(Protocol):
    """A source of turns."""

    interactive: bool

    async def next_turn(self) -> str | None:
        """Return the next turn, None at the end. Raises KeyboardInterrupt when the user wants out of a half-typed one."""


# What an answer cost may become known, and budgets may be used by others, while nobody types.
_STATUS_INTERVAL_S = 1.0


class PipeInput:
    """Each line of stdin is a turn; blank ones are passed over."""

    interactive = False

    def __init__(self) -> None:
        self._pending = b""

    async def next_turn(self) -> str | None:
        """Return the next line that is not blank. Raises ValidationError for one that is not UTF-8."""
        while (data := await self._next_line()) is not None:
            try:
                line = data.decode("utf-8").strip()
            except UnicodeDecodeError as error:
                raise ValidationError("stdin is not UTF-8 text", "BINARY_INPUT") from error
            if line:
                return line
        return None

    async def _next_line(self) -> bytes | None:
        while b"\n" not in self._pending:
            block = await _read_stdin()
            if not block:
                rest, self._pending = self._pending, b""
                return rest or None
            self._pending += block
        line, _, self._pending = self._pending.partition(b"\n")
        return line


async def _read_stdin() -> bytes:
    """Return what stdin has next; while it has nothing, signals are noticed. No thread: one that reads can't be ended."""
    import anyio

    if sys.stdin is None:
        return b""
    try:
        descriptor = sys.stdin.fileno()
    except OSError:
        return sys.stdin.buffer.read()  # a stream in memory
    while True:
        with suppress(OSError):  # what can't be waited for, such as a regular file, is always ready
            await anyio.wait_readable(descriptor)
        try:
            return os.read(descriptor, _BLOCK)
        except BlockingIOError:  # somebody who shares it was quicker
            continue
        except OSError as error:
            raise ValidationError(f"stdin can't be read: {(error.strerror or str(error)).lower()}") from error


class TerminalInput:
    """Line editing with history. Alt-Enter or a backslash at the end of a line adds a line, three double quotes a block.

    `restore_terminal` puts the terminal back into the modes it was found in, for a process that ends without ado. Without a
    `history_file` what was typed is remembered until the end of the chat; what is written to one goes through `clean`.
    """

    interactive = True

    def __init__(self, history_file: Path | None, status: Callable[[], str], clean: Callable[[str], str] = str) -> None:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

        bindings = KeyBindings()

        @bindings.add("escape", "enter")
        def insert_newline(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\n")

        self.restore_terminal = _restoring(sys.stdin.fileno())
        self._session: PromptSession[str] = PromptSession(
            history=_history(history_file, clean),
            key_bindings=bindings,
            bottom_toolbar=lambda: visible(unbroken(status())),
            refresh_interval=_STATUS_INTERVAL_S,
        )

    async def next_turn(self) -> str | None:
        """Return what was typed, continued lines joined; None on Ctrl-D, and when the terminal is gone."""
        try:
            text = str(await self._session.prompt_async("> "))
            while is_unfinished(text):
                text = continued(text) + str(await self._session.prompt_async(". "))
        except (EOFError, OSError):
            return None
        return finished(text)


def is_unfinished(text: str) -> bool:
    """Say whether a turn goes on in the next line: a backslash at its end, or a block that is still open."""
    if text.lstrip().startswith(BLOCK_MARK):
        return text.count(BLOCK_MARK) < 2  # one opens, one closes
    return text.endswith("\\")


def continued(text: str) -> str:
    """Return the text as the next line follows it."""
    return (text if text.lstrip().startswith(BLOCK_MARK) else text.removesuffix("\\")) + "\n"


def finished(text: str) -> str:
    """Return the turn without the marks of a block."""
    stripped = text.strip()
    if stripped.startswith(BLOCK_MARK) and stripped.count(BLOCK_MARK) > 1:
        inside = stripped[len(BLOCK_MARK) :]
        end = inside.index(BLOCK_MARK)
        return (inside[:end] + inside[end + len(BLOCK_MARK) :]).strip("\n")
    return text


def _restoring(descriptor: int) -> Callable[[], None]:
    try:
        import termios
    except ImportError:  # Windows
        return lambda: None
    modes = termios.tcgetattr(descriptor)
    return lambda: termios.tcsetattr(descriptor, termios.TCSANOW, modes)


def _history(path: Path | None, clean: Callable[[str], str]) -> History:
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    if path is None:
        return InMemoryHistory()

    class CleanHistory(FileHistory):
        def store_string(self, string: str) -> None:
            super().store_string(clean(string))

    _make_private(path)
    return CleanHistory(str(path))


def _make_private(path: Path) -> None:
    for folder in reversed([each for each in path.parents if not each.exists()]):
        folder.mkdir(mode=0o700, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_APPEND, 0o600))
    with suppress(OSError):
        path.chmod(0o600)
