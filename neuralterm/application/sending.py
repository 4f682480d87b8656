"""One prompt in, one answer out: into which conversation, and what of it to show."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from neuralterm.application.history import last_conversation, resolve_conversation
from neuralterm.application.orchestrator import ChatOrchestrator
from neuralterm.application.ports import ConversationRepository
from neuralterm.application.records import Answer, SendOptions
from neuralterm.domain.exceptions import NotFoundError, StorageError
from neuralterm.domain.model_ids import DEFAULT_MODEL
from neuralterm.domain.models import Conversation
from neuralterm.domain.record import record
from neuralterm.domain.text import headline, shortened

if TYPE_CHECKING:
    from neuralterm.application.attachments import AttachmentFile

TITLE_LENGTH = 60


@record
class SendRequest:
    """A prompt and where it belongs: the last conversation, one named by id or prefix, or else a fresh one."""

    prompt: str
    options: SendOptions
    temperature: float | None = None
    continue_last: bool = False
    conversation: str | None = None
    title: str | None = None
    default_model: str = DEFAULT_MODEL
    attachments: tuple[AttachmentFile, ...] = ()


async def send(
    request: SendRequest,
    orchestrator: ChatOrchestrator,
    repository: ConversationRepository,
    show: Callable[[str], None],
) -> Answer:
    """Send the prompt, hand each piece of the answer to `show`, and return the whole record.

    A conversation that was made for the prompt goes again if nothing was stored in it.
    """
    conversation = find_conversation(request, repository)
    fresh = conversation is None
    if conversation is None:
        conversation = await orchestrator.create_conversation(
            request.title or title_of(request.prompt),
            request.options.model or request.default_model,
            tags=request.options.tags,
        )
    elif request.title:
        conversation.title = request.title
        repository.save(conversation)
    try:
        return await stream_answer(orchestrator, conversation, request, show)
    except BaseException:
        if fresh:
            _delete_if_empty(repository, conversation)
        raise


def _delete_if_empty(repository: ConversationRepository, conversation: Conversation) -> None:
    # Whatever is in the way of this is no reason to hide what went wrong before. In one step: another process may be about
    # to go on with the conversation, as the last one there is.
    with contextlib.suppress(StorageError), repository.transaction():
        if not repository.get_messages(conversation.id, withdrawn=True):
            repository.delete(conversation.id)


async def stream_answer(
    orchestrator: ChatOrchestrator, conversation: Conversation, request: SendRequest, show: Callable[[str], None]
) -> Answer:
    """Send one prompt into an existing conversation."""
    stream = orchestrator.send_message(
        conversation.id, request.prompt, request.temperature, request.options, request.attachments
    )
    answer: Answer | None = None
    async with contextlib.aclosing(stream):
        async for delta, metadata in stream:
            if metadata is None:
                show(delta)
            else:
                answer = metadata["answer"]
    assert answer is not None
    return answer


def find_conversation(request: SendRequest, repository: ConversationRepository) -> Conversation | None:
    """Return the conversation the request names, None for a fresh one.

    Raises:
        NotFoundError: there is none such.
    """
    if request.conversation:
        return resolve_conversation(repository, request.conversation)
    if not request.continue_last:
        return None
    latest = last_conversation(repository)
    if latest is None:
        raise NotFoundError("there is no conversation to continue", hint="leave out -c to begin one")
    return latest


def title_of(prompt: str) -> str:
    """Return the line of a prompt that says what it is about: the title a conversation has until it is given one.

    That is the first line of words; a request that stands below a file or a block of code goes before.
    """
    return shortened(headline(prompt), TITLE_LENGTH)
