"""Contents of attachments in SQLite, each stored once, whatever the number of messages that have it."""

from __future__ import annotations

from neuralterm.domain.attachments import attachments_of
from neuralterm.domain.exceptions import StorageError
from neuralterm.domain.models import Message
from neuralterm.infrastructure.database import Database

_ADD = "INSERT INTO attachments (sha256, content) VALUES (?, ?) ON CONFLICT DO NOTHING"
_CONTENT = "SELECT content FROM attachments WHERE sha256 = ?"
_LINK = "INSERT INTO message_attachments (message_id, position, sha256) VALUES (?, ?, ?)"


class SQLiteAttachmentStore:
    """The attachments of a database. A trigger deletes a content together with the last message that has it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, sha256: str, content: bytes) -> None:
        """Keep a content, if it is not there yet; make the message that has it part of the same transaction."""
        self._database.change(_ADD, (sha256, content))

    def content(self, sha256: str) -> bytes:
        """Return a content. Raises `StorageError` when it is not there."""
        rows = self._database.query(_CONTENT, (sha256,))
        if not rows:
            raise StorageError(f"an attachment is missing in the database {self._database.name}: sha256 {sha256}")
        content: bytes = rows[0][0]
        return content


def link_attachments(database: Database, message: Message) -> None:
    """Say which contents a stored message has. Raises `StorageError` when one of them is not there."""
    for position, attachment in enumerate(attachments_of(message)):
        if attachment.sha256:
            database.change(_LINK, (str(message.id), position, attachment.sha256))
