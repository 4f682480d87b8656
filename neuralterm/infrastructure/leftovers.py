"""Whether processes may have left calls behind: by one look into a folder and one statement, where nobody runs a call."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from neuralterm.infrastructure.database_file import journal_name, spool_beside

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from neuralterm.infrastructure.database import Database

# The calls that nobody has settled. Left to itself SQLite would rather read all calls than use the index of the few.
RUNNING = "INDEXED BY calls_running WHERE owner IS NOT NULL OR status = 'pending'"
_OWNERS = f"SELECT owner, started_at, message_id FROM calls {RUNNING}"  # noqa: S608 - made of constants


def may_be_left(database: Database, has_ended: Callable[[str | None, datetime], bool]) -> bool:
    """Say whether a call has lost its process, or the journal has an answer that nobody is known to run.

    `has_ended` says so of a call by its owner and its beginning, as `owners.has_ended`. Raises `StorageError`.
    """
    answers = _names(spool_beside(database.name))
    running = database.query(_OWNERS)
    if running:
        from neuralterm.infrastructure.columns import from_ms

        answers -= {journal_name(message_id) for _, _, message_id in running}
        if any(has_ended(owner, from_ms(started_at)) for owner, started_at, _ in running):
            return True
    return bool(answers)


def _names(folder: str) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError:
        return set()
