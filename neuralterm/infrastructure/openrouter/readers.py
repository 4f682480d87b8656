"""From the bytes of a reply to deltas and errors, without I/O.

A reader is fed what arrives and adds deltas to those it is given, before it raises too; `finished` says that nothing more is
needed. `close` is called at the end of the bytes and raises unless the answer was complete.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from neuralterm.application.deltas import Deltas
from neuralterm.domain.exceptions import OpenRouterAPIError, StreamInterruptedError
from neuralterm.infrastructure.openrouter.completion import Completion, first_choice
from neuralterm.infrastructure.openrouter.decoding import parse_json, without_surrogates
from neuralterm.infrastructure.openrouter.errors import CHECK_BASE_URL
from neuralterm.infrastructure.openrouter.limits import LARGEST_REPLY
from neuralterm.infrastructure.openrouter.recurring import RecurringChunk, learn
from neuralterm.infrastructure.openrouter.sse import ServerSentEvent, SSEDecoder

# Makes the exception for an `error` found under HTTP 200.
ErrorOf = Callable[[object], OpenRouterAPIError]

END_OF_STREAM = "[DONE]"

# So many chunks that did not recur, one after the other, are enough to look no further for one that does.
_MOST_LESSONS = 16


class BodyReader(Protocol):
    """What turns the body of a 200 into deltas."""

    @property
    def finished(self) -> bool:
        """True when nothing more is needed."""

    def feed(self, block: bytes, deltas: Deltas) -> None:
        """Take bytes as they came; add the deltas that they complete."""

    def close(self, deltas: Deltas, failure: StreamInterruptedError | None = None) -> None:
        """Add what is left, then raise `failure`, or a fitting error, if the answer is not complete."""


class EventStreamReader:
    """Reads `text/event-stream`: one JSON chunk an event, `[DONE]` at the end."""

    def __init__(self, completion: Completion, error_of: ErrorOf) -> None:
        self.finished = False
        self._completion = completion
        self._error_of = error_of
        self._decoder = SSEDecoder()
        self._recurring: RecurringChunk | None = None
        self._lessons = 0

    def feed(self, block: bytes, deltas: Deltas) -> None:
        """Take bytes as they came; add the deltas that they complete."""
        events = self._decoder.feed(block)
        position = 0
        while position < len(events) and not self.finished:
            position += self._take_recurring(events, position, deltas)
            if position < len(events):
                self._take(events[position], deltas)
                position += 1

    def close(self, deltas: Deltas, failure: StreamInterruptedError | None = None) -> None:
        """Add what is left, then raise unless `[DONE]` came, be it without its blank line."""
        cut_off = self._decoder.close()
        if cut_off is not None and (cut_off.data == END_OF_STREAM or _parse_object(cut_off.data) is not None):
            self._take(cut_off, deltas)
        if self.finished:
            return
        self._completion.flush(deltas)
        if failure is not None:
            raise failure
        if not self._completion.choices:
            raise StreamInterruptedError("the service closed the stream without an answer")
        raise StreamInterruptedError("the stream ended before the answer was complete")

    def _take_recurring(self, events: list[ServerSentEvent], start: int, deltas: Deltas) -> int:
        """Take the events from `start` on that are a known chunk with another text; return how many they are."""
        texts = self._recurring.texts(events, start) if self._recurring is not None else []
        if self._recurring is not None and texts:
            self._completion.absorb_again(self._recurring, texts, deltas)
            self._completion.check_size()
            self._lessons = 0
        return len(texts)

    def _take(self, event: ServerSentEvent, deltas: Deltas) -> None:
        if event.data == END_OF_STREAM:
            self._finish(deltas)
            return
        chunk = _parse_object(event.data)
        if chunk is None and event.type == "error":
            chunk = {"error": event.data}
        if chunk is None:
            self._completion.flush(deltas)
            raise StreamInterruptedError("the service sent something in the stream that is not a chunk of an answer")
        if event.type == "error" and "error" not in chunk:
            chunk = {"error": chunk}
        _absorb(self._completion, chunk, self._error_of, deltas)
        # The first piece may be the only one.
        if self._completion.pieces > 1 and self._lessons < _MOST_LESSONS:
            self._learn(event, chunk)

    def _learn(self, event: ServerSentEvent, chunk: Mapping[str, Any]) -> None:
        recurring = learn(event.data, chunk, first_choice(chunk))
        if recurring is not None:
            self._lessons += 1
            self._recurring = recurring if self._lessons < _MOST_LESSONS else None

    def _finish(self, deltas: Deltas) -> None:
        self._completion.flush(deltas)
        if not self._completion.choices:
            raise StreamInterruptedError("the service ended the stream without an answer")
        _check_end(self._completion, self._error_of)
        self.finished = True


class JsonBodyReader:
    """Reads `application/json`: one whole reply, perhaps after blank padding."""

    def __init__(self, completion: Completion, error_of: ErrorOf) -> None:
        self.finished = False
        self._completion = completion
        self._error_of = error_of
        self._body = bytearray()

    def feed(self, block: bytes, deltas: Deltas) -> None:
        """Take bytes as they came; the answer is read at the end."""
        self._body += block
        if len(self._body) > LARGEST_REPLY:
            raise StreamInterruptedError(f"the service sent an answer of more than {LARGEST_REPLY} bytes")

    def close(self, deltas: Deltas, failure: StreamInterruptedError | None = None) -> None:
        """Add the answer, then raise if it came with an error, or if the body is no answer."""
        reply = _parse_object(bytes(self._body))
        self._body.clear()
        if reply is None:
            raise failure or StreamInterruptedError("the service closed the connection before its answer was complete")
        _absorb(self._completion, reply, self._error_of, deltas)
        self._completion.flush(deltas)
        if not first_choice(reply):
            raise StreamInterruptedError("the service sent a reply without an answer in it")
        _check_end(self._completion, self._error_of)
        self.finished = True


class AnyBodyReader:
    """Passes over blank padding, and reads what follows as what it is: the media type of a failing server is often wrong.

    `usual` is the reader for a beginning that tells nothing.
    """

    def __init__(
        self, completion: Completion, error_of: ErrorOf, usual: Callable[[Completion, ErrorOf], BodyReader]
    ) -> None:
        self._completion = completion
        self._error_of = error_of
        self._usual = usual
        self._reader: BodyReader | None = None

    @property
    def finished(self) -> bool:
        """True when nothing more is needed."""
        return self._reader is not None and self._reader.finished

    def feed(self, block: bytes, deltas: Deltas) -> None:
        """Take bytes as they came; add the deltas that they complete."""
        if self._reader is None:
            block = block.lstrip()
            if not block:
                return
            self._reader = self._reader_for(block[:1])
        self._reader.feed(block, deltas)

    def close(self, deltas: Deltas, failure: StreamInterruptedError | None = None) -> None:
        """Add what is left, then raise `failure`, or a fitting error, if the answer is not complete."""
        reader = self._reader or self._reader_for(b"")
        reader.close(deltas, failure)

    def _reader_for(self, first: bytes) -> BodyReader:
        if first == b"<":
            raise web_page()
        # No line of an event stream that means anything begins so.
        reader = JsonBodyReader if first == b"{" else self._usual
        return reader(self._completion, self._error_of)


def web_page() -> OpenRouterAPIError:
    """Return the error for a reply that was made for a browser."""
    return OpenRouterAPIError("the service answered with a web page", 200, hint=CHECK_BASE_URL)


def _absorb(completion: Completion, chunk: Mapping[str, Any], error_of: ErrorOf, deltas: Deltas) -> None:
    completion.absorb(chunk, deltas)
    completion.check_size()
    error = chunk.get("error") or first_choice(chunk).get("error")
    if error:
        completion.flush(deltas)
        _fail(completion, error_of(without_surrogates(error)))


def _check_end(completion: Completion, error_of: ErrorOf) -> None:
    """An end that says `error` without an error object: the provider failed, and did not say how."""
    if completion.finish_reason == "error":
        _fail(completion, error_of({"code": 502, "message": "the provider ended the answer with an error"}))


def _fail(completion: Completion, error: OpenRouterAPIError) -> None:
    if not completion.has_output:
        raise error
    raise StreamInterruptedError(f"the answer broke off: {error.message}", hint=error.hint) from error


def _parse_object(text: str | bytes) -> dict[str, Any] | None:
    try:
        value = parse_json(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
