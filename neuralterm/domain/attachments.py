"""Images, PDFs and sound recordings that go with a message."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from neuralterm.domain.models import ATTACHMENTS, Message
from neuralterm.domain.record import record


class AttachmentKind(str, Enum):
    """What an attachment is."""

    IMAGE = "image"
    PDF = "pdf"
    AUDIO = "audio"

    @property
    def modality(self) -> str | None:
        """What a model must take as input; None for PDFs, whose text the service reads for any model."""
        return None if self is AttachmentKind.PDF else self.value


@record
class Attachment:
    """What is known of an attachment without its content.

    One that was read here has a `size` in bytes and the `sha256` of its content in hexadecimal digits. One that the service
    is to fetch has a `url`, and its `media_type` is None where the address does not tell.
    """

    kind: AttachmentKind
    name: str
    media_type: str | None
    size: int | None = None
    sha256: str | None = None
    url: str | None = None

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Attachment:
        """Return the attachment that `to_record` wrote down."""
        return cls(**{**record, "kind": AttachmentKind(record["kind"])})

    def to_record(self) -> dict[str, Any]:
        """Return the attachment in JSON types."""
        return {
            "kind": self.kind.value,
            "name": self.name,
            "media_type": self.media_type,
            "size": self.size,
            "sha256": self.sha256,
            "url": self.url,
        }


def attachments_of(message: Message) -> list[Attachment]:
    """Return what is attached to a message, in order."""
    return [Attachment.from_record(each) for each in message.metadata.get(ATTACHMENTS, ())]
