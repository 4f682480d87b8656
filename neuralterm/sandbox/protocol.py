"""HTTP/1.1 over one connection: h11 for the protocol, anyio for the bytes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import anyio
import h11
from anyio.abc import SocketStream

from neuralterm.domain.record import field, record
from neuralterm.sandbox.jsontext import to_bytes
from neuralterm.sandbox.refusal import ServiceRefusedError

BODY_LIMIT = 64 * 1024 * 1024

# Seconds for which input is thrown away before an early closing, so that the client can read why.
_LINGER = 2.0

_JSON = {"Content-Type": "application/json"}


class ClientGoneError(Exception):
    """The client closed the connection before its answer ended."""


class ConnectionCutError(Exception):
    """The scenario wants the connection to break here."""


@record
class Request:
    """One request; header names are lower case."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Connection:
    """A client's connection. Methods raise ClientGoneError when the client is no longer there."""

    def __init__(self, stream: SocketStream, body_limit: int = BODY_LIMIT) -> None:
        self._stream = stream
        self._body_limit = body_limit
        self._http = h11.Connection(h11.SERVER)
        self._method = ""
        self._gone = False

    async def read_request(self) -> Request | None:
        """Return the next request, or None when the client has none.

        Raises ServiceRefusedError 400 or 413 for one that can't be read; the connection can't be used any further then.
        """
        self._method = ""
        try:
            head = await self._next_event()
            if not isinstance(head, h11.Request):
                return None
            return _request(head, await self._read_body(head))
        except h11.RemoteProtocolError as exc:
            raise ServiceRefusedError(exc.error_status_hint, "The request is not valid HTTP") from exc
        except ValueError as exc:  # a target that is no URL
            raise ServiceRefusedError(400, "The request target is not valid") from exc

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the head of a reply whose body follows by `send`."""
        await self._transmit(
            h11.Response(status_code=status, headers=list(headers.items()), reason=HTTPStatus(status).phrase.encode())
        )

    async def send(self, data: bytes) -> None:
        """Send a piece of the body."""
        await self._transmit(h11.Data(data=data))

    async def finish(self) -> None:
        """End the reply."""
        await self._transmit(h11.EndOfMessage())

    async def reply(self, status: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
        """Send a whole JSON reply."""
        body = to_bytes(value)
        await self.start(status, {**_JSON, "Content-Length": str(len(body)), **(headers or {})})
        if self._method != "HEAD":
            await self.send(body)
        await self.finish()

    async def refuse(self, refusal: ServiceRefusedError) -> None:
        """Send an error reply, if the protocol still allows one."""
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            await self.reply(refusal.status, refusal.body(), refusal.headers)

    def reuse(self) -> bool:
        """Make the connection ready for the next request; False when it must be closed."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    async def while_connected(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work, but give it up and raise ClientGoneError as soon as the client goes away."""
        interruptions: list[Exception] = []

        async def run(scope: anyio.CancelScope) -> None:
            try:
                await work()
            except (ClientGoneError, ConnectionCutError) as exc:
                interruptions.append(exc)
            scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(self._watch, group.cancel_scope)
            group.start_soon(run, group.cancel_scope)
        if interruptions:
            raise interruptions[0]
        if self._gone:
            raise ClientGoneError

    async def linger(self) -> None:
        """Say that nothing follows, and let the client finish what it is sending."""
        with anyio.move_on_after(_LINGER):
            try:
                await self._stream.send_eof()
                while True:
                    await self._stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

    async def _read_body(self, head: h11.Request) -> bytes:
        self._method = head.method.decode("ascii")
        if int(dict(head.headers).get(b"content-length", b"0")) > self._body_limit:
            raise self._too_large()
        body = bytearray()
        while isinstance(event := await self._next_event(), h11.Data):
            body += event.data
            if len(body) > self._body_limit:
                raise self._too_large()
        return bytes(body)

    def _too_large(self) -> ServiceRefusedError:
        return ServiceRefusedError(413, f"The request body is larger than {self._body_limit} bytes")

    async def _next_event(self) -> object:
        """Return the next h11 event (or sentinel) that is not a wish for more data."""
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self._http.they_are_waiting_for_100_continue:
                await self._transmit(h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue"))
            self._http.receive_data(await self._receive())

    async def _receive(self) -> bytes:
        try:
            return await self._stream.receive()
        except anyio.EndOfStream:
            return b""
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as exc:
            raise ClientGoneError from exc

    async def _transmit(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if not data:
            return
        try:
            await self._stream.send(data)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as exc:
            raise ClientGoneError from exc

    async def _watch(self, scope: anyio.CancelScope) -> None:
        """Notice the end of the client. Bytes of a next request end the watch: they are kept for it."""
        try:
            data = await self._receive()
        except ClientGoneError:
            data = b""
        if data:
            self._http.receive_data(data)
            return
        self._gone = True
        scope.cancel()


def _request(head: h11.Request, body: bytes) -> Request:
    target = urlsplit(head.target.decode("ascii", "replace"))
    return Request(
        method=head.method.decode("ascii"),
        path=target.path,
        query=parse_qs(target.query),
        headers={name.decode("ascii"): value.decode("latin-1") for name, value in head.headers},
        body=body,
    )
