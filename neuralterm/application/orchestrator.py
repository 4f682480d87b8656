"""The one path a prompt takes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from neuralterm.application.answering import Answering
from neuralterm.application.clock import SystemClock
from neuralterm.application.cost_tracker import CostTracker
from neuralterm.application.counting import PlainCounting, with_bounds
from neuralterm.application.credit import say_what_is_left
from neuralterm.application.estimates import TokenEstimates
from neuralterm.application.events import DomainEvent, EventBus, Events
from neuralterm.application.faults import circuits_of
from neuralterm.application.opening import Opening
from neuralterm.application.ports import Breaker, ChatClient, Circuit, Clock, ConversationRepository, TokenCounting
from neuralterm.application.preparing import ModelLookup, Preparing
from neuralterm.application.records import Answer, SendOptions
from neuralterm.application.spending import SpendingGate
from neuralterm.application.turn import Prompt, Turn
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.exceptions import (
    BudgetExceededError,
    InsufficientCreditsError,
    NeuralTermError,
    NotFoundError,
    OpenRouterAPIError,
)
from neuralterm.domain.model_ids import DEFAULT_MODEL
from neuralterm.domain.models import Conversation, Message, MessageRole
from neuralterm.domain.record import replace

if TYPE_CHECKING:
    from neuralterm.application.attachments import AttachmentFile, Attachments

DEFAULT_MAX_INPUT_CHARS = 32_000


class ChatOrchestrator:
    """Keeps conversations, sends prompts, streams answers, and sees that text, status and cost of each are kept.

    Only the first four arguments are needed. `spending` keeps budgets and the ledger, `cost_tracker` stops an answer that
    crosses its limit, `models` finds prices and windows of models that `load_models` has not loaded, `max_input_chars`
    None leaves the limit to the model's window. `attachments` is called when a message has any, and keeps them.
    `lookup_patience`: seconds that looking a model up may take where the answer does not depend on it. `estimates` counts
    tokens where the service does not. `settle_open_calls` is called before a budget refuses a call while others are
    uncertain. `circuits` gives each turn a circuit for what it asks for; without it, `circuit_breaker` is one for all. With
    `joins_reads`, the text that came in one read of the network is handed on in one piece.
    """

    def __init__(
        self,
        repository: ConversationRepository,
        openrouter: ChatClient,
        event_bus: EventBus,
        token_counter: TokenCounting | PlainCounting,
        circuit_breaker: Breaker | None = None,
        *,
        circuits: Callable[[str], Circuit] | None = None,
        clock: Clock | None = None,
        spending: SpendingGate | None = None,
        cost_tracker: CostTracker | None = None,
        models: ModelLookup | None = None,
        max_input_chars: int | None = DEFAULT_MAX_INPUT_CHARS,
        attachments: Callable[[], Attachments] | None = None,
        estimates: TokenEstimates | None = None,
        settle_open_calls: Callable[[], Awaitable[None]] | None = None,
        lookup_patience: float = 5.0,
        joins_reads: bool = False,
    ) -> None:
        clock = clock or SystemClock()
        counter = with_bounds(token_counter)
        spending = spending or SpendingGate(clock)
        estimates = estimates or TokenEstimates(counter)
        self._repository = repository
        self._client = openrouter
        self._bus = event_bus
        self._joins_reads = joins_reads
        self._answering = Answering(
            repository=repository,
            client=openrouter,
            bus=event_bus,
            counter=counter,
            clock=clock,
            spending=spending,
            circuits=circuits or circuits_of(circuit_breaker),
            tracker=cost_tracker,
            estimates=estimates,
            opening=Opening(
                repository=repository,
                spending=spending,
                estimates=estimates,
                clock=clock,
                bus=event_bus,
                attachments=attachments,
                settle_open_calls=settle_open_calls,
            ),
        )
        self._preparing = Preparing(
            repository=repository,
            counter=counter,
            spending=spending,
            lookup=models,
            patience=lookup_patience,
            max_input_chars=max_input_chars,
            attachments=attachments,
        )

    async def load_models(self) -> list[OpenRouterModel]:
        """Fetch the model list and keep it for `get_model_config`."""
        models = await self._client.get_available_models()
        self._preparing.models = {model.id: model for model in models}
        return models

    def get_model_config(self, model_id: str) -> OpenRouterModel | None:
        """Return prices and limits of a model as far as they are known here; None when they are not."""
        return self._preparing.known(model_id)

    async def create_conversation(
        self,
        title: str | None = None,
        model_id: str = DEFAULT_MODEL,
        system_prompt: str | None = None,
        tags: tuple[str, ...] = (),
    ) -> Conversation:
        """Store an empty conversation, with its system message if there is one."""
        conversation = Conversation(title=title, model_id=model_id, tags=tags)
        with self._repository.transaction():
            self._repository.save(conversation)
            if system_prompt:
                self._repository.add_message(
                    Message(conversation_id=conversation.id, role=MessageRole.SYSTEM, content=system_prompt)
                )
        return conversation

    async def send_message(
        self,
        conversation_id: UUID,
        content: str,
        temperature: float | None = 0.7,
        options: SendOptions | None = None,
        attachments: Sequence[AttachmentFile] = (),
    ) -> AsyncGenerator[tuple[str, dict[str, Any] | None], None]:
        """Send a message and stream its answer: `(delta, None)` for each piece of text, last `("", metadata)`.

        `metadata` has `usage` (TokenUsage or None), `cost` (USD or None), `latency` (ms), `message_id` and `answer` (the
        whole record). Whatever ends the stream early, closing and cancellation included, what arrived is kept with its
        status and cost, and `message.completed` is emitted.

        Raises:
            ValidationError: empty or too long input, no such conversation, or a model that can't take an attachment.
            TokenLimitError: the input is longer than the model's window.
            BudgetExceededError: refused before the request, or stopped in mid-answer (`mid_answer`).
            OpenRouterAPIError, CircuitOpenError: the service could not be asked, or said no.
            StreamInterruptedError: the answer began and did not end.
        """
        options = options or SendOptions()
        prompt = await self._prepare(conversation_id, content, options, attachments)
        try:
            turn = await self._answering.begin(prompt, temperature, options)
        except BudgetExceededError as error:
            await self._suggest_models(error)
            raise
        try:
            attempts = self._answering.attempts(turn, joined=self._joins_reads)
            async with contextlib.aclosing(attempts):
                async for text in attempts:
                    yield text, None
        except BaseException as error:
            self._answering.announce(turn, self._answering.keep(turn, error))
            if isinstance(error, InsufficientCreditsError):
                await say_what_is_left(error, self._client)
            if isinstance(error, OpenRouterAPIError):
                await self._suggest_models(error)
            raise
        answer = self._answering.keep(turn, None)
        try:
            if await self._has_learnt_price(turn):
                answer = self._answering.keep(turn, None)
        finally:
            self._answering.announce(turn, answer)
        yield "", _metadata(answer)

    async def _prepare(
        self, conversation_id: UUID, content: str, options: SendOptions, files: Sequence[AttachmentFile]
    ) -> Prompt:
        self._preparing.check(content, options)
        conversation = self._repository.get_by_id(conversation_id)
        if conversation is None:
            raise NotFoundError(f"conversation {conversation_id} not found")
        prompt = await self._preparing.prompt(conversation, content, options, files)
        if prompt.dropped:
            new_count = len(prompt.messages)
            counts = {"original_count": prompt.message_count, "new_count": new_count, "dropped": prompt.dropped}
            self._bus.emit(DomainEvent(Events.CONTEXT_TRUNCATED, conversation_id, counts))
        return prompt

    async def _suggest_models(self, error: NeuralTermError) -> None:
        if error.unknown_model is not None:
            from neuralterm.application.unknown_model import suggest_models

            await suggest_models(error, self._preparing.lookup)

    async def _has_learnt_price(self, turn: Turn) -> bool:
        """Look the model up after an answer whose cost was not told, so that one can be computed."""
        usage, prompt = turn.final.get("usage"), turn.prompt
        is_told = usage is not None and usage.cost is not None
        if prompt.model is not None or is_told or self._preparing.was_looked_for(prompt.model_id):
            return False
        turn.prompt = replace(prompt, model=await self._preparing.describe(prompt.model_id, needed=True))
        return turn.prompt.model is not None


def _metadata(answer: Answer) -> dict[str, Any]:
    return {
        "usage": answer.usage,
        "cost": answer.cost.usd,
        "latency": answer.latency_ms,
        "message_id": answer.message_id,
        "answer": answer,
    }
