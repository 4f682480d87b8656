"""HTTP/1.1 without I/O: a request as bytes, the head of a reply, the frames of its body.

Follows RFC 9112 as far as a client needs it that sends whole requests. What a reply may not look like raises ProtocolError.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

_LARGEST_HEAD = 64 * 1024
_LARGEST_SIZE_LINE = 4096
_LARGEST_TRAILER = 64 * 1024
_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")
_MOST_HEX_DIGITS = 16


class ProtocolError(Exception):
    """The other side does not speak HTTP/1.1."""


def request_bytes(method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """Return a request as it goes over the wire. Raises ValueError for a header that would become two."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    if any("\r" in line or "\n" in line or "\0" in line for line in lines):
        raise ValueError("a header has a line break in it")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


class ReplyHead:
    """The head of a reply: fed with bytes until `feed` returns what follows it. Header names are in lower case."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._version = b""
        self._data = b""

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes as they came, empty at the end of the connection; return those behind the head, None before its end."""
        if not data:
            raise ProtocolError(
                "it was closed within the head of a reply" if self._data else "it was closed without a reply"
            )
        self._data += data
        while (end := _end_of_head(self._data)) is not None:
            lines = self._data[: end[0]].replace(b"\r\n", b"\n").split(b"\n")
            self._data = self._data[end[1] :]
            self._read(lines)
            if self.status >= 200:
                return self._data
            if self.status == 101:
                raise ProtocolError("it wants to speak another protocol")
        if len(self._data) > _LARGEST_HEAD:
            raise ProtocolError("its headers are too long")
        if self._data and not b"HTTP/1.".startswith(self._data[:7]):
            raise ProtocolError("what it sends does not begin as HTTP does")
        return None

    def body(self) -> Body:
        """Return what takes the body apart."""
        if self.status in (204, 304):
            return SizedBody(0)
        coding = self.headers.get("transfer-encoding")
        if coding is not None:
            if coding.strip().lower() != "chunked":
                raise ProtocolError("its body comes in a transfer coding that nobody asked for")
            return ChunkedBody()
        length = self.headers.get("content-length")
        return EndlessBody() if length is None else SizedBody(_checked_length(length))

    @property
    def may_be_reused(self) -> bool:
        """True when the connection stays open behind the body."""
        return self._version == b"HTTP/1.1" and "close" not in self.headers.get("connection", "").lower()

    def _read(self, lines: list[bytes]) -> None:
        self._version, _, rest = lines[0].partition(b" ")
        code = rest[:3]
        if self._version not in (b"HTTP/1.1", b"HTTP/1.0") or len(code) != 3 or not code.isdigit() or rest[3:4].strip():
            raise ProtocolError("its status line is none")
        self.status = int(code)
        self.headers = {}
        for line in lines[1:]:
            name, colon, value = line.partition(b":")
            if not colon or not name or not _TOKEN.issuperset(name):
                raise ProtocolError("one of its headers is none")
            key, text = name.decode("ascii").lower(), value.strip(b" \t").decode("latin-1")
            self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text


class Body(Protocol):
    """Takes the frames off the body of a reply. `failure` is what is wrong behind the bytes that `feed` returned last."""

    finished: bool
    failure: ProtocolError | None

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came; return those of the body that are in them."""

    def close(self) -> None:
        """Take the end of the connection; raises ProtocolError if the body is not complete."""


class SizedBody:
    """A body whose length was told."""

    failure: ProtocolError | None = None

    def __init__(self, length: int) -> None:
        self._left = length
        self.finished = not length

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came; return those of the body."""
        data = data[: self._left]
        self._left -= len(data)
        self.finished = not self._left
        return data

    def close(self) -> None:
        """Take the end of the connection."""
        if self._left:
            raise ProtocolError(f"it was closed {self._left} bytes before the end of the body")


class EndlessBody:
    """A body that ends with the connection."""

    finished = False
    failure: ProtocolError | None = None

    def feed(self, data: bytes) -> bytes:
        """Return the bytes: all are of the body."""
        return data

    def close(self) -> None:
        """Take the end of the connection, which is that of the body."""
        self.finished = True


class ChunkedBody:
    """A body in chunks, each with its size before it."""

    def __init__(self) -> None:
        self.finished = False
        self.failure: ProtocolError | None = None
        self._rest = b""
        self._left = 0  # bytes of the running chunk, its line break included
        self._in_trailer = False
        self._sizes: dict[bytes, int] = {}

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they came; return those of the body."""
        parts: list[bytes] = []
        try:
            if self._in_trailer:
                self._skip_trailer(data)
            else:
                self._take(data, parts)
        except ProtocolError as error:
            self.failure = error
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Take the end of the connection."""
        if not self.finished:
            raise ProtocolError("it was closed in the middle of the body")

    def _take(self, data: bytes, parts: list[bytes]) -> None:
        position = 0
        if self._left:
            position = self._go_on(data, parts)
        elif self._rest:
            data, self._rest = self._rest + data, b""
        size = len(data)
        while position < size:
            line_end = data.find(b"\n", position)
            if line_end < 0:
                self._keep(data[position:])
                break
            line = data[position:line_end]
            length = self._sizes.get(line)
            if length is None:
                length = self._size_in(line)
            start, position = line_end + 1, line_end + 1 + length + 2
            if not length:
                self._in_trailer = True
                self._skip_trailer(data[start:])
                break
            if position <= size:
                parts.append(data[start : position - 2])
                if data[position - 2 : position] != b"\r\n":
                    raise ProtocolError("the frames of its body don't fit together")
            else:
                self._left = length + 2
                self._go_on(data[start:], parts)
                break

    def _go_on(self, data: bytes, parts: list[bytes]) -> int:
        """Take what belongs to the running chunk, and return where the next one begins."""
        inside = max(0, self._left - 2)
        end = min(self._left, len(data))
        if inside:
            parts.append(data[:inside])
        break_seen = data[inside:end]
        if not b"\r\n"[-min(2, self._left) :].startswith(break_seen):
            raise ProtocolError("the frames of its body don't fit together")
        self._left -= end
        return end

    def _size_in(self, line: bytes) -> int:
        digits = line.partition(b";")[0].strip(b" \t\r")
        if not digits or len(digits) > _MOST_HEX_DIGITS or not _HEX_DIGITS.issuperset(digits):
            raise ProtocolError("the size of a chunk is no number")
        size = int(digits, 16)
        if len(self._sizes) < 1024:
            self._sizes[line] = size
        return size

    def _keep(self, rest: bytes) -> None:
        if len(rest) > _LARGEST_SIZE_LINE:
            raise ProtocolError("the size of a chunk is too long")
        self._rest = rest

    def _skip_trailer(self, data: bytes) -> None:
        self._rest += data
        if self._rest.startswith((b"\r\n", b"\n")) or b"\n\r\n" in self._rest or b"\n\n" in self._rest:
            self.finished = True
        elif len(self._rest) > _LARGEST_TRAILER:
            raise ProtocolError("what follows its body is too long")


def _end_of_head(data: bytes) -> tuple[int, int] | None:
    """Return where the lines of a head end, and where what follows it begins."""
    ends = [(at, at + len(mark)) for mark in (b"\r\n\r\n", b"\n\n", b"\n\r\n") if (at := data.find(mark)) >= 0]
    return min(ends, default=None)


def _checked_length(text: str) -> int:
    # A proxy may have written it twice.
    lengths = {part.strip() for part in text.split(",")}
    length = lengths.pop()
    if lengths or not (length.isascii() and length.isdigit()):
        raise ProtocolError("the length of its body is no number")
    return int(length)
