"""Where the turns of a chat come from: the lines of a pipe, or a person (`chat_terminal.py`)."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Protocol

from neuralterm.domain.exceptions import ValidationError

_BLOCK = 1 << 16


class ChatInput(Protocol):
    """A source of turns."""

    interactive: bool

    async def next_turn(self) -> str | None:
        """Return the next turn, None at the end. Raises KeyboardInterrupt when the user presses Ctrl-C and typed nothing."""

    def busy(self) -> AbstractContextManager[None]:
        """Look after what is typed while something else runs than the editor."""


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

    def busy(self) -> AbstractContextManager[None]:
        """Do nothing: a pipe holds what it holds."""
        return nullcontext()

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
