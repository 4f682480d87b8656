"""Second thoughts about what was said: forks, titles, tags, and exchanges that are taken back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from neuralterm.application.ports import ConversationRepository
from neuralterm.application.replacing import last_exchange
from neuralterm.domain.exceptions import NotFoundError, ValidationError
from neuralterm.domain.models import COPIED_FROM, Conversation, Message, MessageRole, MessageStatus
from neuralterm.domain.record import replace
from neuralterm.domain.text import one_line
from neuralterm.domain.zones import utc_now

_FORK = " (fork)"


def fork_conversation(
    repository: ConversationRepository,
    conversation_id: UUID,
    at: int | None = None,
    *,
    title: str | None = None,
    now: datetime | None = None,
) -> Conversation:
    """Return a fresh conversation with copies of the messages of another, up to and including the one numbered `at`.

    Messages are numbered from 1, withdrawn ones included; without `at` all are copied that are not withdrawn. When number
    `at` is withdrawn itself, the copies are what the conversation was before that was done. What the copied answers cost
    stays with the conversation that paid for it: the copies have no cost, and the totals of the fork begin at 0.

    Raises:
        NotFoundError: there is no such conversation.
        ValidationError: there is no message with that number, or no question up to there.
    """
    now = now or utc_now()
    with repository.transaction():
        original = _existing(repository, conversation_id)
        chosen = _up_to(repository.get_messages(conversation_id, withdrawn=True), at)
        if not any(message.role is MessageRole.USER for message in chosen):
            raise ValidationError("there is nothing to fork: nothing was asked up to there")
        fork = Conversation(
            title=one_line(title or "") or _title_of_fork(original.title),
            model_id=original.model_id,
            created_at=now,
            updated_at=now,
            tags=original.tags,
            forked_from=original.id,
        )
        repository.save(fork)
        for message in chosen:
            repository.add_message(_copy(message, fork))
    return fork


def rename_conversation(repository: ConversationRepository, conversation_id: UUID, title: str) -> Conversation:
    """Give a conversation another title, on one line, and return it.

    Raises:
        NotFoundError: there is no such conversation.
        ValidationError: the title is empty.
    """
    title = one_line(title)
    if not title:
        raise ValidationError("the title is empty")
    with repository.transaction():
        conversation = _existing(repository, conversation_id)
        conversation.title = title
        repository.save(conversation)
    return conversation


def set_tags(repository: ConversationRepository, conversation_id: UUID, tags: Iterable[str]) -> tuple[str, ...]:
    """Replace the tags of a conversation and return them; what was paid under the old ones stays there.

    Raises:
        NotFoundError: there is no such conversation.
        ValidationError: a tag is empty.
    """
    wanted = _checked(tags)
    with repository.transaction():
        conversation = _existing(repository, conversation_id)
        conversation.tags = wanted
        repository.save(conversation)
    return wanted


def add_tags(repository: ConversationRepository, conversation_id: UUID, tags: Iterable[str]) -> tuple[str, ...]:
    """Add tags to a conversation and return all it has then. Raises as `set_tags`."""
    more = _checked(tags)
    with repository.transaction():
        return set_tags(repository, conversation_id, (*_existing(repository, conversation_id).tags, *more))


def remove_tags(repository: ConversationRepository, conversation_id: UUID, tags: Iterable[str]) -> tuple[str, ...]:
    """Take tags from a conversation, those it has, and return the rest. Raises as `set_tags`."""
    unwanted = set(_checked(tags))
    with repository.transaction():
        kept = [tag for tag in _existing(repository, conversation_id).tags if tag not in unwanted]
        return set_tags(repository, conversation_id, kept)


def withdraw_last_exchange(
    repository: ConversationRepository, conversation_id: UUID, *, now: datetime | None = None
) -> str | None:
    """Withdraw the last question and what followed it; return the text of the question, None where there is none.

    What is withdrawn is kept and its cost goes on counting; the model does not see it any more.
    """
    with repository.transaction():
        exchange = last_exchange(repository.get_messages(conversation_id))
        if not exchange:
            return None
        repository.withdraw([message.id for message in exchange], now or utc_now())
    return exchange[0].content


def _existing(repository: ConversationRepository, conversation_id: UUID) -> Conversation:
    conversation = repository.get_by_id(conversation_id)
    if conversation is None:
        raise NotFoundError(
            f"there is no conversation {conversation_id}", hint="`neuralterm history` lists the conversations"
        )
    return conversation


def _up_to(messages: Sequence[Message], at: int | None) -> list[Message]:
    number = len(messages) if at is None else at
    if not 0 <= number <= len(messages) or at == 0:
        raise ValidationError(
            f"there is no message {number}: the conversation has {len(messages)}",
            hint="`neuralterm history show ID --json` numbers them from 1",
        )
    # A conversation is withdrawn from its end: what was there with a withdrawn message went with it, or later.
    taken_back = None if at is None else messages[number - 1].withdrawn_at
    return [
        message
        for message in messages[:number]
        if message.withdrawn_at is None or (taken_back is not None and message.withdrawn_at >= taken_back)
    ]


def _copy(message: Message, fork: Conversation) -> Message:
    usage = message.token_usage and replace(message.token_usage, cost=None, upstream_cost=None)
    is_pending = message.status is MessageStatus.PENDING
    fresh = Message(conversation_id=fork.id)
    return replace(
        message,
        id=fresh.id,
        conversation_id=fork.id,
        # Whoever writes the original's answer does not know of the copy.
        status=MessageStatus.INTERRUPTED if is_pending else message.status,
        token_usage=usage,
        cost=None,
        cost_source=None,
        metadata={**message.metadata, COPIED_FROM: message.metadata.get(COPIED_FROM, str(message.id))},
        withdrawn_at=None,
    )


def _title_of_fork(title: str | None) -> str | None:
    return title and (title if title.endswith(_FORK) else title + _FORK)


def _checked(tags: Iterable[str]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(tag.strip() for tag in tags))
    if not all(found):
        raise ValidationError("a tag is empty")
    return found
