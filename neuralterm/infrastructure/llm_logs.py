"""The database in which the program `llm` logs what it is asked and answered, in all its schemas.

The oldest have one table of calls, `log` or `logs`; then came `conversations` and `responses`; since 0.32 calls are `turns`
of `threads` (see `llm_turns`). A file that was brought from one to the next has several of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from neuralterm.application.importing import Exchange, ForeignConversation
from neuralterm.domain.exceptions import ValidationError
from neuralterm.domain.models import MessageRole
from neuralterm.domain.record import replace
from neuralterm.infrastructure.foreign_file import ForeignFile, Row, moment_in, number_in, text_in
from neuralterm.infrastructure.llm_turns import Turns, attachment_line, usage_in

# The plugin for OpenRouter puts this before the ids of its models.
_PLUGIN = "openrouter/"
_OF_A_RESPONSE = (
    *("id", "model", "prompt", "system", "response", "conversation_id", "duration_ms", "datetime_utc"),
    *("input_tokens", "output_tokens", "token_details", "reasoning"),
)
_OF_A_LOG = (
    *("id", "model", "prompt", "system", "response", "chat_id", "reply_to_id", "duration_ms"),
    *("timestamp", "timestamp_utc", "datetime_utc"),
)
_Place = tuple[str, str, int]


class LlmLogs:
    """A `ForeignHistory`: what the program `llm` has logged in a file.

    Raises:
        ValidationError: the file is no log of it.
        StorageError: it can't be read.
    """

    name = "llm"

    def __init__(self, path: Path) -> None:
        self._file = ForeignFile(path)
        self._logs = [name for name in ("log", "logs") if self._file.has(name, "prompt", "response")]
        self._has_responses = self._file.has("responses", "id", "prompt", "response")
        self._turns = Turns(self._file) if Turns.are_in(self._file) else None
        if not (self._logs or self._has_responses or self._turns):
            self._file.close()
            raise ValidationError(
                f"{path} is not a log of the program llm", hint="`llm logs path` prints where its log is"
            )
        tables = [*self._logs, *(["responses"] if self._has_responses else []), *(["turns"] if self._turns else [])]
        self.size = sum(self._file.count(table) for table in tables)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def conversations(self) -> Iterator[ForeignConversation]:
        """Yield all conversations, those of the oldest schema first."""
        for table in self._logs:
            yield from self._of_log(table)
        responses = self._places("responses", "conversation_id") if self._has_responses else {}
        turns = self._turns.by_thread() if self._turns else {}
        related = _Related(self._file)
        names = {**self._names("conversations"), **self._names("threads")}
        for identity in dict.fromkeys((*responses, *turns)):
            numbers = [number for _, _, number in sorted(responses.get(identity, []))]
            rows = self._file.by_number("responses", _OF_A_RESPONSE, numbers)
            exchanges = [_exchange(row, related) for row in rows]
            if self._turns and identity in turns:
                known = {exchange.id for exchange in exchanges}
                more = self._turns.exchanges(turns[identity], is_begun=bool(known))
                exchanges += [exchange for exchange in more if exchange.id not in known]
            yield ForeignConversation(identity, names.get(identity, ""), [_with_model(each) for each in exchanges])

    def _names(self, table: str) -> dict[str, str]:
        if not self._file.has(table, "id"):
            return {}
        return {text_in(row["id"]): text_in(row["name"]) for row in self._file.rows(table, ("id", "name"))}

    def _places(self, table: str, column: str) -> dict[str, list[_Place]]:
        """Return where the rows of each conversation are, with what they are ordered by."""
        found: dict[str, list[_Place]] = {}
        for row in self._file.rows(table, ("id", column, "datetime_utc"), "ORDER BY rowid"):
            identity = text_in(row["id"])
            place = text_in(row["datetime_utc"]), identity, row["rowid"]
            found.setdefault(text_in(row[column]) or f"response {identity}", []).append(place)
        return found

    def _of_log(self, table: str) -> Iterator[ForeignConversation]:
        """Yield the conversations of an old table, whose rows have the number of the first one, or of the one before."""
        first_of: dict[str, str] = {}
        rows_of: dict[str, list[int]] = {}
        for row in self._file.rows(table, ("id", "chat_id", "reply_to_id"), "ORDER BY rowid"):
            own = text_in(row["id"] or row["rowid"])
            before = text_in(row["chat_id"]) or text_in(row["reply_to_id"])
            first_of[own] = first = first_of.get(before, before) or own
            rows_of.setdefault(first, []).append(row["rowid"])
        for numbers in rows_of.values():
            exchanges = [_old_exchange(row) for row in self._file.by_number(table, _OF_A_LOG, numbers)]
            yield ForeignConversation(exchanges[0].id, "", [_with_model(each) for each in exchanges])


class _Related:
    """What belongs to responses and is kept in tables of its own: fragments, attachments, uses of tools."""

    def __init__(self, file: ForeignFile) -> None:
        self._file = file
        self._numbers = {
            table: file.numbers_by(table, "response_id", "order" if "fragments" in table else "id")
            for table in ("prompt_fragments", "system_fragments", "prompt_attachments", "tool_calls", "tool_results")
        }

    def rows(self, table: str, columns: Sequence[str], response_id: str) -> Iterator[Row]:
        """Yield the rows of a response."""
        yield from self._file.by_number(table, columns, self._numbers[table].get(response_id, []))

    def fragments(self, table: str, response_id: str) -> list[str]:
        """Return the texts of fragments, in order."""
        found = []
        for link in self.rows(table, ("fragment_id",), response_id):
            rows = self._file.rows("fragments", ("content",), "WHERE id = ?", (link["fragment_id"],))
            found += [text_in(row["content"]) for row in rows]
        return found

    def attachments(self, response_id: str) -> list[str]:
        """Return a line for each attachment."""
        links = self.rows("prompt_attachments", ("attachment_id",), response_id)
        return [attachment_line(self._file, link["attachment_id"]) for link in links]


def _exchange(row: Row, related: _Related) -> Exchange:
    identity = text_in(row["id"])
    results = related.rows("tool_results", ("name", "output"), identity)
    calls = related.rows("tool_calls", ("name", "arguments"), identity)
    asked = [*related.fragments("prompt_fragments", identity), text_in(row["prompt"])]
    asked += [f"[result of {text_in(each['name'])}]\n{text_in(each['output'])}" for each in results]
    asked += (attachments := related.attachments(identity))
    system = [*related.fragments("system_fragments", identity), text_in(row["system"])]
    answer = [text_in(row["response"]), *(f"[{text_in(each['name'])}({text_in(each['arguments'])})]" for each in calls)]
    return Exchange(
        id=identity,
        model=text_in(row["model"]),
        inputs=[(MessageRole.USER, _joined(asked))],
        answer=_joined(answer),
        system=_joined(system),
        reasoning=text_in(row["reasoning"]) or None,
        usage=usage_in(row),
        duration_ms=number_in(row["duration_ms"]),
        at=moment_in(row["datetime_utc"]),
        attachments=len(attachments),
    )


def _old_exchange(row: Row) -> Exchange:
    written = next(
        (row[name] for name in ("datetime_utc", "timestamp_utc", "timestamp") if row[name] is not None), None
    )
    return Exchange(
        # The numbers of another file are the same: what was said when tells them apart.
        id=f"{text_in(row['id'] or row['rowid'])} {text_in(written)} {text_in(row['prompt'])[:100]}",
        model=text_in(row["model"]),
        inputs=[(MessageRole.USER, text_in(row["prompt"]))],
        answer=text_in(row["response"]),
        system=text_in(row["system"]),
        duration_ms=number_in(row["duration_ms"]),
        at=moment_in(written),
    )


def _with_model(exchange: Exchange) -> Exchange:
    return replace(exchange, model=exchange.model.removeprefix(_PLUGIN))


def _joined(texts: Sequence[str]) -> str:
    return "\n\n".join(text for text in texts if text.strip())
