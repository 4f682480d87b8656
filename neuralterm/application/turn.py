"""One answer while it comes in: its text, its journal, its record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from neuralterm.application.context import has_attachments
from neuralterm.application.permit import Permit
from neuralterm.application.ports import Journal
from neuralterm.application.records import Answer, Call, SendOptions
from neuralterm.application.settlement import Ending
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.exceptions import BudgetExceededError
from neuralterm.domain.models import Cost, Message, MessageRole, MessageStatus
from neuralterm.domain.record import field, record, replace

# What comes at short intervals is written to the journal together, and all of it before anything is waited for.
JOURNAL_INTERVAL_S = 0.01
_ESTIMATE_SLACK = 64


@record
class Prompt:
    """What is about to be sent: `messages` is what the model sees, `new` is what the conversation gains.

    `dropped` counts the messages of the history that did not fit. `tokens` is a count of `messages`, None where nobody needs
    it. `contents` are those of their attachments, by SHA-256.
    """

    conversation_id: UUID
    model_id: str
    model: OpenRouterModel | None
    messages: list[Message]
    new: list[Message]
    fallbacks: tuple[OpenRouterModel | None, ...] = ()
    dropped: int = 0
    tokens: int | None = None
    contents: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def message_count(self) -> int:
        """How many messages there were before any was dropped; the marker in their place is none."""
        return len(self.messages) - 1 + self.dropped if self.dropped else len(self.messages)

    @property
    def has_attachments(self) -> bool:
        """True when anything is attached to a message that the model sees."""
        return any(map(has_attachments, self.messages))

    def entry_of(self, served: str | None) -> OpenRouterModel | None:
        """Return the entry of the model that the reply names, which may be a fallback; None where that can't be told."""
        candidates = (model for model in (self.model, *self.fallbacks) if model is not None)
        other = None if self.fallbacks and served is not None else self.model
        return next((model for model in candidates if served in (model.id, model.canonical_slug)), other)

    def wire_messages(self) -> list[dict[str, Any]]:
        """Return the messages as the service takes them."""
        return [{"role": message.role.value, "content": self._content(message)} for message in self.messages]

    def _content(self, message: Message) -> str | list[dict[str, Any]]:
        if not has_attachments(message):
            return message.content
        from neuralterm.application.attachments import content_parts

        return content_parts(message, self.contents)


