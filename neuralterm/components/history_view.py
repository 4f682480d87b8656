"""Conversations, for programs and for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from neuralterm.application.history import Transcript
from neuralterm.application.records import ConversationSummary, SearchHit
from neuralterm.components import machine
from neuralterm.components.attachments_view import attachment_documents, with_attachments
from neuralterm.components.tables import grouped, minute, table
from neuralterm.domain.models import DAMAGED, Conversation, Message, MessageStatus, is_unsettled
from neuralterm.domain.money import dollars
from neuralterm.domain.spans import in_words
from neuralterm.domain.text import numbered, one_line, shortened

_SHORTEST_ID = 8
_SHORTEST_TITLE = 20
_GAP = "  "


def list_document(summaries: Sequence[ConversationSummary]) -> dict[str, Any]:
    """Return the object that `history --json` prints."""
    return {
        "schema_version": machine.SCHEMA_VERSION,
        "conversations": [
            _conversation_document(summary.conversation, summary.message_count, summary.unsettled)
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
        "conversation": _conversation_document(
            transcript.conversation, len(transcript.messages), sum(map(is_unsettled, transcript.messages))
        ),
        "messages": [message_document(message) for message in transcript.messages],
    }


def message_document(message: Message) -> dict[str, Any]:
    """Return one message; `cost` is null where there was nothing to pay for, its `usd` while it is not known."""
    return {
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
    }


def list_table(summaries: Sequence[ConversationSummary], *, width: int | None, now: datetime) -> str:
    """Return a table of conversations.

    For a terminal `width` columns wide, ids and titles are shortened and times relative to `now`; without a width
    everything is written out.
    """
    digits = _digits_needed([str(summary.conversation.id) for summary in summaries]) if width else None
    rows = [
        [
            str(summary.conversation.id)[:digits],
            _ago(summary.conversation.updated_at, now) if width else minute(summary.conversation.updated_at),
            summary.conversation.model_id,
            grouped(summary.message_count),
            _known_cost(summary),
            _unless_complete(summary.status),
            one_line(summary.conversation.title or summary.preview),
        ]
        for summary in summaries
    ]
    headers = ["id", "changed" if width else "changed (UTC)", "model", "messages", "cost", "status", "title"]
    if width:
        taken = len(table(headers[:-1], [row[:-1] for row in rows]).splitlines()[1])
        room = max(width - taken - len(_GAP), _SHORTEST_TITLE)
        rows = [[*row[:-1], shortened(row[-1], room)] for row in rows]
    return table(headers, rows, right=["messages", "cost"])


def hits_text(hits: Sequence[SearchHit]) -> str:
    """Return what a search found: where and when, then the text around the matches."""
    return "\n\n".join(
        f"{hit.conversation_id}  {minute(hit.created_at)}  {hit.role}"
        + (f"  {one_line(hit.title)}" if hit.title else "")
        + f"\n  {one_line(hit.snippet)}"
        for hit in hits
    )


def transcript_text(transcript: Transcript) -> str:
    """Return a whole conversation for people."""
    head, messages = transcript_parts(transcript)
    return "\n\n".join([head, *(f"{heading}\n{text}" for heading, text in messages)])


def transcript_parts(transcript: Transcript) -> tuple[str, list[tuple[str, str]]]:
    """Return what a conversation is, and heading and text of each message."""
    conversation, messages = transcript.conversation, transcript.messages
    facts = [
        one_line(conversation.model_id),
        f"{minute(conversation.created_at)} UTC",
        numbered(len(messages), "message"),
        _total(transcript),
        *(f"tagged {one_line(tag)}" for tag in conversation.tags),
    ]
    head = f"{one_line(conversation.title or 'Untitled')}\n{conversation.id}\n{', '.join(facts)}"
    return head, [(f"--- {_heading(message)} ---", with_attachments(message)) for message in messages]


def exported(transcripts: Sequence[Transcript], format: str) -> str:
    """Return conversations as Markdown (`md`), as one JSON document (`json`), or as JSON, one a line (`jsonl`)."""
    if format == "md":
        return "\n\n---\n\n".join(_markdown_of(transcript) for transcript in transcripts)
    documents = [transcript_document(transcript) for transcript in transcripts]
    if format == "jsonl":
        return "\n".join(machine.dumps(document, one_line=True) for document in documents)
    for document in documents:
        del document["schema_version"]
    return machine.dumps({"conversations": documents})


def _markdown_of(transcript: Transcript) -> str:
    conversation = transcript.conversation
    head = [
        f"# {one_line(conversation.title or 'Untitled')}",
        f"`{conversation.id}`, {one_line(conversation.model_id)}, {minute(conversation.created_at)} UTC, {_total(transcript)}",
    ]
    return "\n\n".join([*head, *(f"## {_heading(each)}\n\n{with_attachments(each)}" for each in transcript.messages)])


def _conversation_document(conversation: Conversation, message_count: int, unsettled: int) -> dict[str, Any]:
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
    }


def _message_cost(message: Message) -> dict[str, str | None] | None:
    if message.cost is None and message.cost_source is None:
        return None
    return {
        "usd": machine.money(message.cost),
        "source": None if message.cost_source is None else message.cost_source.value,
        "upstream_usd": machine.money(message.token_usage.upstream_cost) if message.token_usage else None,
    }


def _heading(message: Message) -> str:
    parts = [message.role.value]
    if message.model_id:
        parts.append(f"({one_line(message.model_id)})")
    if status := _unless_complete(message.status):
        parts.append(f"[{status}]")
    if message.metadata.get(DAMAGED):
        parts.append("[damaged in the database: not all of it can be shown]")
    return " ".join(parts)


def _unless_complete(status: MessageStatus) -> str:
    return "" if status is MessageStatus.COMPLETE else status.value


def _known_cost(summary: ConversationSummary) -> str:
    known = summary.conversation.total_cost
    if not summary.unsettled:
        return dollars(known)
    return f"{dollars(known)} + ?" if known else "unknown"


def _total(transcript: Transcript) -> str:
    known, unsettled = transcript.conversation.total_cost, sum(map(is_unsettled, transcript.messages))
    parts = [dollars(known)] if known or not unsettled else []
    if unsettled:
        parts.append(f"{unsettled} not settled yet")
    return " and ".join(parts)


def _digits_needed(ids: Sequence[str]) -> int:
    """Return how many characters tell these ids apart, eight or more."""
    for digits in range(_SHORTEST_ID, max(map(len, ids), default=_SHORTEST_ID)):
        if len({identity[:digits] for identity in ids}) == len(ids):
            return digits
    return max(map(len, ids), default=_SHORTEST_ID)


def _ago(at: datetime, now: datetime) -> str:
    return f"{in_words(now - at)} ago"
