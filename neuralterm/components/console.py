"""The only writer to stdout and stderr."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

from neuralterm.components.foreign_text import LineGuard, distinct, quoted, unbroken, visible
from neuralterm.components.pipe import NobodyReadsError, Outlet, silence
from neuralterm.domain.exceptions import StreamInterruptedError, ValidationError
from neuralterm.domain.text import one_line
from neuralterm.setting_terminal import terminal_columns

if TYPE_CHECKING:
    from neuralterm.components.aside import Aside
    from neuralterm.components.busy_line import BusyLine
    from neuralterm.components.markdown import MarkdownStream

OUTPUT_FAILED = "OUTPUT_FAILED"


class Console:
    """Writes the answer to stdout, everything else to stderr, and knows whether a line of the answer is open.

    Writing to stdout raises BrokenPipeError when nobody reads, StreamInterruptedError with the code `OUTPUT_FAILED` when
    it is closed, the disk is full or the like, KeyboardInterrupt when `interrupted` while a reader does not read. What
    stderr does not take is lost, and changes nothing.
    `quiet` leaves only errors on stderr. `color` False turns styling off even on a terminal. With `moves_cursor` a terminal
    can erase what stands on its last line. With `markdown` an answer is shown as Markdown, where it goes to a terminal that
    may be styled.

    On a terminal no control character is obeyed, and no text from outside can pass for a line of ours. Each line of ours on
    stderr stays one line, whatever it quotes, so that a script can rely on how it begins.
    """

    def __init__(
        self,
        *,
        quiet: bool = False,
        color: bool = True,
        moves_cursor: bool = False,
        markdown: bool = False,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        # A stream that was closed before we started is None.
        self._stdout_is_closed = stdout is None and sys.stdout is None
        self._stdout = _utf8(stdout or sys.stdout or io.StringIO(), errors="replace")
        self._stderr = _utf8(stderr or sys.stderr or io.StringIO(), errors="backslashreplace")
        self._outlet = Outlet.behind(self._stdout, interrupted)
        self._error_outlet = Outlet.behind(self._stderr, interrupted)
        self.quiet = quiet
        self.stdout_is_terminal = self._stdout.isatty()
        self.stderr_is_terminal = self._stderr.isatty()
        if sys.platform == "win32" and (self.stdout_is_terminal or self.stderr_is_terminal):
            from colorama import just_fix_windows_console

            just_fix_windows_console()  # older consoles obey no escape sequences unless told to
        self._color = color
        self._moves_cursor = moves_cursor
        self._busy: BusyLine | None = None
        self._held_newlines = 0
        self._line_open = False
        self._aside: Aside | None = None
        self._share_terminal = self.stdout_is_terminal and self.stderr_is_terminal
        self._guard = LineGuard()
        # Whether answers are shown as Markdown.
        self.renders = markdown and color and self.stdout_is_terminal
        self._markdown: MarkdownStream | None = None

    @property
    def width(self) -> int:
        """Columns of the terminal; 80 where there is none."""
        return terminal_columns()

    @property
    def stdout_width(self) -> int | None:
        """Columns of the terminal that stdout is; None when it is something else."""
        return self.width if self.stdout_is_terminal else None

    @property
    def shows_asides(self) -> bool:
        """True where somebody may read the model's reasoning: stderr is a terminal, and not quiet."""
        return self.stderr_is_terminal and not self.quiet

    def require_stdout(self) -> None:
        """Raise ValidationError if stdout is closed, so that nothing is bought for nobody."""
        if self._stdout_is_closed:
            raise ValidationError(
                "stdout is closed, so the answer has nowhere to go",
                "STDOUT_CLOSED",
                hint="`> /dev/null` throws it away",
            )

    def write_answer(self, text: str) -> None:
        """Write a piece of the answer and flush it. Newlines at its end wait: an answer ends with exactly one."""
        if self.renders:
            self._render(text)
            return
        body = text.rstrip("\n")
        if not body:
            self._held_newlines += len(text)
            return
        self._close_aside()
        pieces = "\n" * self._held_newlines + body
        self._held_newlines = len(text) - len(body)
        self._put(self._shown(pieces))
        self._line_open = True

    def end_answer(self) -> None:
        """End the answer with one newline; nothing if none of it was written."""
        if self._markdown is not None:
            stream, self._markdown = self._markdown, None
            self._close_aside()
            if rest := stream.finish():
                self._put(rest)
        elif self._line_open:
            self._put(self._guard.flush() + "\n")
            self._guard.restart()
        self._close_aside()
        self._line_open = False
        self._held_newlines = 0

    def leave_open_line(self) -> None:
        """End a line of the answer that is open on a terminal, for a process that ends without ado."""
        if self._busy is not None:
            self._busy.end()
        if self._line_open and self.stdout_is_terminal:
            os.write(self._stdout.fileno(), b"\x1b[0m\n" if self.renders else b"\n")

    def come_back(self) -> None:
        """Note that the process was suspended, and that others have had the terminal. Can be called at any time."""
        if self._markdown is not None:
            self._markdown.come_back()

    def print(self, text: str, *, bold: Sequence[tuple[int, int]] = ()) -> None:
        """Write a document and a newline to stdout; on a terminal the places in `bold` stand out.

        These are in order, and none is at the beginning of a line.
        """
        if self.stdout_is_terminal:
            text = self._bold(text, bold) if bold and self._color else visible(text)
            text = distinct(text) if self._share_terminal else text
        self._put(text + "\n")

    @contextmanager
    def busy(self, with_what: str) -> Iterator[None]:
        """Tell on stderr's terminal, from a second on, what is waited for and how long; gone when the wait is over.

        Where nothing can be erased, it is told once.

        Where stdout is the same terminal, it is over when something is written there.
        """
        if not self.stderr_is_terminal or self.quiet or self._busy is not None:
            yield
            return
        from neuralterm.components.busy_line import BusyLine

        self._busy = BusyLine(self._say_plainly, terminal_columns, erases=self._moves_cursor)
        try:
            with self._busy.shown(visible(with_what)):
                yield
        finally:
            self._busy = None

    @contextmanager
    def left_to_another(self) -> Iterator[None]:
        """Draw no line about waiting meanwhile: another program has the terminal, and may ask there."""
        if self._busy is None:
            yield
            return
        with self._busy.hidden():
            yield

    def print_messages(self, head: str, messages: Iterable[tuple[str, str]]) -> None:
        """Write what a conversation is, and heading and text of each message, to stdout; the texts as answers are."""
        self.print(head)
        for heading, text in messages:
            self.print(f"\n{heading}")
            self.write_answer(text)
            self.end_answer()

    def note(self, text: str, **style: Any) -> None:
        """Write a line about the work to stderr, unless quiet."""
        if not self.quiet:
            self._line(text, style)

    def print_styled(self, text: str, style_of: Mapping[str, Mapping[str, Any]]) -> None:
        """Write a document that has no word of others and a newline to stdout.

        On a terminal that may be styled, each character that `style_of` knows gets the style of `click.style`.
        """
        if not (self.stdout_is_terminal and self._color):
            self.print(text)
            return
        import click

        styled = {ord(character): click.style(character, **style) for character, style in style_of.items()}
        self._put(text.translate(styled) + "\n")

    def error(self, text: str, hint: str | None = None) -> None:
        """Write `error: ...` and the next step, if there is one, to stderr."""
        self._line(f"error: {one_line(text)}", {"fg": "red"})
        if hint:
            self._line(f"hint: {one_line(hint)}", {})

    def confirm(self, question: str, about: Iterable[str]) -> bool:
        """List on stderr what it is about, also when quiet, and ask."""
        import click

        for line in about:
            self._line(one_line(line), {})
        try:
            return click.confirm(visible(unbroken(question)), err=True)
        except click.Abort:
            self._say("\n")  # the question's line is still open
            raise
        except OSError:  # who can't be asked has not agreed
            return False

    def ask_secret(self, prompt: str) -> str:
        """Ask for a line that the terminal does not show; where nobody sits at one, read it from stdin."""
        if sys.stdin is None or not sys.stdin.isatty():
            return "" if sys.stdin is None else sys.stdin.readline()
        from getpass import getpass

        self._close_open_line()
        try:
            return getpass(visible(unbroken(prompt)), stream=self._stderr)
        except KeyboardInterrupt:
            self._say("\n")  # the cursor still stands behind the question
            raise

    async def ask(self, question: str) -> bool | None:
        """Ask the person at the terminal, also when stdin is a pipe; None when nobody is there. May be cancelled."""
        if not self.stderr_is_terminal:
            return None
        self._close_open_line()
        terminal = _terminal()
        if terminal is None:
            return None
        self._say(f"{visible(unbroken(question))} [y/N] ")
        line = b""
        try:
            line = await _line_of(terminal)
        finally:
            # After Ctrl-C and Ctrl-D the cursor still stands behind the question.
            if not line.endswith(b"\n"):
                self._say("\n")
        return line.strip().lower() in (b"y", b"yes")

    def plain_error(self, text: str) -> None:
        """Write text of our own to stderr as it is: a JSON document, a help page."""
        self._close_open_line()
        self._close_aside()
        self._say(text + "\n")

    def quote(self, text: str) -> None:
        """Write lines that hold words of others to stderr, such as a traceback, each marked as quoted."""
        self.plain_error(quoted(text))

    def aside(self, text: str) -> None:
        """Write a piece of the model's reasoning, dim and marked as quoted, if stderr is a terminal and not quiet."""
        if not self.shows_asides:
            return
        if self._aside is None:
            if not text.strip():
                return
            from neuralterm.components.aside import Aside

            self._close_open_line()
            self._aside = Aside(lambda: (_size_of(self._stderr) or (None,))[0])
        if shown := self._aside.feed(visible(text)):
            self._say(self._styled(shown, {"dim": True}))

    def _bold(self, text: str, places: Sequence[tuple[int, int]]) -> str:
        import click

        parts, at = [], 0
        for start, end in places:
            parts += [visible(text[at:start]), click.style(visible(text[start:end]), bold=True)]
            at = end
        return "".join(parts) + visible(text[at:])

    def _put(self, text: str) -> None:
        if self._stdout_is_closed:
            raise StreamInterruptedError("stdout can't be written: it is closed", OUTPUT_FAILED)
        if self._busy is not None and self.stdout_is_terminal:
            self._busy.end()
        try:
            _write(self._stdout, self._outlet, text)
        except BrokenPipeError:
            raise
        except NobodyReadsError:
            raise KeyboardInterrupt from None
        except OSError as exc:
            reason = exc.strerror or str(exc)
            raise StreamInterruptedError(f"stdout can't be written: {reason.lower()}", OUTPUT_FAILED) from exc

    def _say(self, text: str) -> None:
        if self._busy is None:
            self._say_plainly(text)
        else:
            self._busy.put(text)

    def _say_plainly(self, text: str) -> None:
        try:
            _write(self._stderr, self._error_outlet, text)
        except (OSError, ValueError, NobodyReadsError):
            silence(self._stderr)

    def _line(self, text: str, style: dict[str, Any]) -> None:
        self._close_open_line()
        self._close_aside()
        self._say(self._styled(visible(unbroken(text)), style) + "\n")

    def _close_open_line(self) -> None:
        if not (self._line_open and self._share_terminal):
            return
        if self._markdown is not None:
            if way := self._markdown.leave_line():
                self._say(way)
        elif not self._guard.at_start:
            self._say("\n")
            self._guard.restart()

    def _shown(self, text: str) -> str:
        """Return a piece of the answer as it is to be written."""
        if not self.stdout_is_terminal:
            return text
        return self._guard.feed(visible(text)) if self._share_terminal else visible(text)

    def _render(self, text: str) -> None:
        if self._markdown is None:
            from neuralterm.components.markdown import MarkdownStream

            self._markdown = MarkdownStream(self._screen_size, guarded=self._share_terminal)
        if text.strip("\n"):
            self._close_aside()
        if shown := self._markdown.feed(text):
            self._put(shown)
            self._line_open = True

    def _screen_size(self) -> tuple[int, int] | None:
        return _size_of(self._stdout)

    def _close_aside(self) -> None:
        if self._aside is not None:
            aside, self._aside = self._aside, None
            self._say(self._styled(aside.finish(), {"dim": True}))

    def _styled(self, text: str, style: dict[str, Any]) -> str:
        if not (style and self.stderr_is_terminal and self._color):
            return text
        import click

        return click.style(text, **style)


