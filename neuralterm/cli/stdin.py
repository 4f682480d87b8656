"""Reading the prompt: arguments, files, and a stdin that may be silent, endless or binary."""

from __future__ import annotations

import codecs
import math
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from neuralterm.components.pipe import descriptor_of
from neuralterm.domain.exceptions import TokenLimitError, ValidationError

if TYPE_CHECKING:
    from neuralterm.components.console import Console

# How long an open stdin may stay silent, when there is a prompt argument, before it is left alone.
PATIENCE_S = 1.0
READ_STDIN = "-"
# Bytes. The largest window of 2026 holds ten million tokens, which are forty megabytes of prose.
LARGEST_TEXT = 1 << 26
_BLOCK = 1 << 16
_END_KEY = "Ctrl-Z and Enter" if os.name == "nt" else "Ctrl-D"


def compose_prompt(
    words: Sequence[str], files: Sequence[str], console: Console, *, has_attachments: bool = False
) -> str:
    """Return the prompt: files, then stdin, then the words, with blank lines between.

    Raises:
        ValidationError: nothing to send, a file that can't be read, or input that is not text.
        TokenLimitError: input that no model's window can hold.
    """
    parts = read_parts(words, files, console)
    prompt = "\n\n".join(text for _, text in parts if text.strip())
    if not prompt.strip():
        what = "the prompt is empty, and an attachment needs one" if has_attachments else "the prompt is empty"
        raise ValidationError(
            what, "EMPTY_INPUT", hint='give it as an argument or through a pipe: neuralterm send "..."'
        )
    return prompt


def read_parts(
    words: Sequence[str], files: Sequence[str], console: Console, *, waits: bool | None = None
) -> list[tuple[str, str]]:
    """Return what the user gave, in order, each with its source: `file`, `stdin` or `words`.

    `waits` says whether to wait for stdin however long; None: when there are neither words nor files.

    Raises:
        ValidationError: a file can't be read, or input is not text.
        TokenLimitError: input that no model's window can hold.
    """
    spoken = " ".join(argument_text(word) for word in words if word != READ_STDIN)
    parts = [("stdin" if name == READ_STDIN else "file", file_text(name)) for name in files]
    if READ_STDIN not in files:
        if waits is None:
            waits = not (spoken or files)
        parts.append(("stdin", _stdin_text(must_wait=waits or READ_STDIN in words, console=console)))
    return [*parts, ("words", spoken)]


def stdin_bytes(enough: float = math.inf) -> bytes:
    """Return stdin to its end, or at least so many bytes of it. Raises ValidationError when it is closed or fails."""
    if sys.stdin is None or sys.stdin.closed:
        raise ValidationError("stdin is closed", hint="give the prompt as an argument, or through a pipe")
    descriptor = descriptor_of(sys.stdin)
    if descriptor is None or (os.name == "nt" and sys.stdin.isatty()):
        return sys.stdin.buffer.read()  # a stream in memory, or a console whose own bytes are not UTF-8
    try:
        return _bytes_of(descriptor, enough)
    except OSError as error:
        raise ValidationError(f"stdin can't be read: {(error.strerror or str(error)).lower()}") from error


def _bytes_of(descriptor: int, enough: float) -> bytes:
    # Block by block, because one read to the end does not notice a signal that comes between its system calls.
    blocks, size = [], 0
    while size < enough and (block := _next_block(descriptor)):
        blocks.append(block)
        size += len(block)
    return b"".join(blocks)


def _next_block(descriptor: int) -> bytes:
    while True:
        try:
            return os.read(descriptor, _BLOCK)
        except BlockingIOError:  # it does not wait for data, as some program that shares it wanted
            _wait_for(descriptor, None)


def _wait_for(descriptor: int, seconds: float | None) -> bool:
    """Wait until there is data or the end; False if neither came in time."""
    import select

    return bool(select.select([descriptor], [], [], seconds)[0])


def argument_text(word: str) -> str:
    """Return an argument as the UTF-8 text it is, whatever the locale made of it; what is none is left to the locale.

    Raises ValidationError if it is text by neither.
    """
    if word.isascii():
        return word
    try:
        return os.fsencode(word).decode("utf-8")
    except UnicodeEncodeError:  # never was an argument of a process
        return word
    except UnicodeDecodeError:
        is_text = not any("\ud800" <= character <= "\udfff" for character in word)
        return word if is_text else _decode(os.fsencode(word), "an argument")


def file_text(name: str) -> str:
    """Return a text file below its name, as it goes into a prompt, or stdin for `-`; empty for one with nothing in it.

    Raises as `read_parts`.
    """
    if name == READ_STDIN:
        return _text_of_stdin()
    try:
        with open(name, "rb") as file:
            data = _bytes_of(file.fileno(), LARGEST_TEXT + 1)
    except OSError as error:
        raise ValidationError(f"the file {name} can't be read: {error.strerror or error}") from error
    text = _decode(data, name).rstrip("\n")
    shown = os.fsencode(name).decode("utf-8", "replace")
    return f"{shown}:\n{text}" if text.strip() else ""


def _stdin_text(*, must_wait: bool, console: Console) -> str:
    if sys.stdin is None or sys.stdin.closed or (sys.stdin.isatty() and not must_wait):
        return ""
    if sys.stdin.isatty():
        console.note(f"reading the prompt from the terminal; end it with {_END_KEY}")
    elif not must_wait and not _has_data():
        console.note("note: stdin is open but silent, so it is left out (`-` as an argument waits for it)")
        return ""
    elif must_wait and console.stderr_is_terminal and not _has_data():
        console.note("waiting for stdin")
    return _text_of_stdin()


def _text_of_stdin() -> str:
    return _decode(stdin_bytes(LARGEST_TEXT + 1), "stdin").rstrip("\n")


def _has_data() -> bool:
    """Say whether stdin has data or has ended, waiting a little for either."""
    descriptor = descriptor_of(sys.stdin)
    try:
        return descriptor is None or _wait_for(descriptor, PATIENCE_S)
    except (OSError, ValueError):
        return True  # it can't be watched, as a pipe on Windows


def _decode(data: bytes, name: str) -> str:
    if len(data) > LARGEST_TEXT:
        raise TokenLimitError(
            f"{name} is longer than {LARGEST_TEXT >> 20} MB, which is more than any model's window holds",
            hint="send a part of it, or a summary",
        )
    is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if b"\x00" in data and not is_utf16:
        raise ValidationError(f"{name} is binary, not text", "BINARY_INPUT", hint="convert it to text first")
    encoding = "utf-16" if is_utf16 else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValidationError(
            f"{name} is not UTF-8 text (byte {error.start})", "BINARY_INPUT", hint="iconv -t UTF-8 converts it"
        ) from error
