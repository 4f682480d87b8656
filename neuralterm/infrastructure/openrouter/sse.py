"""Server-sent events: bytes to events, without I/O.

Follows the event stream format of the WHATWG HTML standard. Only `data` and `event` matter here; `id`, `retry` and
unknown fields are dropped. The stream is UTF-8, whatever the response header says.
"""

from __future__ import annotations

from typing import NamedTuple

from neuralterm.domain.exceptions import StreamInterruptedError
from neuralterm.infrastructure.openrouter.limits import LARGEST_EVENT, LONGEST_OTHER_LINE

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLANK_LINE = b"\n\n"
_DATA_BEGINNINGS = (b"data:", _BYTE_ORDER_MARK + b"data:")


class ServerSentEvent(NamedTuple):
    """One event: its data lines joined by LF, and its type (`message` unless the stream names one)."""

    data: str
    type: str = "message"


class SSEDecoder:
    """Turns the bytes of a stream, split anywhere, into events.

    `largest_event` bounds the bytes held for one event, `longest_other_line` those of a line that carries no data. Beyond
    them it raises StreamInterruptedError, after the events before have been returned.
    """

    def __init__(self, largest_event: int = LARGEST_EVENT, longest_other_line: int = LONGEST_OTHER_LINE) -> None:
        self._largest_event = largest_event
        self._longest_other_line = longest_other_line
        # Not a list of parts: a stream that comes byte by byte would take forty times its size.
        self._line = bytearray()
        self._data: list[bytes] = []
        self._data_size = 0
        self._type = b""
        self._too_large = 0
        self._swallow_newline = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Take the next bytes; return the events that they complete."""
        self._check_size()
        chunk = self._normalise(chunk)
        events: list[ServerSentEvent] = []
        start = 0 if self._is_between_events() else self._take_lines(chunk, 0, _end_of_event(chunk), events)
        last = chunk.rfind(_BLANK_LINE, start)
        if last >= start and self._is_between_events() and len(chunk) <= self._largest_event:
            end = last + len(_BLANK_LINE)
            self._take_events(chunk[start:end], events)
            start = end
        self._take_lines(chunk, start, len(chunk), events)
        if not events:
            self._check_size()
        return events

    def close(self) -> ServerSentEvent | None:
        """Return the event that the end of the input cut off, or None when the last one was complete.

        A stream drops such an event by the standard; the caller decides what it still means.
        """
        self._check_size()
        events: list[ServerSentEvent] = []
        if self._line:
            self._finish_line(events)
        self._dispatch(events)
        return events[0] if events else None

    def _is_between_events(self) -> bool:
        return not (self._line or self._data or self._type or self._too_large)

    def _take_events(self, chunk: bytes, events: list[ServerSentEvent]) -> None:
        """Take whole events: those of one line of data at once, the others line by line."""
        if self._at_start:
            chunk = chunk.removeprefix(_BYTE_ORDER_MARK)
            self._at_start = False
        try:
            text = chunk.decode()
        except UnicodeDecodeError:
            self._take_lines(chunk, 0, len(chunk), events)
            return
        for part in text[: -len(_BLANK_LINE)].split("\n\n"):
            if part.startswith("data: ") and "\n" not in part:
                events.append(ServerSentEvent(part[6:]))
                continue
            lines = f"{part}\n\n".encode()
            self._take_lines(lines, 0, len(lines), events)
            if self._too_large:
                return

    def _take_lines(self, chunk: bytes, start: int, end: int, events: list[ServerSentEvent]) -> int:
        """Take a part of the bytes line by line; return its end."""
        if self._too_large:
            return end
        *lines, rest = chunk[start:end].split(b"\n")
        for line in lines:
            if self._hold(line):
                return end
            self._finish_line(events)
        self._hold(rest)
        return end

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
        """Keep a part of the running line; return whether it, or its event, has become too large."""
        self._line += part
        size = len(self._line)
        if size > self._longest_other_line and not self._line.startswith(_DATA_BEGINNINGS):
            self._too_large = self._longest_other_line
        elif self._data_size + size > self._largest_event:
            self._too_large = self._largest_event
        return bool(self._too_large)

    def _check_size(self) -> None:
        if self._too_large:
            raise StreamInterruptedError(f"the service sent an event of more than {self._too_large} bytes")

    def _finish_line(self, events: list[ServerSentEvent]) -> None:
        line = bytes(self._line)
        self._line.clear()
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if not line:
            self._dispatch(events)
            return
        name, value = _field(line)
        if name == b"data":
            self._data.append(value)
            # An empty line of data takes space too.
            self._data_size += len(line)
        elif name == b"event":
            self._type = value

    def _dispatch(self, events: list[ServerSentEvent]) -> None:
        if self._data:
            data = b"\n".join(self._data).decode("utf-8", "replace")
            events.append(ServerSentEvent(data, self._type.decode("utf-8", "replace") or "message"))
            self._data.clear()
            self._data_size = 0
        self._type = b""


def _end_of_event(chunk: bytes) -> int:
    """Return where the first event of the bytes ends that has an end in them; all of them if none has."""
    found = chunk.find(_BLANK_LINE)
    return len(chunk) if found < 0 else found + len(_BLANK_LINE)


def _field(line: bytes) -> tuple[bytes, bytes]:
    """Split a line at its first colon, without a copy of the value more than needed."""
    colon = line.find(b":")
    if colon < 0:
        return line, b""
    start = colon + 1
    return line[:colon], line[start + (line[start : start + 1] == b" ") :]