def _size_of(stream: TextIO) -> tuple[int, int] | None:
    """Return columns and rows of the terminal that a stream is, whatever `COLUMNS` says; None when they are not known."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return None
    return (size.columns, size.lines) if size.columns > 1 and size.lines > 1 else None


def _write(stream: TextIO, outlet: Outlet | None, text: str) -> None:
    if outlet is not None:
        outlet.write(text)
        return
    stream.write(text)
    stream.flush()


def _terminal() -> io.RawIOBase | None:
    """Open the terminal that the process belongs to, whatever stdin is; None without one."""
    try:
        return open("CONIN$" if os.name == "nt" else "/dev/tty", "rb", buffering=0)
    except OSError:
        return None


async def _line_of(terminal: io.RawIOBase) -> bytes:
    """Return the line that is typed next, empty for Ctrl-D, and close the terminal. While it waits, signals are noticed."""
    import anyio

    with terminal:
        if os.name != "nt":  # whose console can't be waited for
            with suppress(OSError):  # where a terminal can't be waited for, reading waits
                await anyio.wait_readable(terminal.fileno())
        return terminal.readline()


def _utf8(stream: TextIO, *, errors: str) -> TextIO:
    """Make a stream write UTF-8 whatever the locale, and newlines as they are."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(encoding="utf-8", errors=errors, newline="\n")
    return stream
