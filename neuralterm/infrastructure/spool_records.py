"""The lines of a journal file: values as in the columns of the database."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from neuralterm.application.journal import JournalEntry, Unsaved
from neuralterm.application.records import Call
from neuralterm.domain.exceptions import StorageError
from neuralterm.domain.models import Conversation, Message
from neuralterm.infrastructure.rows import (
    CALL_COLUMNS,
    CONVERSATION_COLUMNS,
    MESSAGE_COLUMNS,
    call_from,
    call_parameters,
    conversation_from,
    conversation_parameters,
    message_from,
    message_parameters,
)

# Columns that the lines of earlier versions, and of these records here, don't have.
_ABSENT = {"deleted_at": None, "forked_from": None, "withdrawn_at": None}


def opening_line(call: Call, conversation: Conversation) -> dict[str, Any]:
    """Return the line of a request that is about to be made."""
    tags = json.dumps(conversation.tags)
    return {"call": call_parameters(call), "conversation": conversation_parameters(conversation) | {"tags": tags}}


def ending_line(unsaved: Unsaved) -> dict[str, Any]:
    """Return the line of the end; the text of the answer is in the lines before."""
    messages = [message_parameters(message) for message in unsaved.messages]
    if messages:
        messages[-1] |= {"content": "", "reasoning": None}
    return {"call": call_parameters(unsaved.call), "messages": messages}


def entry_from(message_id: UUID, data: bytes) -> JournalEntry | None:
    """Return what the lines tell; None when they tell nothing that can be understood."""
    call: Call | None = None
    conversation: Conversation | None = None
    generation, ending = None, None
    texts, reasonings = [], []
    try:
        for line in _lines(data):
            texts.append(line.get("text", ""))
            reasonings.append(line.get("reasoning", ""))
            generation = line.get("generation", generation)
            if "conversation" in line:
                call, conversation, generation = _call(line["call"]), _conversation(line["conversation"]), None
            elif "call" in line:
                ending = line
        if call is None or conversation is None:
            return None
        text, reasoning = "".join(texts), "".join(reasonings) or None
        unsaved = None if ending is None else _unsaved(ending, text, reasoning)
    except (KeyError, TypeError, ValueError, AttributeError, StorageError):
        return None
    return JournalEntry(message_id, call, conversation, text, reasoning, generation, unsaved)


def _lines(data: bytes) -> Iterator[dict[str, Any]]:
    """Yield the whole lines; room that was reserved and not used is zeros."""
    for line in data.split(b"\n")[:-1]:
        if line.startswith(b"\x00"):
            return
        yield json.loads(line)


def _unsaved(line: Mapping[str, Any], text: str, reasoning: str | None) -> Unsaved:
    messages = [_message(columns) for columns in line["messages"]]
    if messages:
        messages[-1].content, messages[-1].reasoning = text, reasoning
    return Unsaved(_call(line["call"]), messages)


def _call(columns: Mapping[str, Any]) -> Call:
    return call_from(tuple(columns[name] for name in CALL_COLUMNS))


def _conversation(columns: dict[str, Any]) -> Conversation:
    known = _ABSENT | columns
    return conversation_from(tuple(known[name] for name in CONVERSATION_COLUMNS))


def _message(columns: dict[str, Any]) -> Message:
    known = _ABSENT | columns
    return message_from(tuple(known[name] for name in MESSAGE_COLUMNS))
