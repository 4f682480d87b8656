"""Going on from an answer that did not come to its end."""

from __future__ import annotations

from neuralterm.application.context import has_attachments, last_answer
from neuralterm.application.history import resolve_conversation
from neuralterm.application.ports import ConversationRepository
from neuralterm.application.sending import SendRequest
from neuralterm.domain.exceptions import NotFoundError, ValidationError
from neuralterm.domain.models import Conversation, Message, MessageRole, MessageStatus
from neuralterm.domain.record import replace

GO_ON = (
    "Your last answer broke off before it was finished. Go on exactly where it ended:"
    " repeat nothing of it, and write no introduction."
)


def resumed(request: SendRequest, id_or_prefix: str, repository: ConversationRepository) -> SendRequest:
    """Return the request that asks for the rest of the last answer of a conversation.

    With a prompt of its own the request says that instead. Of an answer that has no text the question is asked again.

    Raises:
        NotFoundError: there is no such conversation, or no answer in it.
        ValidationError: the answer is complete, or still being written; or the question had attachments.
    """
    conversation = resolve_conversation(repository, id_or_prefix)
    messages = repository.get_messages(conversation.id)
    answer = last_answer(messages)
    if answer is None:
        raise NotFoundError(f"the conversation {conversation.id} has no answer to go on from")
    _require_unfinished(answer, conversation)
    prompt = request.prompt or (GO_ON if answer.content.strip() else _question(messages))
    options = replace(request.options, resumes=answer.id)
    return replace(request, prompt=prompt, conversation=str(conversation.id), options=options)


def _require_unfinished(answer: Message, conversation: Conversation) -> None:
    if answer.status is MessageStatus.COMPLETE:
        raise ValidationError(
            f"the last answer of {conversation.id} is complete: there is nothing to resume",
            "NOTHING_TO_RESUME",
            hint="--cid goes on with a conversation",
        )
    if answer.status is MessageStatus.PENDING:
        raise ValidationError(
            f"the last answer of {conversation.id} is still being written by another process",
            "STILL_RUNNING",
            hint="wait for it, or end that process",
        )


def _question(messages: list[Message]) -> str:
    """Return the question that was asked last."""
    question = next((message for message in reversed(messages) if message.role is MessageRole.USER), None)
    if question is None:
        raise NotFoundError("the conversation has no question that could be asked again")
    if has_attachments(question):
        raise ValidationError(
            "nothing came of the answer, and its question had attachments", hint="send the question again with -a"
        )
    return question.content
