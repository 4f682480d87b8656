"""Reading the prompt: arguments, files, and a stdin that may be silent, endless or binary."""

from __future__ import annotations

import codecs
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from neuralterm.domain.exceptions import ValidationError

if TYPE_CHECKING:
    from io import BufferedReader

    from neuralterm.components.console import Console

# How long an open stdin may stay silent, when there is a prompt argument, before it is left alone.
PATIENCE_S = 1.0
READ_STDIN = "-"
_BLOCK = 1 << 16


def compose_prompt(
    words: Sequence[str], files: Sequence[str], console: Console, *, has_attachments: bool = False
) -> str:
    """Return the prompt: files, then stdin, then the words, with blank lines between.

    Raises:
        ValidationError: nothing to send, a file that can't be read, or input that is not text.
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
    """
    spoken = " ".join(argument_text(word) for word in words if word != READ_STDIN)
    parts = [("stdin" if name == READ_STDIN else "file", _file_text(name)) for name in files]
    if READ_STDIN not in files:
        if waits is None:
            waits = not (spoken or files)
        parts.append(("stdin", _stdin_text(must_wait=waits or READ_STDIN in words, console=console)))
    return [*parts, ("words", spoken)]


def stdin_bytes(enough: float = math.inf) -> bytes:
    """Return stdin to its end, or at least so many bytes of it. Raises ValidationError when it is closed."""
    if sys.stdin is None or sys.stdin.closed:
        raise ValidationError("stdin is closed", hint="give the prompt as an argument, or through a pipe")
    stream = cast("BufferedReader", sys.stdin.buffer)
    # Block by block, because one read to the end does not notice a signal that comes between its system calls.
    blocks, size = [], 0
    while size < enough and (block := stream.read1(_BLOCK)):
        blocks.append(block)
        size += len(block)
    return b"".join(blocks)


def argument_text(word: str) -> str:
    """Return an argument as the UTF-8 text it is, whatever the locale made of it. Raises ValidationError if it is none."""
    if word.isascii():
        return word
    try:
        word.encode("utf-8")
    except UnicodeEncodeError:
        return _decode(os.fsencode(word), "an argument")
    return word


def _file_text(name: str) -> str:
    if name == READ_STDIN:
        return _decode(stdin_bytes(), "stdin").rstrip("\n")
    try:
        data = Path(name).read_bytes()
    except OSError as error:
        raise ValidationError(f"the file {name} can't be read: {error.strerror or error}") from error
    text = _decode(data, name).rstrip("\n")
    return f"{name}:\n{text}" if text.strip() else ""


def _stdin_text(*, must_wait: bool, console: Console) -> str:
    if sys.stdin is None or sys.stdin.closed or (sys.stdin.isatty() and not must_wait):
        return ""
    if sys.stdin.isatty():
        console.note("reading the prompt from the terminal; end it with Ctrl-D")
    elif not must_wait and not _has_data():
        console.note("note: stdin is open but silent, so it is left out (`-` as an argument waits for it)")
        return ""
    return _decode(stdin_bytes(), "stdin").rstrip("\n")


def _has_data() -> bool:
    """Say whether stdin has data or has ended, waiting a little for either."""
    import select

    try:
        ready, _, _ = select.select([sys.stdin.fileno()], [], [], PATIENCE_S)
    except (OSError, ValueError):
        return True  # no file descriptor that can be watched: an in-memory stream, or a pipe on Windows
    return bool(ready)


def _decode(data: bytes, name: str) -> str:
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
