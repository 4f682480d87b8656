"""Listens on the loopback interface for a browser that comes back from a login: answers one small page, and no more."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

from neuralterm.application import waiting
from neuralterm.domain.exceptions import ConfigurationError

# The port that OpenRouter has always sent browsers back to.
USUAL_PORT = 3000
_LOOPBACK = "127.0.0.1"
_LONGEST_HEAD = 16 * 1024
# Seconds. Browsers open connections ahead, on which nothing comes.
_HEAD_WITHIN_S = 1.0

_PAGE = b"""<!doctype html><meta charset="utf-8"><title>neuralterm</title>
<p>neuralterm has its answer. You can close this page and go back to the terminal.</p>
"""
_HEADERS = (
    "Content-Type: text/html; charset=utf-8",
    "Cache-Control: no-store",
    "Content-Security-Policy: default-src 'none'",
    "Referrer-Policy: no-referrer",
    "Connection: close",
)


class LoopbackListener:
    """Waits for a GET of one path. `port` None: the usual one, or any other where that is taken.

    Raises ConfigurationError where a port that was named is taken.
    """

    def __init__(self, port: int | None, path: str) -> None:
        self._path = path
        self._socket = _listening(port)
        # By this name, which the service knows for this machine.
        self.url = f"http://localhost:{self._socket.getsockname()[1]}{path}"

    async def answer(self, seconds: float) -> dict[str, str]:
        """Return what the browser brings, by name. Raises TimeoutError when it has not come after so many seconds."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and await waiting.readable(self._socket.fileno(), left):
            with suppress(OSError):
                connection, _ = self._socket.accept()
                with connection:
                    connection.setblocking(False)
                    found = await self._answered(connection, min(deadline, time.monotonic() + _HEAD_WITHIN_S))
                if found is not None:
                    return found
        raise TimeoutError

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()

    async def _answered(self, connection: socket.socket, deadline: float) -> dict[str, str] | None:
        """Read one request and answer it; None for one that is not what is waited for."""
        head = await _head(connection, deadline)
        method, _, rest = head.partition(" ")
        target = urlsplit(rest.partition(" ")[0])
        if method != "GET" or target.path != self._path:
            connection.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return None
        lines = ("HTTP/1.1 200 OK", f"Content-Length: {len(_PAGE)}", *_HEADERS, "", "")
        connection.send("\r\n".join(lines).encode() + _PAGE)
        return {name: values[0] for name, values in parse_qs(target.query).items()}


async def _head(connection: socket.socket, deadline: float) -> str:
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _LONGEST_HEAD:
        if not await waiting.readable(connection.fileno(), max(0.0, deadline - time.monotonic())):
            break
        block = connection.recv(_LONGEST_HEAD)
        if not block:
            break
        head += block
    return head.partition(b"\r\n")[0].decode("ascii", "replace")


def _listening(port: int | None) -> socket.socket:
    for candidate in (USUAL_PORT, 0) if port is None else (port,):
        try:
            listener = socket.create_server((_LOOPBACK, candidate))
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)  # `strerror` quotes the address again
            continue
        listener.setblocking(False)
        return listener
    raise ConfigurationError(
        f"port {port} can't be listened on: {reason}", "PORT_TAKEN", hint="leave out --port, and a free one is taken"
    )
