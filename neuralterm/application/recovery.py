"""What processes left behind: calls that died with them, and answers that the database did not take at their end."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from neuralterm.application.journal import JournalEntry, Unsaved
from neuralterm.application.owners import has_ended
from neuralterm.application.ports import Clock, ConversationRepository, Ledger, Processes
from neuralterm.application.records import Call
from neuralterm.domain.exceptions import MissingRecordError
from neuralterm.domain.models import Cost, CostSource, Message, MessageRole, MessageStatus
from neuralterm.domain.record import record, replace

# What is left behind can wait for the next start, where the database is busy.
_PATIENCE_S = 1.0


@record
class Recovered:
    """How many calls of dead processes were given up, and how many answers were merged from the journal."""

    abandoned: int = 0
    merged: int = 0


def recover(ledger: Ledger, repository: ConversationRepository, processes: Processes, clock: Clock) -> Recovered:
    """Bring the database to what is known of the calls that nobody runs any more.

    An answer whose end the journal has is stored as it ended. Any other is `interrupted` and keeps what the journal has of
    it; its cost stays unsettled and goes on counting at its upper bound. Each is taken once, however many processes do
    this at a time. Where nothing is left behind, nothing is written.
    """
    journal, now = repository.journal, clock.now()
    left = set(journal.left())
    running = ledger.running()
    dead = {call.id for call in running if _has_ended(call, processes, now)}
    left -= {call.message_id for call in running if call.id not in dead and call.message_id is not None}
    entries = {each: entry for each in left if (entry := journal.read(each)) and _is_left(entry, processes, now)}
    if not dead and not entries:
        return Recovered()
    recovery = _Recovery(ledger, repository)
    with repository.patience(_PATIENCE_S), repository.transaction(), ledger.transaction():
        recovery.take(dead, entries)
    for message_id in entries:
        journal.close(message_id)
    return Recovered(recovery.abandoned, recovery.merged)


class _Recovery:
    def __init__(self, ledger: Ledger, repository: ConversationRepository) -> None:
        self._ledger = ledger
        self._repository = repository
        self.abandoned = 0
        self.merged = 0

    def take(self, dead: set[UUID], entries: Mapping[UUID, JournalEntry]) -> None:
        """Take dead calls, and what the journal has besides."""
        rest = dict(entries)
        # One of them may have been settled in between: by another process that saw it dead, or by its own after all.
        for call in self._ledger.running():
            if call.id in dead:
                self._take(call, None if call.message_id is None else rest.pop(call.message_id, None))
        for entry in rest.values():
            known = self._ledger.find((entry.unsaved or entry).call.id)
            if known is not None and known.status is MessageStatus.FAILED and entry.unsaved is None:
                self._end_between_tries(entry, known)
            elif known is None and (entry.unsaved or entry.text):
                self._insert(entry)

    def _take(self, call: Call, entry: JournalEntry | None) -> None:
        """Settle a call that was not."""
        if entry is not None and entry.unsaved is not None and entry.unsaved.call.id == call.id:
            self._finish(entry.unsaved)
            return
        generation_id = entry.generation_id if entry is not None and entry.call.id == call.id else None
        self._ledger.settle_call(_interrupted(call, generation_id))
        if call.message_id is not None:
            text, reasoning = ("", None) if entry is None else (entry.text, entry.reasoning)
            self._repository.abandon_message(call.message_id, text, reasoning)
        self.abandoned += 1

    def _end_between_tries(self, entry: JournalEntry, call: Call) -> None:
        """End an answer whose process died when one request had failed and the next was not made yet."""
        if self._repository.abandon_message(entry.message_id, entry.text, entry.reasoning):
            if call.cost.usd is not None:
                self._repository.price_message(entry.message_id, call.cost, call.usage)
            self.abandoned += 1

    def _insert(self, entry: JournalEntry) -> None:
        """Store an answer that this database never knew: it was put in the place of the one that did."""
        unsaved = entry.unsaved
        self._ledger.open_call(replace(entry.call, owner=None))
        if unsaved is None:
            call = _interrupted(entry.call, entry.generation_id)
            self._ledger.settle_call(call)
            unsaved = Unsaved(call, [_interrupted_answer(entry)])
            self.abandoned += 1
        if unsaved.messages:
            self._insert_messages(entry, unsaved)
        if entry.unsaved is not None:
            self._finish(entry.unsaved)

    def _insert_messages(self, entry: JournalEntry, unsaved: Unsaved) -> None:
        if self._repository.get_by_id(entry.conversation.id) is None:
            self._repository.save(entry.conversation)
        known = {message.id for message in self._repository.get_messages(entry.conversation.id, withdrawn=True)}
        for message in unsaved.messages:
            if message.id not in known:
                # Contents of attachments are not in the journal.
                self._repository.add_message(replace(message, cost=None, token_usage=None, metadata={}))

    def _finish(self, unsaved: Unsaved) -> None:
        self._ledger.settle_call(unsaved.call)
        if unsaved.messages:
            with suppress(MissingRecordError):  # its conversation was deleted meanwhile
                self._repository.finish_message(unsaved.messages[-1])
        self.merged += 1


def _interrupted(call: Call, generation_id: str | None) -> Call:
    cost = Cost.unsettled(call.cost.at_most_usd)
    known = generation_id or call.generation_id
    return replace(call, status=MessageStatus.INTERRUPTED, cost=cost, generation_id=known, owner=None)


def _interrupted_answer(entry: JournalEntry) -> Message:
    return Message(
        id=entry.message_id,
        conversation_id=entry.conversation.id,
        role=MessageRole.ASSISTANT,
        content=entry.text,
        reasoning=entry.reasoning,
        status=MessageStatus.INTERRUPTED,
        cost_source=CostSource.UNSETTLED,
        model_id=entry.call.requested_model,
        created_at=entry.call.started_at,
    )


def _is_left(entry: JournalEntry, processes: Processes, now: datetime) -> bool:
    """Say whether nobody writes to an entry any more."""
    return entry.unsaved is not None or _has_ended(entry.call, processes, now)


def _has_ended(call: Call, processes: Processes, now: datetime) -> bool:
    return has_ended(call.owner, call.started_at, processes, now)
