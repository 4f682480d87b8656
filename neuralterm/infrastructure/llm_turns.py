"""The calls of the program `llm` since its version 0.32: turns of threads, and messages that know what was said before them.

A message is stored once, whoever shares it, and named by a hash of itself and all before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any

from neuralterm.application.importing import Exchange
from neuralterm.domain.models import MessageRole, TokenUsage
from neuralterm.infrastructure.foreign_file import ForeignFile, Row, moment_in, number_in, object_in, text_in

_OF_A_TURN = (
    *("id", "parent_message_hash", "tip_message_hash", "model", "duration_ms", "datetime_utc"),
    *("input_tokens", "output_tokens", "token_details"),
)
_OF_A_PART = ("type", "tool_name", "text", "payload")
_SYSTEM, _ASSISTANT = "system", "assistant"


class Turns:
    """The turns of a file."""

    def __init__(self, file: ForeignFile) -> None:
        self._file = file
        # Of the thread that is read: role and predecessor of messages, and the system prompt that holds with each.
        self._known: dict[str, tuple[str, str]] = {}
        self._systems: dict[str, str] = {}
        self._attachments = 0  # named in the turn that is read

    @staticmethod
    def are_in(file: ForeignFile) -> bool:
        """Say whether a file has turns."""
        return (
            file.has("turns", "id", "thread_id", "parent_message_hash", "tip_message_hash")
            and file.has("messages", "hash", "parent_hash", "role")
            and file.has("parts", "message_hash", "position", "type")
        )

    def by_thread(self) -> dict[str, list[int]]:
        """Return the numbers of the turns of each thread, oldest first."""
        places: dict[str, list[tuple[str, str, int]]] = {}
        for row in self._file.rows("turns", ("id", "thread_id", "datetime_utc"), "ORDER BY rowid"):
            identity = text_in(row["id"])
            place = text_in(row["datetime_utc"]), identity, row["rowid"]
            places.setdefault(text_in(row["thread_id"]) or f"response {identity}", []).append(place)
        return {thread: [number for _, _, number in sorted(each)] for thread, each in places.items()}

    def exchanges(self, numbers: Sequence[int], *, is_begun: bool) -> Iterator[Exchange]:
        """Yield the turns of a thread; the first one tells also what was said before, unless the thread `is_begun`."""
        self._known, self._systems = {}, {}
        for row in self._file.by_number("turns", _OF_A_TURN, numbers):
            yield self._exchange(row, whole=not is_begun)
            is_begun = True

    def _exchange(self, row: Row, *, whole: bool) -> Exchange:
        parent, tip = text_in(row["parent_message_hash"]), text_in(row["tip_message_hash"])
        before = list(self._back(parent))
        if not whole:
            before = list(takewhile(lambda message: message[1] != _ASSISTANT, before))
        self._attachments = 0
        asked = [(_role(role), self._text(name)) for name, role in reversed(before) if role != _SYSTEM]
        answered = [name for name, _ in takewhile(lambda message: message[0] != parent, self._back(tip))][::-1]
        return Exchange(
            id=text_in(row["id"]),
            model=text_in(row["model"]),
            inputs=asked,
            answer="\n\n".join(text for name in answered if (text := self._text(name)).strip()),
            system=self._system(parent),
            reasoning="\n\n".join(text for name in answered if (text := self._text(name, "reasoning")).strip()) or None,
            usage=usage_in(row),
            duration_ms=number_in(row["duration_ms"]),
            at=moment_in(row["datetime_utc"]),
            attachments=self._attachments,
        )

    def _back(self, name: str) -> Iterator[tuple[str, str]]:
        """Yield a message and those before it, each with its role, newest first."""
        seen = set()
        while name and name not in seen:
            seen.add(name)
            role, before = self._message(name)
            if role:
                yield name, role
            name = before

    def _message(self, name: str) -> tuple[str, str]:
        """Return the role of a message and the name of the one before it; nothing for one that is not there."""
        if name not in self._known:
            rows = self._file.rows("messages", ("role", "parent_hash"), "WHERE hash = ?", (name,))
            found = [(text_in(row["role"]), text_in(row["parent_hash"])) for row in rows]
            self._known[name] = found[0] if found else ("", "")
        return self._known[name]

    def _system(self, name: str) -> str:
        """Return the system prompt that stands before a message, or is it."""
        path = list(takewhile(lambda message: message[0] not in self._systems, self._back(name)))
        before = self._message(path[-1][0])[1] if path else name
        text = self._systems.get(before, "")
        for each, role in reversed(path):
            text = self._text(each) if role == _SYSTEM else text
            self._systems[each] = text
        return text

    def _text(self, name: str, kind: str = "") -> str:
        """Return what a message says, or only its parts of a kind; reasoning only when it is asked for."""
        rest = "WHERE message_hash = ? ORDER BY position"
        texts = []
        for part in self._file.rows("parts", _OF_A_PART, rest, (name,)):
            is_wanted = part["type"] == kind if kind else part["type"] != "reasoning"
            if is_wanted:
                texts.append(self._part(part))
        return "\n\n".join(text for text in texts if text.strip())

    def _part(self, part: Row) -> str:
        payload, tool = object_in(part["payload"]), text_in(part["tool_name"])
        if part["type"] == "tool_call":
            return f"[{tool}({json.dumps(payload.get('arguments'), ensure_ascii=False)})]"
        if part["type"] == "tool_result":
            return f"[result of {tool}]\n{text_in(payload.get('output')) or self._borrowed(payload)}"
        if part["type"] == "attachment":
            return self._attachment(payload.get("attachment"))
        return text_in(part["text"]) if part["text"] is not None else self._borrowed(payload)

    def _borrowed(self, payload: Mapping[str, Any]) -> str:
        """Return text that is put together from fragments and from what is between them."""
        pieces = payload.get("text_ref")
        texts = []
        for piece in pieces if isinstance(pieces, list) else []:
            if isinstance(piece, dict) and "literal" in piece:
                texts.append(text_in(piece["literal"]))
            elif isinstance(piece, dict) and number_in(piece.get("fragment")) is not None:
                rows = self._file.rows("fragments", ("content",), "WHERE id = ?", (piece["fragment"],))
                texts += [text_in(row["content"]) for row in rows]
        return "".join(texts)

    def _attachment(self, reference: Any) -> str:
        self._attachments += 1
        identity = text_in(reference.get("id")) if isinstance(reference, dict) else ""
        return attachment_line(self._file, identity)


def attachment_line(file: ForeignFile, identity: Any) -> str:
    """Return a line that tells of an attachment; its content stays where it is."""
    columns, parts = ("type", "path", "url"), []
    if file.has("attachments", "id"):
        for row in file.rows("attachments", columns, "WHERE id = ? LIMIT 1", (identity,)):
            parts = [text for name in columns if (text := text_in(row[name]))]
    return f"[attachment: {', '.join(parts) or 'without a name'}]"


def usage_in(row: Row) -> TokenUsage | None:
    """Return the token counts of a call, None where there are none. What it cost is not told."""
    prompt, completion = number_in(row["input_tokens"]), number_in(row["output_tokens"])
    if prompt is None and completion is None:
        return None
    details = object_in(row["token_details"])
    return TokenUsage(
        prompt_tokens=prompt or 0,
        completion_tokens=completion or 0,
        total_tokens=(prompt or 0) + (completion or 0),
        reasoning_tokens=_detail(details, "completion_tokens_details", "reasoning_tokens"),
        cached_tokens=_detail(details, "prompt_tokens_details", "cached_tokens"),
    )


def _detail(details: Mapping[str, Any], group: str, name: str) -> int:
    inner = details.get(group)
    return (number_in(inner.get(name)) if isinstance(inner, dict) else None) or 0


def _role(role: str) -> MessageRole:
    return MessageRole.ASSISTANT if role == _ASSISTANT else MessageRole.USER
