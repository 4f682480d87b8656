"""One connection: bytes in and out, encrypted or not, with limits of time."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

from neuralterm.application import waiting

if TYPE_CHECKING:
    import ssl

LARGEST_BLOCK = 64 * 1024


class Connection:
    """A socket that is connected. What goes wrong with it raises OSError."""

    def __init__(self, raw: socket.socket) -> None:
        self._socket: socket.socket = raw
        # What a call raises that has to wait until there is something to read, or room to write.
        self._wants_read: tuple[type[Exception], ...] = (BlockingIOError,)
        self._wants_write: tuple[type[Exception], ...] = ()
        # True when there was no more than was read the last time: then it is quicker to wait before trying again.
        self._is_drained = False

    async def encrypt(self, context: ssl.SSLContext, host: str, deadline: float) -> None:
        """Agree with the other side on a key. Raises TimeoutError past `deadline`, on the clock `time.monotonic`."""
        import ssl

        self._wants_read = (BlockingIOError, ssl.SSLWantReadError)
        self._wants_write = (ssl.SSLWantWriteError,)
        encrypted = context.wrap_socket(self._socket, server_hostname=host, do_handshake_on_connect=False)
        self._socket = encrypted
        while (left := deadline - time.monotonic()) > 0:
            try:
                return encrypted.do_handshake()
            except self._wants_read:
                await waiting.readable(encrypted.fileno(), left)
            except self._wants_write:
                await waiting.writable(encrypted.fileno(), left)
        raise TimeoutError("no connection in time")

    async def write(self, data: bytes, idle: float) -> None:
        """Write all of it; TimeoutError when nothing of it goes out for `idle` seconds."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._socket.send(rest[:LARGEST_BLOCK]) :]
            except self._wants_read as error:
                # Only an encrypted connection may have to read before it can write.
                await self._wait(isinstance(error, BlockingIOError), idle)
            except self._wants_write:
                await self._wait(True, idle)

    async def read(self, seconds: float) -> bytes:
        """Return what has come, empty at the end of the connection; TimeoutError when nothing comes for `seconds`."""
        await waiting.checkpoint()
        if self._is_drained:
            await self._wait(False, seconds)
        while True:
            try:
                block = self._socket.recv(LARGEST_BLOCK)
                # What is encrypted may be here already, read together with what came before.
                self._is_drained = len(block) < LARGEST_BLOCK and not self._wants_write
                return block
            except self._wants_read:
                await self._wait(False, seconds)
            except self._wants_write:
                await self._wait(True, seconds)

    def is_idle(self) -> bool:
        """Say whether the connection is open, and nothing has come that nobody has asked for."""
        try:
            return self.read_at_once() is None
        except OSError:
            return False

    def read_at_once(self) -> bytes | None:
        """Return what is there, empty at the end of the connection; None when nothing is."""
        try:
            return self._socket.recv(LARGEST_BLOCK)
        except (*self._wants_read, *self._wants_write):
            return None

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    async def _wait(self, writing: bool, seconds: float) -> None:
        ready = waiting.writable if writing else waiting.readable
        if not await ready(self._socket.fileno(), max(0.0, seconds)):
            raise TimeoutError
