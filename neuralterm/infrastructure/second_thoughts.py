"""What users take back: messages that are withdrawn, conversations in the trash."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuralterm.infrastructure.columns import to_ms

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from neuralterm.infrastructure.database import Database

_EXPIRED = "SELECT 1 FROM conversations WHERE deleted_at < ? LIMIT 1"
_PURGE = "DELETE FROM conversations WHERE deleted_at < ?"


def withdraw(database: Database, message_ids: Sequence[UUID], at: datetime) -> None:
    """Mark messages as withdrawn; those that are already, and unknown ones, stay as they are."""
    with database.transaction():
        for message_id in message_ids:
            database.change(
                "UPDATE messages SET withdrawn_at = ? WHERE id = ? AND withdrawn_at IS NULL",
                (to_ms(at), str(message_id)),
            )


def trash(database: Database, conversation_id: UUID, at: datetime) -> bool:
    """Put a conversation into the trash. False if it did not exist, or is there already."""
    sql = "UPDATE conversations SET deleted_at = ? WHERE id = ? AND deleted_at IS NULL"
    return database.change(sql, (to_ms(at), str(conversation_id))) > 0


def restore(database: Database, conversation_id: UUID) -> bool:
    """Take a conversation out of the trash. False if it is not there."""
    sql = "UPDATE conversations SET deleted_at = NULL WHERE id = ? AND deleted_at IS NOT NULL"
    return database.change(sql, (str(conversation_id),)) > 0


def purge(database: Database, before: datetime) -> int:
    """Delete for good what was put into the trash before then, and return how many conversations that were.

    Where there is none, nothing is written.
    """
    moment = (to_ms(before),)
    return database.change(_PURGE, moment) if database.query(_EXPIRED, moment) else 0
