"""Who runs a call, and whether nobody does any more."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from neuralterm.application.ports import Processes

# No answer takes so long: what runs for longer was started by a process that nobody here can see.
LONGEST_CALL = timedelta(hours=24)
# A call of which nobody said who runs it: by the library without a process table, or by an earlier version.
LONGEST_CALL_OF_NOBODY = timedelta(hours=1)


def has_ended(owner: str | None, started_at: datetime, processes: Processes, now: datetime) -> bool:
    """Say whether the process that runs a call has ended, as far as that can be told; `owner` None: nobody said who it is."""
    age = now - started_at
    if owner is None:
        return age > LONGEST_CALL_OF_NOBODY
    return age > LONGEST_CALL or not processes.may_live(owner)
