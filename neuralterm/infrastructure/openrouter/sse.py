"""Server-sent events: bytes to events, without I/O.

Follows the event stream format of the WHATWG HTML standard. Only `data` and `event` matter here; `id`, `retry` and
unknown fields are dropped. The stream is UTF-8, whatever the response header says.
"""

from __future__ import annotations

from typing import NamedTuple

from neuralterm.domain.exceptions import StreamInterruptedError

LARGEST_EVENT = 64 * 1024 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class ServerSentEvent(NamedTuple):
    """One event: its data lines joined by LF, and its type (`message` unless the stream names one)."""

    data: str
    type: str = "message"


class SSEDecoder:
    """Turns the bytes of a stream, split anywhere, into events.

    `largest_event` bounds the bytes held for one event; a larger one raises StreamInterruptedError, after the events
    before it have been returned.
    """

    def __init__(self, largest_event: int = LARGEST_EVENT) -> None:
        self._largest_event = largest_event
        self._partial_line: list[bytes] = []
        self._data: list[bytes] = []
        self._type = b""
        self._held = 0
        self._too_large = False
        self._swallow_newline = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Take the next bytes; return the events that they complete."""
        self._check_size()
        lines = self._normalise(chunk).split(b"\n")
        events: list[ServerSentEvent] = []
        for line in lines[:-1]:
            if self._hold(line):
                break
            self._finish_line(events)
        else:
            self._hold(lines[-1])
        if not events:
            self._check_size()
        return events

    def close(self) -> ServerSentEvent | None:
        """Return the event that the end of the input cut off, or None when the last one was complete.

        A stream drops such an event by the standard; the caller decides what it still means.
        """
        self._check_size()
        events: list[ServerSentEvent] = []
        if self._partial_line:
            self._finish_line(events)
        self._dispatch(events)
        return events[0] if events else None

    def _normalise(self, chunk: bytes) -> bytes:
        if not chunk:
            return chunk
        if self._swallow_newline and chunk[:1] == b"\n":
            chunk = chunk[1:]
        self._swallow_newline = chunk[-1:] == b"\r"
        if b"\r" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return chunk

    def _hold(self, part: bytes) -> bool:
        """Keep a part of the running line; return whether the event has become too large."""
        if part:
            self._partial_line.append(part)
            self._held += len(part)
            self._too_large = self._held > self._largest_event
        return self._too_large

    def _check_size(self) -> None:
        if self._too_large:
            raise StreamInterruptedError(f"the service sent an event of more than {self._largest_event} bytes")

    def _finish_line(self, events: list[ServerSentEvent]) -> None:
        line = b"".join(self._partial_line)
        self._partial_line.clear()
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if not line:
            self._dispatch(events)
            return
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            return
        self._held -= len(line)
        if name == b"event":
            self._type = value

    def _dispatch(self, events: list[ServerSentEvent]) -> None:
        if self._data:
            data = b"\n".join(self._data).decode("utf-8", "replace")
            events.append(ServerSentEvent(data, self._type.decode("utf-8", "replace") or "message"))
            self._data.clear()
        self._type = b""
        self._held = 0
