"""From the bytes of a reply to deltas and errors, without I/O.

A reader is fed what arrives and yields deltas; `finished` says that nothing more is needed. `close` is called at the
end of the bytes and raises unless the answer was complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from neuralterm.domain.exceptions import OpenRouterAPIError, StreamInterruptedError
from neuralterm.infrastructure.openrouter.completion import Completion, first_choice
from neuralterm.infrastructure.openrouter.decoding import parse_json, without_surrogates
from neuralterm.infrastructure.openrouter.sse import LARGEST_EVENT, ServerSentEvent, SSEDecoder

Delta = dict[str, Any]
# Makes the exception for an `error` found under HTTP 200.
ErrorOf = Callable[[object], OpenRouterAPIError]

END_OF_STREAM = "[DONE]"


class BodyReader(Protocol):
    """What turns the body of a 200 into deltas."""

    finished: bool

    def feed(self, block: bytes) -> Iterator[Delta]:
        """Take bytes as they came; yield the deltas that they complete."""

    def close(self, failure: StreamInterruptedError | None = None) -> Iterator[Delta]:
        """Yield what is left, then raise `failure`, or a fitting error, if the answer is not complete."""


class EventStreamReader:
    """Reads `text/event-stream`: one JSON chunk an event, `[DONE]` at the end."""

    def __init__(self, completion: Completion, error_of: ErrorOf) -> None:
        self.finished = False
        self._completion = completion
        self._error_of = error_of
        self._decoder = SSEDecoder()

    def feed(self, block: bytes) -> Iterator[Delta]:
        """Take bytes as they came; yield the deltas that they complete."""
        for event in self._decoder.feed(block):
            yield from self._take(event)
            if self.finished:
                return

    def close(self, failure: StreamInterruptedError | None = None) -> Iterator[Delta]:
        """Yield what is left, then raise unless `[DONE]` came, be it without its blank line."""
        cut_off = self._decoder.close()
        if cut_off is not None and (cut_off.data == END_OF_STREAM or _parse_object(cut_off.data) is not None):
            yield from self._take(cut_off)
        if self.finished:
            return
        yield from _rest(self._completion)
        if failure is not None:
            raise failure
        if not self._completion.chunks:
            raise StreamInterruptedError("the service closed the stream without an answer")
        raise StreamInterruptedError("the stream ended before the answer was complete")

    def _take(self, event: ServerSentEvent) -> Iterator[Delta]:
        if event.data == END_OF_STREAM:
            yield from self._finish()
            return
        chunk = _parse_object(event.data)
        if chunk is None:
            yield from _rest(self._completion)
            raise StreamInterruptedError("the service sent something in the stream that is not a chunk of an answer")
        if event.type == "error" and "error" not in chunk:
            chunk = {"error": chunk}
        yield from _absorb(self._completion, chunk, self._error_of)

    def _finish(self) -> Iterator[Delta]:
        yield from _rest(self._completion)
        if not self._completion.chunks:
            raise StreamInterruptedError("the service ended the stream without an answer")
        _check_end(self._completion, self._error_of)
        self.finished = True


class JsonBodyReader:
    """Reads `application/json`: one whole reply, perhaps after blank padding."""

    def __init__(self, completion: Completion, error_of: ErrorOf) -> None:
        self.finished = False
        self._completion = completion
        self._error_of = error_of
        self._blocks: list[bytes] = []
        self._size = 0

    def feed(self, block: bytes) -> Iterator[Delta]:
        """Take bytes as they came; the answer is read at the end."""
        self._size += len(block)
        if self._size > LARGEST_EVENT:
            raise StreamInterruptedError(f"the service sent an answer of more than {LARGEST_EVENT} bytes")
        self._blocks.append(block)
        yield from ()

    def close(self, failure: StreamInterruptedError | None = None) -> Iterator[Delta]:
        """Yield the answer, then raise if it came with an error, or if the body is no answer."""
        reply = _parse_object(b"".join(self._blocks).strip())
        if reply is None:
            raise failure or StreamInterruptedError("the service closed the connection before its answer was complete")
        yield from _absorb(self._completion, reply, self._error_of)
        yield from _rest(self._completion)
        if not first_choice(reply):
            raise StreamInterruptedError("the service sent a reply without an answer in it")
        _check_end(self._completion, self._error_of)
        self.finished = True


def _absorb(completion: Completion, chunk: Mapping[str, Any], error_of: ErrorOf) -> Iterator[Delta]:
    delta = completion.absorb(chunk)
    if delta is not None:
        yield delta
    error = chunk.get("error") or first_choice(chunk).get("error")
    if error:
        yield from _rest(completion)
        _fail(completion, error_of(without_surrogates(error)))


def _rest(completion: Completion) -> Iterator[Delta]:
    delta = completion.flush()
    if delta is not None:
        yield delta


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
