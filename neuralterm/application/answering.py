"""Asks for an answer and brings it home: admission, request, retries, journal, settlement."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Any

from neuralterm.application.admission import UncountedError, is_comparable, is_worth_counting
from neuralterm.application.cost_tracker import CostTracker
from neuralterm.application.estimates import TokenEstimates
from neuralterm.application.events import DomainEvent, EventBus, Events
from neuralterm.application.journal import Unsaved
from neuralterm.application.opening import Opening
from neuralterm.application.ports import ChatClient, Circuit, Clock, ConversationRepository, TokenCounting
from neuralterm.application.receiving import Receiving
from neuralterm.application.records import Answer, SendOptions
from neuralterm.application.retry import delay_before_retry, is_bought
from neuralterm.application.settlement import Ending, cost_of, error_code, status_of
from neuralterm.application.spending import SpendingGate
from neuralterm.application.turn import Prompt, Turn, pending_answer
from neuralterm.domain.exceptions import (
    BudgetExceededError,
    MissingRecordError,
    NeuralTermError,
    OutputCapTooLargeError,
    StorageError,
)
from neuralterm.domain.models import Cost, MessageStatus
from neuralterm.domain.record import record, replace

# How long the database may be waited for when the answer is there: what it does not take is kept beside it (seconds).
_PATIENCE_S, _LAST_PATIENCE_S = 3.0, 0.1


@record(kw_only=True)
class Answering:
    """The life of one answer, step by step.

    The orchestrator calls `begin`, `attempts`, `keep`, `announce` in this order. Whatever goes wrong after `begin`, `keep`
    and `announce` are still called.
    """

    repository: ConversationRepository
    client: ChatClient
    bus: EventBus
    counter: TokenCounting
    clock: Clock
    spending: SpendingGate
    opening: Opening
    circuits: Callable[[str], Circuit]
    tracker: CostTracker | None
    estimates: TokenEstimates

    async def begin(self, prompt: Prompt, temperature: float | None, options: SendOptions) -> Turn:
        """Pass the spending gate and store question, pending answer and call: all of it or nothing.

        Where other calls that run hold the money, waits for them, `options.budget_wait` seconds at most.
        """
        if self._is_counted(prompt, options):
            prompt = self._counted(prompt)
        message = pending_answer(prompt)
        try:
            permit, call = await self.opening.open(prompt, message, options)
        except UncountedError:  # others have taken money since it was looked at
            prompt = self._counted(prompt)
            permit, call = await self.opening.open(prompt, message, options)
        turn = Turn(prompt, message, call, permit, options, temperature, started=self.clock.monotonic())
        if self.tracker is not None:
            self.tracker.watch(permit.budgets)
            if prompt.tokens is None and permit.budgets:
                self.tracker.expect(self.estimates.rough_prompt(prompt.messages, prompt.model_id))
            if prompt.model is not None:
                self.tracker.set_model(prompt.model)
        payload = {
            "model": prompt.model_id,
            "message_id": message.id,
            "prompt_tokens": prompt.tokens,
            "max_tokens": permit.output_cap,
            "shortened_to": turn.shortened_to,
            "unbounded": permit.unbounded,
            "streamed": options.stream,
        }
        self._emit(Events.MESSAGE_STARTED, turn, payload)
        return turn

    async def attempts(self, turn: Turn, *, joined: bool = False) -> AsyncGenerator[str, None]:
        """Make the request, again while it fails before its first delta and there is time; yield its text.

        With `joined`, the text that came in one read of the network is one piece.
        """
        deadline = self.clock.monotonic() + turn.options.retry_for
        circuit = self.circuits(turn.asked_for)
        failures: list[NeuralTermError] = []
        while True:
            try:
                stream = Receiving(self, turn, circuit, joined=joined).texts()
                async with contextlib.aclosing(stream):
                    async for text in stream:
                        yield text
                return
            except NeuralTermError as error:
                failures.append(error)
                seconds_left = deadline - self.clock.monotonic()
                lowered = self._affordable_cap(turn, error)
                delay = 0.0 if lowered else delay_before_retry(failures, seconds_left, circuit.wait)
                if delay is None or is_bought(turn):
                    raise
                self._give_up_attempt(turn, error)
                if lowered is not None:
                    turn.lower_cap(lowered)
                payload = {"attempt": len(failures), "delay": delay, "error": error, "lowered_to": lowered}
                self._emit(Events.REQUEST_RETRIED, turn, payload)
            await self.clock.sleep(delay)
            try:
                self._reopen(turn)
            except BudgetExceededError:
                # What it is refused for is that the last try may have been charged: no refusal before any request.
                raise failures[-1] from None

    def keep(self, turn: Turn, error: BaseException | None) -> Answer:
        """Store how the answer ended. May be called again when more is known of its cost."""
        if not turn.is_stored:  # the database may have to be waited for
            self._keep(lambda: turn.write_journal(self.repository.journal, self.clock.monotonic()))
        ending = turn.ending(error)
        cost = self._cost(turn, ending) if turn.call_open else turn.call.cost
        answer = turn.finish(status_of(ending), cost, error_code(error), self.clock.monotonic())
        with self.repository.patience(_LAST_PATIENCE_S if _process_ends(error) else _PATIENCE_S):
            failure = self._keep(lambda: self._store_answer(turn))
        if failure is not None:
            self._spool(turn, failure)
        return answer

    def announce(self, turn: Turn, answer: Answer) -> None:
        """Tell everybody that the answer has ended."""
        payload = {
            "usage": answer.usage,
            "cost": answer.cost.usd,
            "latency_ms": answer.latency_ms,
            "status": answer.status,
            "answer": answer,
        }
        self._emit(Events.MESSAGE_COMPLETED, turn, payload)

    def _is_counted(self, prompt: Prompt, options: SendOptions) -> bool:
        """Say whether the prompt's tokens are worth counting: only where the money is watched, and may not do."""
        if self.tracker is not None and self.tracker.has_own_limit:
            return True
        return is_worth_counting(prompt, options, self.estimates, self.spending)

    def _counted(self, prompt: Prompt) -> Prompt:
        return replace(prompt, tokens=self.counter.count_messages(prompt.messages, prompt.model_id))

    def _reopen(self, turn: Turn) -> None:
        try:
            self.opening.reopen(turn)
        except UncountedError:
            turn.prompt = self._counted(turn.prompt)
            self.opening.reopen(turn)

    def _affordable_cap(self, turn: Turn, error: NeuralTermError) -> int | None:
        """Return the lower cap to ask with, once, when the account pays for a shorter answer than was asked for."""
        if not isinstance(error, OutputCapTooLargeError) or turn.cap_lowered or turn.has_text:
            return None
        cap, affordable = turn.permit.output_cap, error.affordable_tokens
        if affordable is None or affordable < self.spending.min_tokens:
            return None
        return affordable if cap is None or affordable < cap else None

    def _give_up_attempt(self, turn: Turn, error: NeuralTermError) -> None:
        """Close the ledger row of a request that is going to be made again."""
        cost = self._cost(turn, turn.ending(error))
        turn.finish_call(MessageStatus.FAILED, cost, error_code(error), self.clock.monotonic())
        self._keep(lambda: self.spending.settle_call(turn.call))
        turn.call_open = False

    def _store_answer(self, turn: Turn) -> None:
        try:
            with self.opening.transaction():
                self.repository.finish_message(turn.message)
                self._settle(turn)
                self._learn(turn)
        except MissingRecordError:
            # The conversation was deleted meanwhile; what the answer cost must not go with it.
            self._settle(turn)
        self.repository.journal.close(turn.message.id)
        turn.is_stored = True

    def _spool(self, turn: Turn, failure: StorageError) -> None:
        """Keep beside the database what it does not take: the next start merges it. What it has already stays as it is."""
        if turn.is_stored:
            return
        journal, lost = self.repository.journal, None
        try:
            turn.write_journal(journal, self.clock.monotonic())
            journal.keep(turn.message.id, Unsaved(turn.call, (*turn.prompt.new, turn.message)))
        except StorageError as error:
            lost = error
        if not turn.is_spooled:
            self._emit(Events.STORAGE_FAILED, turn, {"error": failure, "lost": lost})
        turn.is_spooled = True

    def _settle(self, turn: Turn) -> None:
        if turn.call_open:
            self.spending.settle_call(turn.call)

    def _learn(self, turn: Turn) -> None:
        if not turn.has_learnt and turn.call_open and is_comparable(turn.options):
            self.estimates.learn(turn.prompt, turn.call.usage)
            turn.has_learnt = turn.call.usage is not None

    def _keep(self, write: Callable[[], None]) -> StorageError | None:
        """Write, and return why that failed.

        A storage that fails now must not take away what was delivered, nor make anyone buy it again.
        """
        try:
            write()
        except StorageError as error:
            return error
        return None

    def _cost(self, turn: Turn, ending: Ending) -> Cost:
        return cost_of(ending, lambda: self.estimates.usage(turn, roughly=_process_ends(ending.error)))

    def _emit(self, event_type: str, turn: Turn, payload: dict[str, Any]) -> None:
        self.bus.emit(DomainEvent(event_type, turn.prompt.conversation_id, payload))


def _process_ends(error: BaseException | None) -> bool:
    """Say whether it was an interruption that ended the answer."""
    return error is not None and not isinstance(error, Exception)
