"""What was said: conversations by their ids, read and deleted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from neuralterm.application.records import CallFilter, HistoryFilter
from neuralterm.domain.exceptions import NotFoundError
from neuralterm.domain.record import record

if TYPE_CHECKING:
    from neuralterm.application.ports import ConversationRepository, Ledger
    from neuralterm.domain.models import Conversation, Message

# As many as `find_by_prefix` returns at most.
_MOST_FOUND = 3
_LISTING = "`neuralterm history` lists the conversations"


@record
class Transcript:
    """A conversation with its messages, oldest first, withdrawn ones included; they are numbered from 1."""

    conversation: Conversation
    messages: Sequence[Message]


def resolve_conversation(
    repository: ConversationRepository, id_or_prefix: str, *, deleted: bool = False
) -> Conversation:
    """Return the conversation with this id, or the only one whose id begins so; with `deleted` of those in the trash.

    Raises:
        NotFoundError: there is none, or more than one (code `AMBIGUOUS_ID`).
    """
    wanted = id_or_prefix.strip()
    if not wanted.strip("-"):
        raise NotFoundError("the conversation id is empty", hint=_LISTING)
    found = repository.find_by_prefix(wanted, deleted=deleted)
    if len(found) == 1:
        return found[0]
    if not found:
        if deleted:
            raise NotFoundError(
                f"there is no conversation {wanted!r} in the trash",
                hint="`neuralterm history --deleted` lists those that are",
            )
        is_in_trash = bool(repository.find_by_prefix(wanted, deleted=True))
        hint = "it is in the trash; `neuralterm history restore` takes it out" if is_in_trash else _LISTING
        raise NotFoundError(f"there is no conversation {wanted!r}", hint=hint)
    candidates = ", ".join(str(conversation.id) for conversation in found)
    others = ", ..." if len(found) == _MOST_FOUND else ""
    raise NotFoundError(
        f"the id {wanted!r} fits more than one conversation", "AMBIGUOUS_ID", hint=f"it begins {candidates}{others}"
    )


def last_conversation(repository: ConversationRepository) -> Conversation | None:
    """Return the conversation that was changed last; None where nothing was asked in any."""
    # One in which nothing has been asked yet is just being begun by another process.
    latest = repository.summaries(HistoryFilter(limit=1))
    return latest[0].conversation if latest else None


def known_conversation(repository: ConversationRepository, ledger: Ledger, id_or_prefix: str) -> UUID:
    """Return the id of a conversation as `resolve_conversation`, or the whole id of a deleted one that the ledger knows."""
    try:
        return resolve_conversation(repository, id_or_prefix).id
    except NotFoundError:
        try:
            deleted = UUID(id_or_prefix.strip())
        except ValueError:
            deleted = None
        if deleted is None or not ledger.totals(CallFilter(conversation=deleted))[0].calls:
            raise
        return deleted


def resolve_all(repository: ConversationRepository, ids: Iterable[str], *, deleted: bool = False) -> list[Conversation]:
    """Return the conversations with these ids or prefixes, each once, in this order; raises as `resolve_conversation`."""
    found = [resolve_conversation(repository, written, deleted=deleted) for written in ids]
    return list({conversation.id: conversation for conversation in found}.values())


def resolve_anywhere(repository: ConversationRepository, ids: Iterable[str]) -> list[Conversation]:
    """Return conversations as `resolve_all`, those in the trash too; one outside it goes before one inside."""
    found = []
    for written in ids:
        try:
            found.append(resolve_conversation(repository, written))
        except NotFoundError as error:
            if not repository.find_by_prefix(written.strip(), deleted=True) or error.code == "AMBIGUOUS_ID":
                raise
            found.append(resolve_conversation(repository, written, deleted=True))
    return list({conversation.id: conversation for conversation in found}.values())


def transcripts(repository: ConversationRepository, ids: Iterable[str]) -> list[Transcript]:
    """Return whole conversations by id or prefix; raises as `resolve_conversation`, before any message is read."""
    return list(transcripts_of(repository, resolve_all(repository, ids)))


def transcripts_of(repository: ConversationRepository, conversations: Iterable[Conversation]) -> Iterator[Transcript]:
    """Yield conversations with their messages, each read when it is its turn."""
    for conversation in conversations:
        yield Transcript(conversation, repository.get_messages(conversation.id, withdrawn=True))


def delete_conversations(repository: ConversationRepository, ids: Iterable[UUID]) -> int:
    """Delete all of them for good in one step and return how many were still there; their cost stays in the ledger."""
    with repository.transaction():
        return sum(repository.delete(each) for each in ids)
