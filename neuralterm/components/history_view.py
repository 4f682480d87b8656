"""Conversations, for programs and for people."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from neuralterm.application.history import Transcript
from neuralterm.application.records import ConversationSummary, SearchHit
from neuralterm.components import machine
from neuralterm.components.attachments_view import attachment_documents, with_attachments
from neuralterm.components.tables import columns_of, fitted_table, grouped, minute, table
from neuralterm.domain.models import COPIED_FROM, DAMAGED, Conversation, Message, MessageStatus, is_unsettled
from neuralterm.domain.money import dollars
from neuralterm.domain.spans import in_words
from neuralterm.domain.text import numbered, one_line

_SHORTEST_ID = 8
_SHORTEST_TITLE = 20
_NUMBERS = ("messages", "cost")
# What a narrow terminal is spared, in this order.
_EXPENDABLE = ("status", "messages", "model")
_GAP = "  "


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
            unless_complete(summary.status),
            one_line(summary.conversation.title or summary.preview),
        ]
        for summary in summaries
    ]
    headers = ["id", "changed" if width else "changed (UTC)", "model", "messages", "cost", "status", "title"]
    if width is None:
        return table(headers, rows, right=_NUMBERS)
    if not any(row[5] for row in rows):
        headers, rows = _without("status", headers, rows)
    return _fitted(headers, rows, width)


def _fitted(headers: list[str], rows: list[list[str]], width: int) -> str:
    """Return a table in which titles have some room, in no more columns than there are if that can be."""
    for name in _EXPENDABLE:
        taken = columns_of(table(headers[:-1], [row[:-1] for row in rows], right=_NUMBERS))
        if width - taken - len(_GAP) >= min(_SHORTEST_TITLE, max(columns_of(row[-1]) for row in rows)):
            break
        if name in headers:
            headers, rows = _without(name, headers, rows)
    return fitted_table(headers, rows, width, right=_NUMBERS, names=["title"])


def _without(name: str, headers: list[str], rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    at = headers.index(name)
    return [*headers[:at], *headers[at + 1 :]], [[*row[:at], *row[at + 1 :]] for row in rows]


def hits_text(hits: Sequence[SearchHit]) -> tuple[str, list[tuple[int, int]]]:
    """Return what a search found (where and when, then the text around the matches), and where the matches are in it."""
    text, places = "", []
    for hit in hits:
        title = f"  {one_line(hit.title)}" if hit.title else ""
        text += "\n\n" if text else ""
        text += f"{hit.conversation_id}  {minute(hit.created_at)}  {hit.role}{title}\n  "
        for piece, is_match in _pieces(hit):
            if is_match:
                places.append((len(text), len(text) + len(piece)))
            text += piece
    return text, places


def _pieces(hit: SearchHit) -> Iterator[tuple[str, bool]]:
    """Yield the snippet in pieces on one line, and whether each is a match, without the marks around it."""
    at = 0
    for start, end in (*hit.matches, (len(hit.snippet), len(hit.snippet))):
        yield re.sub(r"\s+", " ", hit.snippet[at:start]), False
        if end > start:
            yield re.sub(r"\s+", " ", hit.snippet[start + 1 : end - 1]), True
        at = end


def transcript_text(transcript: Transcript, *, with_numbers: bool = False) -> str:
    """Return a whole conversation for people; `with_numbers` each message is told by its number, as `fork` takes it."""
    conversation, messages = transcript.conversation, transcript.messages
    facts = [
        one_line(conversation.model_id),
        f"{minute(conversation.created_at)} UTC",
        numbered(len(messages), "message") + _withdrawn(messages),
        total_of(transcript),
        *(f"tagged {one_line(tag)}" for tag in conversation.tags),
        *([f"forked from {conversation.forked_from}"] if conversation.forked_from else []),
    ]
    head = f"{one_line(conversation.title or 'Untitled')}\n{conversation.id}\n{', '.join(facts)}"
    parts = [head]
    for number, message in enumerate(messages, 1):
        place = f"{number} " if with_numbers else ""
        parts.append(f"--- {place}{heading(message)} ---\n{with_attachments(message)}")
    return "\n\n".join(parts)


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


def heading(message: Message) -> str:
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


def _known_cost(summary: ConversationSummary) -> str:
    known = summary.conversation.total_cost
    if not summary.unsettled:
        return dollars(known)
    return f"{dollars(known)} + ?" if known else "unknown"


def total_of(transcript: Transcript) -> str:
    """Return what a conversation cost, as far as that is known."""
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
