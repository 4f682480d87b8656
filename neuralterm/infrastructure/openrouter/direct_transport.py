"""HTTP/1.1 straight over a socket: what `send` needs, at a fraction of what importing a whole HTTP library takes.

No proxies, no redirects, no cookies, no HTTP/2: where one of them is asked for, `httpx_transport` does the work.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from neuralterm.infrastructure.openrouter.connecting import Aside, connect
from neuralterm.infrastructure.openrouter.connection import Connection
from neuralterm.infrastructure.openrouter.exchange import (
    Limits,
    Reply,
    Timeouts,
    broken_before,
    broken_within,
    cant_connect,
    no_answer,
    silent,
)
from neuralterm.infrastructure.openrouter.http1 import Body, ProtocolError, ReplyHead, request_bytes

if TYPE_CHECKING:
    from neuralterm.domain.base_url import BaseUrl


class DirectTransport:
    """Sends requests below a base URL. Connections are opened on first use and kept until `close`."""

    def __init__(self, base_url: BaseUrl, headers: Mapping[str, str], timeouts: Timeouts) -> None:
        self._base_url = base_url
        self._headers = {"Host": base_url.authority, "Accept": "*/*", "Connection": "keep-alive", **headers}
        self._timeouts = timeouts
        self._idle: list[Connection] = []
        self._context: Any = None
        self._begun: Aside[Connection] | None = None

    def prepare(self) -> None:
        """Begin to open an encrypted connection, beside what else is to be done before the first request.

        Not a plain one: it is open in no time, and who listens on this machine may care for each connection.
        """
        if self._base_url.scheme == "https":
            self._begun = Aside(self._connect_alone, Connection.close)

    async def send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        on_sending: Callable[[], None] = lambda: None,
    ) -> Reply:
        """Send a request; return when the head of the reply is there. As `Transport` has it."""
        limits = Limits(self._timeouts, timeout)
        request = request_bytes(method, self._base_url.path + path, {**self._headers, **(headers or {})}, body)
        connection = await self._connection(limits)
        try:
            on_sending()
            head, rest = await self._exchange(connection, request, limits)
            return self._reply(connection, head, rest, limits)
        except BaseException:
            connection.close()
            raise

    async def close(self) -> None:
        """Close all connections that nobody uses. May be called twice."""
        if self._begun is not None:
            self._begun.close()
            self._begun = None
        while self._idle:
            self._idle.pop().close()

    async def _connection(self, limits: Limits) -> Connection:
        begun, self._begun = self._begun, None
        if begun is not None:
            self._idle.append(await self._opened(begun.result, limits))
        while self._idle:
            connection = self._idle.pop()
            if connection.is_idle():
                return connection
            connection.close()  # it has ended meanwhile, or something came that nobody has asked for
        return await self._opened(self._connect, limits)

    async def _opened(self, opening: Callable[[float], Awaitable[Connection]], limits: Limits) -> Connection:
        seconds = min(limits.timeouts.connect, limits.left())
        try:
            return await opening(seconds)
        except TimeoutError as exc:
            if limits.left() <= 0:
                raise limits.no_answer(self._base_url.authority, was_sent=False) from exc
            raise cant_connect(self._base_url.authority, str(exc) or "no connection in time") from exc
        except OSError as exc:
            raise cant_connect(self._base_url.authority, exc.strerror or str(exc) or "no connection") from exc

    async def _connect(self, seconds: float) -> Connection:
        return await connect(self._base_url.host, self._base_url.port, self._tls(), seconds)

    def _connect_alone(self) -> Connection:
        from neuralterm.application.alone import Alone

        return Alone().run(lambda: self._connect(self._timeouts.connect))

    async def _exchange(self, connection: Connection, request: bytes, limits: Limits) -> tuple[ReplyHead, bytes]:
        host, timeouts, head = self._base_url.authority, limits.timeouts, ReplyHead()
        try:
            # Whoever refuses a request while it is still being written may have said why.
            with suppress(ConnectionError):
                await connection.write(request, min(timeouts.idle, limits.left()))
            while (rest := head.feed(await connection.read(min(timeouts.idle, limits.left())))) is None:
                pass
            return head, rest
        except TimeoutError as exc:
            if limits.left() <= 0:
                raise limits.no_answer(host, was_sent=True) from exc
            raise no_answer(host, timeouts.idle, was_sent=True) from exc
        except (OSError, ProtocolError) as exc:
            raise broken_before(host, exc) from exc

    def _reply(self, connection: Connection, head: ReplyHead, rest: bytes, limits: Limits) -> Reply:
        try:
            body = head.body()
        except ProtocolError as exc:
            raise broken_before(self._base_url.authority, exc) from exc
        return _DirectReply(connection, head, body, rest, limits, self._idle if head.may_be_reused else None)

    def _tls(self) -> Any:
        if self._base_url.scheme == "https" and self._context is None:
            from neuralterm.infrastructure.openrouter.tls import tls_context

            self._context = tls_context("https")
            self._context.set_alpn_protocols(["http/1.1"])
        return self._context


class _DirectReply(Reply):
    def __init__(
        self,
        connection: Connection,
        head: ReplyHead,
        body: Body,
        rest: bytes,
        limits: Limits,
        idle: list[Connection] | None,
    ) -> None:
        super().__init__(head.status, head.headers, limits)
        self._connection: Connection | None = connection
        self._body = body
        self._rest = rest
        self._idle = idle

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._idle is not None and self._is_at_end(connection):
            self._idle.append(connection)
        else:
            connection.close()

    async def _next_block(self, deadline: float) -> bytes:
        if self._connection is None:
            raise broken_within(ProtocolError("it was closed here"))
        try:
            while not self._body.finished:
                if self._body.failure is not None:
                    raise self._body.failure
                data, self._rest = self._rest, b""
                data = data or await self._connection.read(min(self._timeouts.idle, deadline - time.monotonic()))
                if not data:
                    self._body.close()
                    break
                block = self._body.feed(data)
                if block:
                    return block
                if time.monotonic() >= deadline:
                    raise TimeoutError
        except TimeoutError as exc:
            if time.monotonic() >= deadline:
                raise self._too_late() from exc
            raise silent(self._timeouts.idle) from exc
        except (OSError, ProtocolError) as exc:
            raise broken_within(exc) from exc
        return b""

    def _is_at_end(self, connection: Connection) -> bool:
        """Say whether the body has ended: what ends it may be there without having been needed."""
        try:
            if not self._body.finished:
                self._body.feed(self._rest or connection.read_at_once() or b"")
        except (OSError, ProtocolError):
            return False
        return self._body.finished
