"""Attachments in memory."""

import hashlib

from neuralterm.application.attachments import AttachmentFile
from neuralterm.domain.attachments import Attachment, AttachmentKind
from neuralterm.domain.exceptions import StorageError

MEDIA_TYPES = {
    AttachmentKind.IMAGE: "image/png",
    AttachmentKind.PDF: "application/pdf",
    AttachmentKind.AUDIO: "audio/wav",
}


class InMemoryAttachmentStore:
    def __init__(self):
        self.contents = {}

    def add(self, sha256, content):
        self.contents.setdefault(sha256, content)

    def content(self, sha256):
        if sha256 not in self.contents:
            raise StorageError(f"no attachment {sha256}")
        return self.contents[sha256]


def attached(kind="image", content=b"bytes", name="a.bin"):
    """A file that was read, with a media type that goes with its kind."""
    kind = AttachmentKind(kind)
    digest = hashlib.sha256(content).hexdigest()
    return AttachmentFile(Attachment(kind, name, MEDIA_TYPES[kind], len(content), digest), content)


def linked(kind="image", url="https://example.org/cat.png", media_type="image/png"):
    """A file that the service is to fetch."""
    return AttachmentFile(Attachment(AttachmentKind(kind), url.rpartition("/")[2], media_type, url=url))