@record(frozen=False)
class Turn:
    """The answer to a prompt, from the moment it is asked for.

    `call` is the request that was made last; `call_open` is false while it is settled and the next one not yet made.
    `cap_lowered` is true once the account did not pay for the
    cap that was wished, `has_learnt` once the reported usage has been compared with what was counted here, `is_stored` once
    the database has the answer, `is_spooled` once it did not take it. `written` and `written_reasoning` are what the journal
    has: single pieces would take ten times the room of their text.
    """

    prompt: Prompt
    message: Message
    call: Call
    permit: Permit
    options: SendOptions
    temperature: float | None
    started: float
    written: list[str] = field(default_factory=list)
    written_reasoning: list[str] = field(default_factory=list)
    final: Mapping[str, Any] = field(default_factory=dict)
    first_token_ms: int | None = None
    call_open: bool = True
    cap_lowered: bool = False
    deltas: int = 0
    has_learnt: bool = False
    is_stored: bool = False
    is_spooled: bool = False
    _unwritten: list[str] = field(default_factory=list)
    _unwritten_reasoning: list[str] = field(default_factory=list)
    _written_at: float | None = None

    @property
    def content(self) -> str:
        """The text so far."""
        self.written = _joined(self.written)
        return "".join((*self.written, *self._unwritten))

    @property
    def reasoning(self) -> str | None:
        """The reasoning so far."""
        self.written_reasoning = _joined(self.written_reasoning)
        return "".join((*self.written_reasoning, *self._unwritten_reasoning)) or None

    @property
    def asked_for(self) -> str:
        """The model, and where there are fallbacks all models: what is known of one says little about a choice of several."""
        return ", ".join((self.prompt.model_id, *self.options.fallbacks))

    @property
    def has_text(self) -> bool:
        """True once anything was delivered, reasoning included."""
        return self.first_token_ms is not None

    @property
    def shortened_to(self) -> int | None:
        """The output cap in tokens, where a budget set it below what fits the model's window; else None."""
        cap = self.permit.output_cap if self.permit.cap_by_budget else None
        window = self.prompt.model.context_length if self.prompt.model else None
        return None if cap is None or (window and cap >= window) else cap

    @property
    def most_tokens(self) -> int | None:
        """What a count made here may come to under the cap, which may be off by a factor of two; None without one."""
        return None if self.permit.output_cap is None else 2 * self.permit.output_cap + _ESTIMATE_SLACK

    def is_at_cap(self, has_more_tokens_than: Callable[[int], bool]) -> bool:
        """Say whether as much has come as the cap allows: a service that sends more ignores it.

        Each delta is a token at least.
        """
        cap, most = self.permit.output_cap, self.most_tokens
        return cap is not None and most is not None and (self.deltas >= cap or has_more_tokens_than(most))

    def lower_cap(self, tokens: int) -> None:
        """Ask for no more than so many tokens from now on."""
        self.options = replace(self.options, max_tokens=tokens)
        self.cap_lowered = True

    def take(self, text: str, reasoning: str, now: float, deltas: int = 1) -> None:
        """Add what one delta brought, or several together."""
        if self.first_token_ms is None and (text or reasoning):
            self.first_token_ms = round((now - self.started) * 1000)
        self.deltas += deltas
        if text:
            self._unwritten.append(text)
        if reasoning:
            self._unwritten_reasoning.append(reasoning)

    def is_journal_due(self, now: float) -> bool:
        """Say whether the journal has been left alone for long enough."""
        return self._written_at is None or now - self._written_at >= JOURNAL_INTERVAL_S

    def write_journal(self, journal: Journal, now: float) -> None:
        """Write down what came since the last time; what can't be written now waits for the next time."""
        if self._unwritten or self._unwritten_reasoning:
            self._written_at = now
            text, reasoning = "".join(self._unwritten), "".join(self._unwritten_reasoning)
            self._unwritten, self._unwritten_reasoning = [text], [reasoning]
            journal.append(self.message.id, text, reasoning)
            self.written.append(text)
            self.written_reasoning.append(reasoning)
            self._unwritten, self._unwritten_reasoning = [], []

    def ending(self, error: BaseException | None) -> Ending:
        """Return what is known of the end."""
        return Ending(
            error=error,
            has_text=self.has_text,
            finish_reason=self.final.get("finish_reason"),
            usage=self.final.get("usage"),
            model=self.prompt.entry_of(self.final.get("model")),
            at_most_usd=self._at_most(error),
            started_at=self.call.started_at,
            cap_by_budget=self.permit.cap_by_budget,
            output_cap=self.permit.output_cap,
            has_attachments=self.prompt.has_attachments,
            generation_id=self.final.get("generation_id"),
            was_sent=self.final.get("request_sent", True),
        )

    def _at_most(self, error: BaseException | None) -> Decimal | None:
        """Return the bound of the call. An answer that had to be stopped here was not held by its cap, and may go on unseen."""
        if isinstance(error, BudgetExceededError) and error.mid_answer:
            return self.permit.uncapped_usd
        return self.call.cost.at_most_usd

    def finish_call(self, status: MessageStatus, cost: Cost, error_code: str | None, now: float) -> None:
        """Bring the call of this request into its final state."""
        self.call.status = status
        self.call.cost = cost
        self.call.error_code = error_code
        self.call.latency_ms = round((now - self.started) * 1000)
        self.call.first_token_ms = self.first_token_ms
        self.call.usage = self.final.get("usage")
        self.call.model = self.final.get("model")
        self.call.provider = self.final.get("provider")
        self.call.finish_reason = self.final.get("finish_reason")
        self.call.generation_id = self.final.get("generation_id") or self.call.generation_id

    def finish(self, status: MessageStatus, cost: Cost, error_code: str | None, now: float) -> Answer:
        """Bring message and call into their final state and return the record of the answer."""
        if self.call_open:
            self.finish_call(status, cost, error_code, now)
        self.message.content = self.content
        self.message.reasoning = self.reasoning
        self.message.status = status
        self.message.token_usage = self.call.usage
        self.message.cost = cost.usd
        self.message.cost_source = cost.source
        self.message.latency_ms = self.call.latency_ms
        self.message.finish_reason = self.call.finish_reason
        self.message.model_id = self.call.model or self.prompt.model_id
        return self._answer(status, cost)

    def _answer(self, status: MessageStatus, cost: Cost) -> Answer:
        return Answer(
            message_id=self.message.id,
            conversation_id=self.prompt.conversation_id,
            requested_model=self.call.requested_model,
            model=self.call.model or self.call.requested_model,
            content=self.message.content,
            status=status,
            cost=cost,
            created_at=self.message.created_at,
            reasoning=self.message.reasoning,
            refusal=self.final.get("refusal"),
            run_id=self.call.run_id,
            generation_id=self.call.generation_id,
            provider=self.call.provider,
            finish_reason=self.message.finish_reason,
            usage=self.call.usage,
            latency_ms=self.message.latency_ms,
            first_token_ms=self.first_token_ms,
            tags=self.call.tags,
        )


def pending_answer(prompt: Prompt) -> Message:
    """Return the message that will hold the answer."""
    return Message(
        conversation_id=prompt.conversation_id,
        role=MessageRole.ASSISTANT,
        model_id=prompt.model_id,
        status=MessageStatus.PENDING,
    )


def _joined(parts: list[str]) -> list[str]:
    """Return the text in one part, which is then the text itself and no second copy of it."""
    return ["".join(parts)] if len(parts) > 1 else parts
