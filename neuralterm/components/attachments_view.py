"""What is attached to a message, for programs and for people."""

from __future__ import annotations

from typing import Any

from neuralterm.components.tables import grouped
from neuralterm.domain.attachments import Attachment, attachments_of
from neuralterm.domain.models import Message
from neuralterm.domain.text import one_line


def attachment_documents(message: Message) -> list[dict[str, Any]]:
    """Return what is attached to a message, in order; `bytes` is null for what the service fetches, `url` for the rest."""
    return [
        {
            "kind": attachment.kind.value,
            "name": attachment.name,
            "media_type": attachment.media_type,
            "bytes": attachment.size,
            "url": attachment.url,
        }
        for attachment in attachments_of(message)
    ]


def with_attachments(message: Message) -> str:
    """Return the text of a message, and below it what is attached, one a line."""
    attached = "\n".join(attachment_lines(message))
    return "\n\n".join(part for part in (message.content.rstrip(), attached) if part)


def attachment_lines(message: Message) -> list[str]:
    """Return what is attached to a message, each on one line."""
    return [f"[{each.kind.value}: {one_line(_description(each))}]" for each in attachments_of(message)]


def _description(attachment: Attachment) -> str:
    if attachment.size is None:
        return attachment.url or attachment.name
    return f"{attachment.name}, {attachment.media_type}, {grouped(attachment.size)} bytes"
