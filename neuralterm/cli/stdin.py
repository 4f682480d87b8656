"""Reading the prompt: arguments, files, and a stdin that may be silent, endless or binary."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from neuralterm.domain.exceptions import ValidationError

if TYPE_CHECKING:
    from neuralterm.components.console import Console

# How long an open stdin may stay silent, when there is a prompt argument, before it is left alone.
PATIENCE_S = 1.0
READ_STDIN = "-"


def compose_prompt(words: Sequence[str], files: Sequence[str], console: Console) -> str:
    """Return the prompt: files, then stdin, then the words, with blank lines between.

    Raises:
        ValidationError: nothing to send, a file that can't be read, or input that is not text.
    """
    stdin_is_file = READ_STDIN in files
    wants_stdin = READ_STDIN in words
    spoken = " ".join(word for word in words if word != READ_STDIN)
    parts = [_file_text(name) for name in files]
    if not stdin_is_file:
        parts.append(_stdin_text(must_wait=wants_stdin or not (spoken or files), console=console))
    parts.append(spoken)
    prompt = "\n\n".join(part for part in parts if part.strip())
    if not prompt.strip():
        raise ValidationError(
            "the prompt is empty", "EMPTY_INPUT", hint='give it as an argument or through a pipe: neuralterm send "..."'
        )
    return prompt


def _file_text(name: str) -> str:
    if name == READ_STDIN:
        return _decode(_binary_stdin().read(), "stdin")
    try:
        data = Path(name).read_bytes()
    except OSError as error:
        raise ValidationError(f"the file {name} can't be read: {error.strerror or error}") from error
    return f"{name}:\n{_decode(data, name)}"


def _stdin_text(*, must_wait: bool, console: Console) -> str:
    if sys.stdin is None or sys.stdin.closed or (sys.stdin.isatty() and not must_wait):
        return ""
    if sys.stdin.isatty():
        console.note("reading the prompt from the terminal; end it with Ctrl-D")
    elif not must_wait and not _has_data():
        console.note("note: stdin is open but silent, so it is left out (`-` as an argument waits for it)")
        return ""
    return _decode(_binary_stdin().read(), "stdin").rstrip("\n")


def _binary_stdin() -> BinaryIO:
    if sys.stdin is None or sys.stdin.closed:
        raise ValidationError("stdin is closed", hint="give the prompt as an argument, or through a pipe")
    return sys.stdin.buffer


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
