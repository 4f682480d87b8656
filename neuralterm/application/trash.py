"""Conversations that were deleted: for a while there is a way back."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from neuralterm.domain.exceptions import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from neuralterm.application.ports import ConversationRepository

# How long what is in the trash can be taken out again.
KEPT_FOR = timedelta(days=30)
_PATIENCE_S = 1.0


def move_to_trash(repository: ConversationRepository, ids: Iterable[UUID], now: datetime) -> int:
    """Put all of them into the trash in one step and return how many were not there yet."""
    with repository.transaction():
        return sum(repository.trash(each, now) for each in ids)


def take_out(repository: ConversationRepository, ids: Iterable[UUID]) -> int:
    """Take all of them out of the trash in one step and return how many were there."""
    with repository.transaction():
        return sum(repository.restore(each) for each in ids)


def empty_expired(repository: ConversationRepository, now: datetime) -> int:
    """Delete for good what has been in the trash for long enough, and return how many conversations that were.

    Where the database is busy or can't be written, that waits for the next time.
    """
    with suppress(StorageError), repository.patience(_PATIENCE_S):
        return repository.purge(now - KEPT_FOR)
    return 0
