"""Putting a question in the place of the last one of a conversation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from neuralterm.application.ports import ConversationRepository
from neuralterm.domain.exceptions import ValidationError
from neuralterm.domain.models import Conversation, Message, MessageRole


def last_exchange(messages: Sequence[Message]) -> Sequence[Message]:
    """Return the question that was asked last and what followed it; nothing when nothing was asked."""
    asked = [number for number, message in enumerate(messages) if message.role is MessageRole.USER]
    return messages[asked[-1] :] if asked else ()


def without_exchange(messages: Sequence[Message], question_id: UUID) -> list[Message]:
    """Return the messages before the last question, which must be the one with this id.

    Raises:
        ValidationError: it is not: the conversation has gone on, or was changed.
    """
    exchange = last_exchange(messages)
    if not exchange or exchange[0].id != question_id:
        raise ValidationError(
            "the conversation has gone on meanwhile: its last question is another one now",
            "STILL_RUNNING",
            hint="nothing was sent; `neuralterm history show` tells how it stands",
        )
    return list(messages[: -len(exchange)])


def withdraw_exchange(
    repository: ConversationRepository, conversation: Conversation, question_id: UUID, now: datetime
) -> None:
    """Withdraw the last question and what followed it, as part of the step that stores what takes its place.

    Raises as `without_exchange`.
    """
    messages = repository.get_messages(conversation.id)
    kept = without_exchange(messages, question_id)
    repository.withdraw([message.id for message in messages[len(kept) :]], now)
