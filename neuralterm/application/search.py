"""Finding messages by their words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuralterm.domain.exceptions import ValidationError
from neuralterm.domain.record import record

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from neuralterm.application.ports import ConversationRepository


@record
class SearchHit:
    """A message that a search found; `snippet` marks the matches with `[` and `]`.

    `matches` are the places of what is marked in the snippet, brackets included.
    """

    conversation_id: UUID
    message_id: UUID
    role: str
    snippet: str
    title: str | None
    created_at: datetime
    matches: tuple[tuple[int, int], ...] = ()


@record
class SearchFilter:
    """Which messages: written in [since, until), in a conversation with a tag, of a model.

    `model` is a pattern, which has to match the model of the answer, or of the conversation for what is none.
    """

    since: datetime | None = None
    until: datetime | None = None
    tag: str | None = None
    model: str | None = None


def search(
    repository: ConversationRepository, query: str, limit: int, filter: SearchFilter | None = None
) -> list[SearchHit]:
    """Return messages that hold all words of the query, newest first.

    Raises:
        ValidationError: there is nothing to look for.
    """
    if not query.strip():
        raise ValidationError("there is nothing to search for: the query is empty")
    return repository.search(query, limit, filter)
