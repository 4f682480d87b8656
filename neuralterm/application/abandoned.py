"""Calls whose process died before it could say what they cost."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from neuralterm.application.ports import Clock, ConversationRepository, Ledger, Processes
from neuralterm.application.records import Call
from neuralterm.domain.models import Cost, MessageStatus

# No answer takes so long: what runs for longer was started by a process that nobody here can see.
LONGEST_CALL = timedelta(hours=24)
# A call of which nobody said who runs it: by the library without a process table, or by an earlier version.
LONGEST_CALL_OF_NOBODY = timedelta(hours=1)


def abandon_dead_calls(ledger: Ledger, repository: ConversationRepository, processes: Processes, clock: Clock) -> int:
    """Call the calls of dead processes, and their answers, `interrupted`, and return how many there were.

    Their cost stays unsettled and goes on counting at its upper bound; answers keep what of them was journalled. Without
    dead calls nothing is written.
    """
    now = clock.now()
    suspects = {call.id for call in ledger.running() if _has_ended(call, processes, now)}
    if not suspects:
        return 0
    with repository.transaction(), ledger.transaction():
        # One of them may have been settled in between: by another process that saw it dead, or by its own after all.
        dead = [call for call in ledger.running() if call.id in suspects]
        for call in dead:
            cost = Cost.unsettled(call.cost.at_most_usd)
            ledger.settle_call(replace(call, status=MessageStatus.INTERRUPTED, cost=cost))
            if call.message_id is not None:
                repository.abandon_message(call.message_id)
    return len(dead)


def _has_ended(call: Call, processes: Processes, now: datetime) -> bool:
    age = now - call.started_at
    if call.owner is None:
        return age > LONGEST_CALL_OF_NOBODY
    return age > LONGEST_CALL or not processes.may_live(call.owner)
