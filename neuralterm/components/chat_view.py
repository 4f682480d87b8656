"""What a chat says of itself: where one is, what was said, and how to come back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from neuralterm.application.ports import ConversationRepository
from neuralterm.application.records import ConversationSummary
from neuralterm.application.replacing import last_exchange
from neuralterm.components.attachments_view import with_attachments
from neuralterm.components.chat_state import ChatState
from neuralterm.components.tables import clipped
from neuralterm.domain.models import Conversation, Message, MessageStatus
from neuralterm.domain.spans import in_words
from neuralterm.domain.text import numbered, one_line

SHORT_ID = 8
# Lines of a last answer that tell where one is.
_LINES_OF_ANSWER = 3
_SHORTEST_TITLE = 8


def short_id(conversation: Conversation, repository: ConversationRepository) -> str:
    """Return the beginning of an id that names no other conversation."""
    identity = str(conversation.id)
    brief = identity[:SHORT_ID]
    return brief if len(repository.find_by_prefix(brief)) <= 1 else identity


def greeting(state: ChatState) -> list[str]:
    """Return what is said at the beginning: of a conversation that goes on, its title and its last exchange."""
    return [*where_one_is(state), f"chat with {state.model}; /help lists the commands, Ctrl-D leaves"]


def where_one_is(state: ChatState) -> list[str]:
    """Return title and last exchange of the conversation, shortened; nothing for a fresh one."""
    if state.conversation is None:
        return []
    title, messages, width = one_line(state.conversation.title or "Untitled"), state.messages(), state.console.width
    lines = [clipped(f"going on with {title} ({numbered(len(messages), 'message')})", width)]
    if exchange := last_exchange(messages):
        question, *answers = exchange
        lines.append(question_line(with_attachments(question), width))
        lines += [line for answer in answers[-1:] for line in _beginning(answer, width)]
    return lines


def question_line(prompt: str, width: int) -> str:
    """Return a question on one line, shortened."""
    return clipped(f"> {one_line(prompt)}", width)


def message_lines(messages: Sequence[Message], count: int, width: int) -> list[str]:
    """Return the last `count` messages, one a line, with the numbers that `/fork` takes."""
    numbers = range(1, len(messages) + 1)
    return [
        clipped(f"{number:>3} {_speaker(message)}: {one_line(with_attachments(message))}", width)
        for number, message in list(zip(numbers, messages, strict=True))[-count:]
    ]


def conversation_lines(summaries: Iterable[ConversationSummary], now: datetime, width: int) -> list[str]:
    """Return conversations, one a line, with the ids that `/resume` takes."""
    lines = []
    for each in summaries:
        age = f"({in_words(now - each.conversation.updated_at)} ago)"
        room = max(width - SHORT_ID - len(age) - 4, _SHORTEST_TITLE)
        title = clipped(one_line(each.conversation.title or each.preview), room)
        lines.append(f"{str(each.conversation.id)[:SHORT_ID]}  {title}  {age}")
    return lines


def farewell(state: ChatState, *, is_kept: bool) -> str | None:
    """Return what the chat cost and how to go on with it; None when nothing was asked."""
    if state.conversation is None or not state.parts.session.answers:
        return None
    cost = f"{state.spent()} in this chat"
    if not is_kept:
        return cost
    identity = short_id(state.conversation, state.parts.repository)
    return f"{cost}; `{state.parts.program} chat --cid {identity}` goes on with it"


def _beginning(answer: Message, width: int) -> list[str]:
    lines = [line for line in answer.content.splitlines() if line.strip()]
    shown = [clipped(one_line(line), width) for line in lines[:_LINES_OF_ANSWER]]
    if len(lines) > _LINES_OF_ANSWER:
        shown.append("…")
    if answer.status is not MessageStatus.COMPLETE:
        shown.append(f"({answer.status.value})")
    return shown


def _speaker(message: Message) -> str:
    parts = [message.role.value]
    if message.status is not MessageStatus.COMPLETE:
        parts.append(f"({message.status.value})")
    if message.withdrawn_at is not None:
        parts.append("(taken back)")
    return " ".join(parts)
