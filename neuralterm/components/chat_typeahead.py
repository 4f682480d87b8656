"""What is typed while a command or an answer takes its time: not shown in the middle, and never sent line by line."""

from __future__ import annotations

import os
import re
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prompt_toolkit.input import Input
    from prompt_toolkit.key_binding import KeyPressEvent
    from prompt_toolkit.key_binding.key_processor import KeyPress

_BLOCK = 1 << 16
# Seconds. The rest of something that is being pasted does not come later.
_PASTE_GAP_S = 0.02
# A late answer of the terminal itself.
_WHERE_CURSOR_IS = "\x1b\\[[0-9]+;[0-9]+R"


class TypeAhead:
    """Keeps what comes from a terminal in a while, for the line editor to begin with."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._typed = b""
        self._quiet: list[Any] | None = None

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Read what is typed, unseen, while the block runs in an event loop; Ctrl-C and Ctrl-Z do what they do."""
        try:
            import termios
        except ImportError:  # Windows
            yield
            return
        import asyncio

        loop = asyncio.get_running_loop()
        modes = termios.tcgetattr(self._descriptor)
        quiet = [*modes[:3], modes[3] & ~(termios.ECHO | termios.ICANON), *modes[4:6], list(modes[6])]
        quiet[6][termios.VMIN], quiet[6][termios.VTIME] = 1, 0
        self._quiet = quiet
        termios.tcsetattr(self._descriptor, termios.TCSANOW, quiet)
        loop.add_reader(self._descriptor, self._read_in, loop.remove_reader)
        try:
            yield
        finally:
            loop.remove_reader(self._descriptor)
            self._quiet = None
            with suppress(OSError, termios.error):  # the terminal is gone
                self._read_rest()
                termios.tcsetattr(self._descriptor, termios.TCSANOW, modes)

    def come_back(self) -> None:
        """Note that the process was suspended, and that a shell has set the terminal as it likes. Can be called at any time."""
        quiet = self._quiet
        if quiet is None:
            return
        import termios

        with suppress(OSError, termios.error):  # the terminal is gone
            if self._is_in_front():
                termios.tcsetattr(self._descriptor, termios.TCSANOW, quiet)

    def replay(self, editor: Input) -> None:
        """Hand what was typed to the line editor. Several lines count as pasted: they wait there for Enter."""
        typed, self._typed = re.sub(_WHERE_CURSOR_IS, "", self._typed.decode("utf-8", "replace")), b""
        if not typed:
            return
        from prompt_toolkit.input.typeahead import store_typeahead
        from prompt_toolkit.key_binding.key_processor import KeyPress
        from prompt_toolkit.keys import Keys

        is_pasted = "\n" in typed.strip("\n")
        store_typeahead(editor, [KeyPress(Keys.BracketedPaste, typed)] if is_pasted else _keys_of(typed))

    def _read_in(self, forget: Callable[[int], object]) -> None:
        if not self._is_in_front() or not self._read():
            forget(self._descriptor)

    def _is_in_front(self) -> bool:
        """Say whether the terminal is ours: a process in the background would be stopped for using it."""
        return os.tcgetpgrp(self._descriptor) == os.getpgrp()

    def _read(self) -> bool:
        """Take what there is; False at the end."""
        try:
            block = os.read(self._descriptor, _BLOCK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._typed += block
        return bool(block)

    def _read_rest(self) -> None:
        while select.select([self._descriptor], [], [], _PASTE_GAP_S if self._typed else 0)[0] and self._read():
            pass


def pasted_rest(event: KeyPressEvent) -> str:
    """Return what came together with the key that is handled, if it is text, and take it from the line editor.

    So comes what is pasted where the terminal does not mark it. Blank lines alone are somebody's who is impatient.
    """
    queue = event.key_processor.input_queue
    keys = list(queue)
    with suppress(OSError):  # Windows, where the line editor finds out by itself
        while select.select([event.app.input.fileno()], [], [], _PASTE_GAP_S if keys else 0)[0]:
            if not (more := event.app.input.read_keys()):
                break
            keys += more
    text = "".join(map(_text_of, keys))
    queue.clear()
    if text.strip():
        return text
    queue.extend(keys)
    return ""


def _text_of(key: KeyPress) -> str:
    from prompt_toolkit.keys import Keys

    if key.key in (Keys.ControlM, Keys.ControlJ):
        return "\n"
    return "\t" if key.key is Keys.ControlI else key.data if key.key == key.data else ""


def _keys_of(typed: str) -> list[KeyPress]:
    from prompt_toolkit.input.vt100_parser import Vt100Parser

    keys: list[KeyPress] = []
    parser = Vt100Parser(keys.append)
    parser.feed_and_flush(typed)
    return keys
