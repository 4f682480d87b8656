"""The one path a prompt takes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from neuralterm.application.answering import Answering
from neuralterm.application.clock import SystemClock
from neuralterm.application.context import has_attachments
from neuralterm.application.cost_tracker import CostTracker
from neuralterm.application.counting import PlainCounting, with_bounds
from neuralterm.application.events import DomainEvent, EventBus, Events
from neuralterm.application.ports import Breaker, ChatClient, Clock, ConversationRepository, TokenCounting
from neuralterm.application.prompts import check_input, check_output_cap, fit_to_window, needs_window, new_messages
from neuralterm.application.records import Answer, SendOptions
from neuralterm.application.spending import SpendingGate
from neuralterm.application.turn import Prompt, Turn
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.exceptions import NeuralTermError, NotFoundError, ValidationError
from neuralterm.domain.models import DEFAULT_MODEL, Conversation, Message, MessageRole

if TYPE_CHECKING:
    from neuralterm.application.attachments import AttachmentFile, Attachments

DEFAULT_MAX_INPUT_CHARS = 32_000


class ModelLookup(Protocol):
    """Finds a model's entry in the list of the service."""

    def cached(self, model_id: str) -> OpenRouterModel | None:
        """Return what is known here, whatever its age."""

    async def find(self, model_id: str) -> OpenRouterModel | None:
        """Return the entry, asking the service when what is known here does not do."""


class ChatOrchestrator:
    """Keeps conversations, sends prompts, streams answers, and sees that text, status and cost of each are kept.

    Only the first four arguments are needed. `spending` keeps budgets and the ledger, `cost_tracker` stops an answer that
    crosses its limit, `models` finds prices and windows of models that `load_models` has not loaded, `max_input_chars`
    None leaves the limit to the model's window. `attachments` is called when a message has any, and keeps them.
    `lookup_patience`: seconds that looking a model up may take where the answer does not depend on it.
    """

    def __init__(
        self,
        repository: ConversationRepository,
        openrouter: ChatClient,
        event_bus: EventBus,
        token_counter: TokenCounting | PlainCounting,
        circuit_breaker: Breaker | None = None,
        *,
        clock: Clock | None = None,
        spending: SpendingGate | None = None,
        cost_tracker: CostTracker | None = None,
        models: ModelLookup | None = None,
        max_input_chars: int | None = DEFAULT_MAX_INPUT_CHARS,
        attachments: Callable[[], Attachments] | None = None,
        lookup_patience: float = 5.0,
    ) -> None:
        clock = clock or SystemClock()
        self._repository = repository
        self._client = openrouter
        self._bus = event_bus
        self._counter = with_bounds(token_counter)
        self._spending = spending or SpendingGate(clock)
        self._answering = Answering(
            repository=repository,
            client=openrouter,
            bus=event_bus,
            counter=self._counter,
            clock=clock,
            spending=self._spending,
            breaker=circuit_breaker,
            tracker=cost_tracker,
            attachments=attachments,
        )
        self._attachments = attachments
        self._lookup = models
        self._lookup_patience = lookup_patience
        self._max_input_chars = max_input_chars
        self._models: dict[str, OpenRouterModel] = {}
        self._looked_for: set[str] = set()

    async def load_models(self) -> list[OpenRouterModel]:
        """Fetch the model list and keep it for `get_model_config`."""
        models = await self._client.get_available_models()
        self._models = {model.id: model for model in models}
        return models

    def get_model_config(self, model_id: str) -> OpenRouterModel | None:
        """Return prices and limits of a model as far as they are known here; None when they are not."""
        known = self._models.get(model_id)
        return known if known or self._lookup is None else self._lookup.cached(model_id)

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
        turn = self._answering.begin(prompt, temperature, options)
        try:
            attempts = self._answering.attempts(turn)
            async with contextlib.aclosing(attempts):
                async for text in attempts:
                    yield text, None
            await self._learn_price(turn)
        except BaseException as error:
            self._answering.conclude(turn, error)
            raise
        answer = self._answering.conclude(turn, None)
        yield "", _metadata(answer)

    async def _prepare(
        self, conversation_id: UUID, content: str, options: SendOptions, files: Sequence[AttachmentFile]
    ) -> Prompt:
        check_input(content, self._max_input_chars)
        check_output_cap(options.max_tokens)
        conversation = self._repository.get_by_id(conversation_id)
        if conversation is None:
            raise NotFoundError(f"conversation {conversation_id} not found")
        model_id = options.model or conversation.model_id
        history, new = new_messages(self._repository, conversation, content, options)
        if files:
            self._use_attachments().attach(new[-1], files)
        messages = [*history, *new]
        needed = any(map(has_attachments, messages)) or needs_window(messages, self._counter)
        model = await self._describe(model_id, needed=needed)
        fallbacks = [await self._describe(fallback, needed=False) for fallback in options.fallbacks]
        prompt = Prompt(conversation_id, model_id, model, messages, new, tuple(fallbacks))
        fitted = fit_to_window(prompt, self._counter, options.max_tokens)
        if fitted.has_attachments:
            fitted = self._use_attachments().prepare(fitted, files, options.fallbacks)
        if fitted.dropped:
            counts = {"original_count": len(messages), "new_count": len(fitted.messages), "dropped": fitted.dropped}
            self._bus.emit(DomainEvent(Events.CONTEXT_TRUNCATED, conversation_id, counts))
        return fitted

    def _use_attachments(self) -> Attachments:
        if self._attachments is None:
            raise ValidationError("there is nowhere to keep attachments")
        return self._attachments()

    async def _describe(self, model_id: str, *, needed: bool) -> OpenRouterModel | None:
        """Return the model's entry; the service is asked for it only under a budget or where it is `needed`."""
        if model_id in self._models or self._lookup is None:
            return self._models.get(model_id)
        if not (needed or self._spending.budgets):
            return self._lookup.cached(model_id)
        self._looked_for.add(model_id)
        import anyio

        found = None
        try:
            with anyio.move_on_after(None if self._spending.budgets else self._lookup_patience):
                found = await self._lookup.find(model_id)
        except NeuralTermError:
            if self._spending.budgets:
                raise
            return None
        if found is not None:
            self._models[model_id] = found
        return found

    async def _learn_price(self, turn: Turn) -> None:
        """Look the model up after an answer whose cost was not told, so that one can be computed."""
        usage, prompt = turn.final.get("usage"), turn.prompt
        is_told = usage is not None and usage.cost is not None
        if prompt.model is None and not is_told and prompt.model_id not in self._looked_for:
            turn.prompt = replace(prompt, model=await self._describe(prompt.model_id, needed=True))


def _metadata(answer: Answer) -> dict[str, Any]:
    return {
        "usage": answer.usage,
        "cost": answer.cost.usd,
        "latency": answer.latency_ms,
        "message_id": answer.message_id,
        "answer": answer,
    }
