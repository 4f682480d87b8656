"""One request of an answer, and what comes of it piece by piece: journal, events, and the end of the money."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from neuralterm.application.counting import utf8_length
from neuralterm.application.deltas import Deltas
from neuralterm.application.events import DomainEvent, Events
from neuralterm.application.ports import Circuit
from neuralterm.application.turn import Turn
from neuralterm.application.wire_request import request_arguments
from neuralterm.domain.exceptions import BudgetExceededError, StorageError
from neuralterm.domain.money import dollars

if TYPE_CHECKING:
    from neuralterm.application.answering import Answering
    from neuralterm.application.cost_tracker import CostTracker


class Receiving:
    """Makes one request for a turn. `parts` has what is worked with; see `Answering`.

    With `joined`, the text that came in one read of the network is one piece.
    """

    def __init__(self, parts: Answering, turn: Turn, circuit: Circuit, *, joined: bool) -> None:
        self._parts = parts
        self._turn = turn
        self._circuit = circuit
        self._texts_of = self._joined_texts if joined else self._texts
        self._chunks: AsyncIterator[dict[str, Any]]
        self._waits_are_told = False

    async def texts(self) -> AsyncGenerator[str, None]:
        """Yield the text; the circuit is asked before and told afterwards, never wrapped round."""
        turn, arguments = self._turn, request_arguments(self._turn)
        self._circuit.check()
        self._chunks = chunks = self._parts.client.chat_completion_stream(**arguments)
        self._listen(chunks)
        try:
            async for deltas in _reads(chunks, turn):
                for text in self._texts_of(deltas):
                    yield text
            self._note_what_is_known()
            self._circuit.record(None)
        except BaseException as error:
            self._note_what_is_known()
            self._circuit.record(error)
            raise
        finally:
            close = getattr(chunks, "aclose", None)
            if close is not None:
                await close()
            # It knows this object too, and both would stay in memory with all of the text.
            del self._chunks

    def _listen(self, chunks: Any) -> None:
        if hasattr(chunks, "on_generation"):
            chunks.on_generation = self._note_generation
        if hasattr(chunks, "on_wait"):
            self._waits_are_told = True
            chunks.on_wait = self._flush

    def _note_what_is_known(self) -> None:
        told = _snapshot(self._chunks) or self._turn.final
        # The text is kept already.
        self._turn.final = {name: value for name, value in told.items() if name not in ("content", "reasoning")}

    def _texts(self, deltas: Deltas) -> Iterator[str]:
        """Take deltas one by one; yield the text of each."""
        tracker, clock = self._parts.tracker, self._parts.clock
        for text, reasoning in deltas:
            # Only when more comes than there is money for: an answer that ends where the money ends is whole.
            if tracker is not None and (tracker.exceeded or self._is_overdrawn(tracker)):
                raise self._stopped(tracker)
            self._take(text, reasoning)
            if not self._waits_are_told or self._turn.is_journal_due(clock.monotonic()):
                self._flush()
            if text:
                yield text
            if tracker is not None and tracker.overspent:
                raise self._stopped(tracker)

    def _joined_texts(self, deltas: Deltas) -> Iterator[str]:
        """Take the deltas of one read; yield their text together. One by one only where that may make a difference."""
        parts: list[str] = []
        stopped: BudgetExceededError | None = None
        try:
            for text in self._texts(deltas) if self._is_each_looked_at(deltas) else self._whole_text(deltas):
                parts.append(text)  # noqa: PERF402  # what came before the stop is still to be shown
        except BudgetExceededError as error:
            stopped = error
        if parts:
            yield "".join(parts)
        if stopped is not None:
            raise stopped

    def _whole_text(self, deltas: Deltas) -> Iterator[str]:
        text = "".join(deltas.contents)
        self._take(text, "".join(deltas.reasonings), len(deltas))
        if not self._waits_are_told or self._turn.is_journal_due(self._parts.clock.monotonic()):
            self._flush()
        if text:
            yield text

    def _is_each_looked_at(self, deltas: Deltas) -> bool:
        tracker, is_heard = self._parts.tracker, self._parts.bus.is_heard
        if tracker is not None and self._may_stop_in(deltas, tracker):
            return True
        return (is_heard(Events.TOKEN_GENERATED, besides=tracker) and any(deltas.contents)) or (
            is_heard(Events.REASONING_GENERATED, besides=tracker) and any(deltas.reasonings)
        )

    def _may_stop_in(self, deltas: Deltas, tracker: CostTracker) -> bool:
        cap = self._turn.permit.output_cap if self._turn.permit.shares_budget else None
        if cap is not None and self._turn.deltas + len(deltas) >= cap:
            return True
        size = utf8_length("".join(deltas.contents)) + utf8_length("".join(deltas.reasonings))
        return not tracker.has_room_for(size, None if cap is None else self._turn.most_tokens)

    def _take(self, text: str, reasoning: str, deltas: int = 1) -> None:
        turn, bus = self._turn, self._parts.bus
        first = not turn.has_text
        turn.take(text, reasoning, self._parts.clock.monotonic(), deltas)
        if first:
            self._note_generation(_snapshot(self._chunks).get("generation_id"))
        for event, delta in ((Events.REASONING_GENERATED, reasoning), (Events.TOKEN_GENERATED, text)):
            if delta and bus.is_heard(event):
                bus.emit(DomainEvent(event, turn.prompt.conversation_id, {"delta": delta}))

    def _note_generation(self, generation_id: str | None) -> None:
        turn = self._turn
        if generation_id and generation_id != turn.call.generation_id:
            turn.call.generation_id = generation_id
            with contextlib.suppress(StorageError):
                self._parts.repository.journal.note_generation(turn.message.id, generation_id)

    def _flush(self) -> None:
        """Write down what has come: it is on disk before anything else is waited for.

        A storage that fails now must not take away what was delivered, nor make anyone buy it again.
        """
        with contextlib.suppress(StorageError):
            self._turn.write_journal(self._parts.repository.journal, self._parts.clock.monotonic())

    def _is_overdrawn(self, tracker: CostTracker) -> bool:
        """Say whether more than was reserved would be taken of a budget that others share."""
        return self._turn.permit.shares_budget and self._turn.is_at_cap(tracker.has_more_tokens_than)

    def _stopped(self, tracker: CostTracker) -> BudgetExceededError:
        spent = tracker.accumulated_cost
        why = f"after about {dollars(spent)}"
        if self._is_overdrawn(tracker) and not tracker.exceeded:
            why = f"at {self._turn.permit.output_cap:,} tokens, which is what was reserved for it"
        return BudgetExceededError(
            f"the answer was stopped by a budget {why}; what came is kept", spent_usd=spent, mid_answer=True
        )


def _snapshot(chunks: AsyncIterator[dict[str, Any]]) -> Mapping[str, Any]:
    """Return what a stream knows so far, if it is one that tells."""
    snapshot = getattr(chunks, "snapshot", None)
    return snapshot() if snapshot is not None else {}


def _reads(chunks: AsyncIterator[dict[str, Any]], turn: Turn) -> AsyncIterator[Deltas]:
    """Return the deltas of each read of the network, where the stream can tell; else one by one."""
    batches: Callable[[], AsyncIterator[Deltas]] | None = getattr(chunks, "batches", None)
    return _OneByOne(chunks, turn) if batches is None else batches()


class _OneByOne:
    """The deltas of a stream that yields them one by one. No generator, which would have to be closed."""

    def __init__(self, chunks: AsyncIterator[dict[str, Any]], turn: Turn) -> None:
        self._chunks = aiter(chunks)
        self._turn = turn

    def __aiter__(self) -> AsyncIterator[Deltas]:
        return self

    async def __anext__(self) -> Deltas:
        chunk = await anext(self._chunks)
        while chunk["type"] == "final":
            self._turn.final = chunk
            chunk = await anext(self._chunks)
        deltas = Deltas()
        deltas.add(chunk.get("content") or "", chunk.get("reasoning") or "")
        return deltas
