"""From `send --attach` to what is attached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from neuralterm.cli.stdin import READ_STDIN, stdin_bytes
from neuralterm.domain.exceptions import ValidationError

if TYPE_CHECKING:
    from neuralterm.application.attachments import AttachmentFile
    from neuralterm.container import Container


def read_attachments(container: Container, given: Mapping[str, Any]) -> tuple[AttachmentFile, ...]:
    """Return what `-a` names, in order. Call it before the prompt is read: an attachment that is stdin leaves none of it.

    Raises:
        ValidationError: stdin is named twice, or something can't be attached.
    """
    sources = given["attachments"]
    if READ_STDIN in sources and [*sources, *given["files"], *given["words"]].count(READ_STDIN) > 1:
        raise ValidationError("stdin can be read only once, and it is an attachment", hint="leave out the other `-`")
    return tuple(container.read_attachment(source, stdin_bytes) for source in sources)
