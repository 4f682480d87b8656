"""What an interactive front end remembers of the running session."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from neuralterm.application.events import DomainEvent, EventObserver, Events
from neuralterm.application.ports import ConversationRepository
from neuralterm.application.records import Answer
from neuralterm.domain.model_ids import DEFAULT_MODEL
from neuralterm.domain.money import EXACT, plain
from neuralterm.domain.record import field, record


@record(frozen=False)
class SessionState(EventObserver):
    """Current conversation and model, running totals, streaming flag, last error; kept up to date by events.

    `known_cost` (USD) leaves out answers whose cost is not known; `unknown_costs` counts those. `last_answer` is the record
    of the answer that ended last, complete or not.
    """

    conversation_id: UUID | None = None
    model_id: str = DEFAULT_MODEL
    known_cost: Decimal = Decimal(0)
    unknown_costs: int = 0
    total_tokens: int = 0
    answers: int = 0
    is_streaming: bool = False
    last_error: str | None = None
    last_answer: Answer | None = field(default=None, compare=False)

    @classmethod
    def resume(cls, repository: ConversationRepository) -> SessionState:
        """Return the state of the conversation that was changed last, by whatever process; a fresh one if none was."""
        conversation = repository.latest()
        if conversation is None:
            return cls()
        return cls(
            conversation_id=conversation.id,
            model_id=conversation.model_id,
            known_cost=conversation.total_cost,
            total_tokens=conversation.total_tokens,
        )

    def on_event(self, event: DomainEvent) -> None:
        """Follow an answer from start to end."""
        payload = event.payload or {}
        if event.event_type == Events.MESSAGE_STARTED:
            self.conversation_id = event.conversation_id
            self.model_id = payload.get("model") or self.model_id
            self.is_streaming = True
            self.last_error = None
        elif event.event_type == Events.MESSAGE_COMPLETED:
            self.is_streaming = False
            self.answers += 1
            self.last_answer = payload.get("answer")
            usage, cost = payload.get("usage"), payload.get("cost")
            self.total_tokens += usage.total_tokens if usage else 0
            self.unknown_costs += cost is None
            self.known_cost = EXACT.add(self.known_cost, cost or Decimal(0))

    def note_error(self, message: str) -> None:
        """Remember what went wrong last."""
        self.is_streaming = False
        self.last_error = message

    def to_dict(self) -> dict[str, Any]:
        """Return the state in JSON types, without the text of the last answer."""
        return {
            "conversation_id": None if self.conversation_id is None else str(self.conversation_id),
            "model_id": self.model_id,
            "known_cost": plain(self.known_cost),
            "unknown_costs": self.unknown_costs,
            "total_tokens": self.total_tokens,
            "answers": self.answers,
            "is_streaming": self.is_streaming,
            "last_error": self.last_error,
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> SessionState:
        """Return the state that `to_dict` wrote; nothing is streaming then."""
        conversation_id = stored.get("conversation_id")
        return cls(
            conversation_id=UUID(conversation_id) if conversation_id else None,
            model_id=stored.get("model_id") or DEFAULT_MODEL,
            known_cost=Decimal(stored.get("known_cost", "0")),
            unknown_costs=int(stored.get("unknown_costs", 0)),
            total_tokens=int(stored.get("total_tokens", 0)),
            answers=int(stored.get("answers", 0)),
            last_error=stored.get("last_error"),
        )
