"""How a turn begins: through the spending gate, with question, pending answer and call stored in the same step."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING
from uuid import UUID

from neuralterm.application import waiting
from neuralterm.application.admission import admit
from neuralterm.application.context import last_answer
from neuralterm.application.estimates import TokenEstimates
from neuralterm.application.events import DomainEvent, EventBus, Events
from neuralterm.application.permit import MoneyHeldError, Permit
from neuralterm.application.ports import Clock, ConversationRepository
from neuralterm.application.records import Call, SendOptions
from neuralterm.application.spending import SpendingGate
from neuralterm.application.turn import Prompt, Turn
from neuralterm.domain.exceptions import BudgetExceededError, NeuralTermError, NotFoundError, ValidationError
from neuralterm.domain.models import Conversation, Cost, Message
from neuralterm.domain.record import record

if TYPE_CHECKING:
    from neuralterm.application.attachments import Attachments

# While others hold the money, the gate is tried again so often (seconds).
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5
# Seconds that a refusal may be put off to ask what earlier calls did cost.
_SETTLING_S = 3.0


@record(kw_only=True)
class Opening:
    """Passes the gate and opens calls. All of a step is stored, or nothing of it.

    `settle_open_calls` finds out, if it can, what earlier calls of uncertain cost did cost.
    """

    repository: ConversationRepository
    spending: SpendingGate
    estimates: TokenEstimates
    clock: Clock
    bus: EventBus
    attachments: Callable[[], Attachments] | None = None
    settle_open_calls: Callable[[], Awaitable[None]] | None = None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Make conversation and ledger change in one atomic step that no other process can come between."""
        with self.repository.transaction(), self.spending.transaction():
            yield

    async def open(self, prompt: Prompt, message: Message, options: SendOptions) -> tuple[Permit, Call]:
        """Admit a prompt, and store it with its pending answer `message` and its call.

        Where other calls that run hold the money, they are waited for, `options.budget_wait` seconds at most. Before a
        refusal, earlier calls of uncertain cost are settled as far as that goes quickly.

        Raises:
            BudgetExceededError: it does not fit, or can't be bounded; nothing is stored.
            NotFoundError: its conversation has been deleted meanwhile.
            ValidationError: the answer that it resumes, or the question that it replaces, is no longer the last one.
            UncountedError: the gate needs a count of the prompt, which is to be made while nothing is locked; nothing is
                stored, and nobody has been waited for.
        """
        deadline, may_load = self.clock.monotonic() + options.budget_wait, prompt.tokens is not None
        pause, said, asked = _FIRST_PAUSE, False, False
        while True:
            may_wait = self.clock.monotonic() < deadline
            try:
                with self.transaction():
                    permit = admit(prompt, options, self.estimates, self.spending, may_wait=may_wait, may_load=may_load)
                    conversation = self._store_question(prompt, message, options)
                    call = self._open_call(prompt, message, permit, options)
                    # Last, so that a journal is there for no call that is not.
                    self.repository.journal.open(message.id, call, conversation)
                return permit, call
            except MoneyHeldError as held:
                if not said:
                    self._say_waiting(prompt, held, options.budget_wait)
                said = True
            except BudgetExceededError as error:
                if asked or error.code != BudgetExceededError.default_code or not await self._have_settled():
                    raise
                asked = True
                continue
            await self.clock.sleep(min(pause, max(deadline - self.clock.monotonic(), 0.0)))
            pause = min(pause * 2, _LONGEST_PAUSE)

    def reopen(self, turn: Turn) -> None:
        """Admit the next try of a turn whose last one failed, and store its call. Raises as `open`."""
        with self.transaction():
            may_load = turn.prompt.tokens is not None
            permit = admit(turn.prompt, turn.options, self.estimates, self.spending, may_load=may_load)
            call = self._open_call(turn.prompt, turn.message, permit, turn.options)
            conversation = self.repository.get_by_id(turn.prompt.conversation_id)
            if conversation is not None:
                self.repository.journal.open(turn.message.id, call, conversation)
        # Not before it is stored: a call that is not was never made.
        turn.permit, turn.call, turn.call_open = permit, call, True
        turn.final = {}

    async def _have_settled(self) -> bool:
        """Settle earlier calls, in a few seconds; False when nobody can."""
        if self.settle_open_calls is None:
            return False
        with contextlib.suppress(NeuralTermError), waiting.move_on_after(_SETTLING_S):
            await self.settle_open_calls()
        return True

    def _say_waiting(self, prompt: Prompt, held: MoneyHeldError, seconds: float) -> None:
        payload = {"name": held.budget.title, "held_usd": held.held_usd, "seconds": seconds}
        self.bus.emit(DomainEvent(Events.BUDGET_WAITING, prompt.conversation_id, payload))

    def _store_question(self, prompt: Prompt, pending: Message, options: SendOptions) -> Conversation:
        conversation = self.repository.get_by_id(prompt.conversation_id)
        if conversation is None:
            raise NotFoundError(
                f"conversation {prompt.conversation_id} was deleted just now", hint="nothing was sent; send it again"
            )
        if options.resumes is not None:
            self._require_last(options.resumes, conversation)
        if options.replaces is not None:
            from neuralterm.application.replacing import withdraw_exchange

            withdraw_exchange(self.repository, conversation, options.replaces, self.clock.now())
        conversation.model_id = prompt.model_id
        conversation.tags = tuple(dict.fromkeys((*conversation.tags, *options.tags)))
        conversation.updated_at = self.clock.now()
        self.repository.save(conversation)
        if prompt.contents and self.attachments is not None:
            self.attachments().keep(prompt)
        for message in (*prompt.new, pending):
            self.repository.add_message(message)
        return conversation

    def _require_last(self, answer_id: UUID, conversation: Conversation) -> None:
        """Refuse to buy the rest of an answer that another process has asked for since it was looked at."""
        answer = last_answer(self.repository.get_messages(conversation.id))
        if answer is None or answer.id != answer_id:
            raise ValidationError(
                f"the conversation {conversation.id} has gone on meanwhile: its last answer is another one now",
                "STILL_RUNNING",
                hint="`neuralterm history show` tells how it stands; --cid goes on with it",
            )

    def _open_call(self, prompt: Prompt, message: Message, permit: Permit, options: SendOptions) -> Call:
        call = Call(
            requested_model=prompt.model_id,
            model=prompt.model.id if prompt.model else None,
            cost=Cost.unsettled(permit.at_most_usd),
            conversation_id=prompt.conversation_id,
            message_id=message.id,
            run_id=options.run_id,
            tags=options.tags,
            started_at=self.clock.now(),
        )
        self.spending.open_call(call)
        return call
