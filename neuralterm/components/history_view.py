"""Conversations, for programs and for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neuralterm.application.history import Transcript
from neuralterm.application.records import ConversationSummary
from neuralterm.application.search import SearchHit
from neuralterm.components import machine
from neuralterm.components.attachments_view import attachment_documents, with_attachments
from neuralterm.components.tables import minute
from neuralterm.components.text_width import columns_of, wrapped
from neuralterm.domain.models import COPIED_FROM, DAMAGED, Conversation, Message, MessageStatus, is_unsettled
from neuralterm.domain.money import dollars
from neuralterm.domain.text import numbered, one_line


def list_document(summaries: Sequence[ConversationSummary]) -> dict[str, Any]:
    """Return the object that `history --json` prints."""
    return {
        "schema_version": machine.SCHEMA_VERSION,
        "conversations": [
            conversation_document(summary.conversation, summary.message_count, summary.unsettled)
            | {"status": summary.status.value, "preview": summary.preview}
            for summary in summaries
        ],
    }


def hits_document(hits: Sequence[SearchHit]) -> dict[str, Any]:
    """Return the object that `history search --json` prints."""
    return {
        "schema_version": machine.SCHEMA_VERSION,
        "hits": [
            {
                "conversation_id": str(hit.conversation_id),
                "message_id": str(hit.message_id),
                "role": hit.role,
                "title": hit.title,
                "snippet": hit.snippet,
                "created_at": machine.moment(hit.created_at),
            }
            for hit in hits
        ],
    }


def transcript_document(transcript: Transcript) -> dict[str, Any]:
    """Return a whole conversation: what `history show --json` prints, and a line of a JSONL export."""
    return {
        "schema_version": machine.SCHEMA_VERSION,
        "conversation": conversation_document(
            transcript.conversation, len(transcript.messages), sum(map(is_unsettled, transcript.messages))
        ),
        "messages": [message_document(message, number) for number, message in enumerate(transcript.messages, 1)],
    }


def message_document(message: Message, number: int) -> dict[str, Any]:
    """Return one message; `cost` is null where there was nothing to pay for, its `usd` while it is not known."""
    return {
        "number": number,
        "id": str(message.id),
        "role": message.role.value,
        "content": message.content,
        "status": message.status.value,
        "model": message.model_id,
        "created_at": machine.moment(message.created_at),
        "usage": machine.usage_document(message.token_usage),
        "cost": _message_cost(message),
        "reasoning": message.reasoning,
        "finish_reason": message.finish_reason,
        "latency_ms": message.latency_ms,
        "attachments": attachment_documents(message),
        "withdrawn_at": message.withdrawn_at and machine.moment(message.withdrawn_at),
        "copied_from": message.metadata.get(COPIED_FROM),
    }


def transcript_text(transcript: Transcript, *, width: int | None = None) -> str:
    """Return a whole conversation for people; `width` is as in `transcript_parts`."""
    head, messages = transcript_parts(transcript, width=width)
    return "\n\n".join([head, *(f"{heading}\n{text}" for heading, text in messages)])


def transcript_parts(transcript: Transcript, *, width: int | None = None) -> tuple[str, list[tuple[str, str]]]:
    """Return what a conversation is, and heading and text of each message.

    For a terminal `width` columns wide, the headings tell the numbers of the messages, as `fork` takes them, and lines
    are broken between words.
    """
    conversation = transcript.conversation
    lines = [one_line(conversation.title or "Untitled"), str(conversation.id), facts_of(transcript)]
    head = "\n".join(wrapped(line, width) for line in lines)
    parts = []
    for number, message in enumerate(transcript.messages, 1):
        parts.append((_rule(message, number, width), with_attachments(message)))
    return head, parts


def _rule(message: Message, number: int, width: int | None) -> str:
    if width is None:
        return f"--- {heading_of(message)} ---"
    line = f"--- {number} {heading_of(message)}"
    return f"{line} ---" if columns_of(line) + len(" ---") <= width else wrapped(line, width)


def facts_of(transcript: Transcript) -> str:
    """Return what is to be known of a conversation besides title and id, on one line."""
    conversation, messages = transcript.conversation, transcript.messages
    facts = [
        one_line(conversation.model_id),
        f"{minute(conversation.created_at)} UTC",
        numbered(len(messages), "message") + _withdrawn(messages),
        _total_of(transcript),
        *(f"tagged {one_line(tag)}" for tag in conversation.tags),
        *([f"forked from {conversation.forked_from}"] if conversation.forked_from else []),
    ]
    return ", ".join(facts)


def _withdrawn(messages: Sequence[Message]) -> str:
    count = sum(message.withdrawn_at is not None for message in messages)
    return f" ({count} withdrawn)" if count else ""


def conversation_document(conversation: Conversation, message_count: int, unsettled: int) -> dict[str, Any]:
    """Return what programs are told of a conversation, its messages apart."""
    return {
        "id": str(conversation.id),
        "title": conversation.title,
        "model": conversation.model_id,
        "created_at": machine.moment(conversation.created_at),
        "updated_at": machine.moment(conversation.updated_at),
        "messages": message_count,
        "total_usd": machine.money(conversation.total_cost),
        "unsettled": unsettled,
        "total_tokens": conversation.total_tokens,
        "tags": list(conversation.tags),
        "forked_from": conversation.forked_from and str(conversation.forked_from),
        "deleted_at": conversation.deleted_at and machine.moment(conversation.deleted_at),
    }


def _message_cost(message: Message) -> dict[str, str | None] | None:
    if message.cost is None and message.cost_source is None:
        return None
    return {
        "usd": machine.money(message.cost),
        "source": None if message.cost_source is None else message.cost_source.value,
        "upstream_usd": machine.money(message.token_usage.upstream_cost) if message.token_usage else None,
    }


def heading_of(message: Message) -> str:
    """Return who speaks, and what is to be known of the message, on one line."""
    parts = [message.role.value]
    if message.model_id:
        parts.append(f"({one_line(message.model_id)})")
    if status := unless_complete(message.status):
        parts.append(f"[{status}]")
    if message.withdrawn_at is not None:
        parts.append("[withdrawn]")
    if message.metadata.get(DAMAGED):
        parts.append("[damaged in the database: not all of it can be shown]")
    return " ".join(parts)


def unless_complete(status: MessageStatus) -> str:
    """Return how far an answer got, nothing for a whole one."""
    return "" if status is MessageStatus.COMPLETE else status.value


def _total_of(transcript: Transcript) -> str:
    """Return what a conversation cost, as far as that is known."""
    known, unsettled = transcript.conversation.total_cost, sum(map(is_unsettled, transcript.messages))
    parts = [dollars(known)] if known or not unsettled else []
    if unsettled:
        parts.append(f"{numbered(unsettled, 'answer')} of unknown cost")
    return " and ".join(parts)
