"""What of a conversation is sent to the model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache

from neuralterm.domain.models import ATTACHMENTS, Message, MessageRole, MessageStatus

TRUNCATION_MARKER = "[Earlier messages were left out to fit the context window.]"
UNFINISHED_NOTE = "[The previous answer is incomplete: it ended before it was finished.]"

# In the metadata of messages that are made here for the model and belong to no stored history.
_INSERTED = "inserted"

CountMessage = Callable[[Message], int]


def is_inserted(message: Message) -> bool:
    """Tell whether a message is a marker or a note made here, which must not be stored."""
    return bool(message.metadata.get(_INSERTED))


def has_attachments(message: Message) -> bool:
    """Tell whether anything is attached to a message; costs nothing where nothing is."""
    return ATTACHMENTS in message.metadata


def last_answer(messages: Sequence[Message]) -> Message | None:
    """Return the newest answer; None when there is none."""
    return next((message for message in reversed(messages) if message.role is MessageRole.ASSISTANT), None)


def prompt_messages(history: Iterable[Message]) -> list[Message]:
    """Return stored history as the model is to see it.

    An answer without text is left out, and so is the question, if no other answer to it has text. An answer that was not
    finished is followed by a system note that says so; the answer itself stays as it was delivered. A question without
    any stored answer stays: so leave a pending answer that is about to be written out of `history`.
    """
    prompt: list[Message] = []
    for exchange in _exchanges(history):
        answers = [message for message in exchange if message.role is MessageRole.ASSISTANT]
        if answers and not any(answer.content.strip() for answer in answers):
            prompt.extend(message for message in exchange if message.role is MessageRole.SYSTEM)
            continue
        for message in exchange:
            prompt.extend(_as_seen(message))
    return prompt


def truncate(messages: Sequence[Message], budget: int, count: CountMessage, overhead: int = 0) -> list[Message]:
    """Return what of the messages has at most `budget` tokens, as `count` counts one message plus `overhead` in all.

    When all of it fits, an equal list is returned. Otherwise: all system messages, a marker, and the newest other messages
    in unbroken order, a note always together with its answer. The newest user message is kept whatever its length, and
    everything that is not to be dropped may exceed the budget: that is for the caller to find out. `count` is called at
    most once for each message and for the marker, newest first, and not for messages that are out of reach.
    """
    system, turns = _split(messages)
    cost = cache(lambda index: sum(map(count, turns[index])))
    question = _newest_question(turns)
    kept = set() if question is None else {question}
    used = overhead + sum(map(count, system)) + sum(map(cost, kept))
    for index in reversed(range(len(turns))):
        if index in kept:
            continue
        if used + cost(index) > budget:
            break
        kept.add(index)
        used += cost(index)
    if len(kept) == len(turns):
        return list(messages)

    marker = _insert(TRUNCATION_MARKER, turns[-1][0])
    used += count(marker)
    for index in sorted(kept):
        if used > budget and index != question:
            kept.remove(index)
            used -= cost(index)
    prompt = [message for message in system if not is_inserted(message)]
    return [*prompt, marker, *(message for index in sorted(kept) for message in turns[index])]


def dropped(before: Iterable[Message], after: Iterable[Message]) -> list[Message]:
    """Return the messages of `before` that are not in `after`, by id; markers and notes don't count."""
    remaining = {message.id for message in after}
    return [message for message in before if message.id not in remaining and not is_inserted(message)]


def _exchanges(history: Iterable[Message]) -> list[list[Message]]:
    """Split history before each user message."""
    exchanges: list[list[Message]] = [[]]
    for message in history:
        if message.role is MessageRole.USER:
            exchanges.append([])
        exchanges[-1].append(message)
    return exchanges


def _as_seen(message: Message) -> list[Message]:
    if message.role is not MessageRole.ASSISTANT:
        return [message]
    if not message.content.strip():
        return []
    if message.status is MessageStatus.COMPLETE:
        return [message]
    return [message, _insert(UNFINISHED_NOTE, message)]


def _split(messages: Iterable[Message]) -> tuple[list[Message], list[list[Message]]]:
    """Return the system messages, and the others with the notes about them: what can only be dropped together."""
    system: list[Message] = []
    turns: list[list[Message]] = []
    for message in messages:
        if message.role is not MessageRole.SYSTEM:
            turns.append([message])
        elif turns and is_inserted(message) and message.content == UNFINISHED_NOTE:
            turns[-1].append(message)
        else:
            system.append(message)
    return system, turns


def _newest_question(turns: Sequence[Sequence[Message]]) -> int | None:
    """Return the index of the last turn that is the user's."""
    questions = (index for index in reversed(range(len(turns))) if turns[index][0].role is MessageRole.USER)
    return next(questions, None)


def _insert(text: str, beside: Message) -> Message:
    return Message(
        conversation_id=beside.conversation_id,
        role=MessageRole.SYSTEM,
        content=text,
        metadata={_INSERTED: True},
    )
