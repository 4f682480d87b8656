"""HTTP by httpx, the one place that knows it: with proxies, and for programs that have it imported already."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from neuralterm.domain.exceptions import ConfigurationError
from neuralterm.domain.loopback import is_loopback
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
from neuralterm.infrastructure.openrouter.httpx_import import httpx
from neuralterm.infrastructure.openrouter.tls import tls_context

if TYPE_CHECKING:
    from httpx import AsyncClient, Response


class HttpxTransport:
    """Sends requests below a base URL. Connections are opened on first use and kept until `close`."""

    def __init__(self, base_url: str, headers: Mapping[str, str], timeouts: Timeouts) -> None:
        try:
            self._base_url = httpx.URL(base_url.rstrip("/"))
        except httpx.InvalidURL as exc:
            raise ConfigurationError(f"the base URL can't be used: {exc}") from exc
        if self._base_url.scheme not in ("http", "https") or not self._base_url.host:
            raise ConfigurationError("the base URL must begin with https:// or http:// and name a host")
        self._headers = dict(headers)
        self._timeouts = timeouts
        self._client: AsyncClient | None = None
        self._loop: object = None

    @property
    def host(self) -> str:
        """The host that requests go to, as they name it."""
        return self._base_url.host

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
        client = self._connected_client()
        sending = _Sending(on_sending)
        request = client.build_request(
            method, f"{self._base_url}{path}", content=body, headers=headers, extensions={"trace": sending.trace}
        )
        with self._before_reply(limits, sending), anyio.fail_after(limits.left()):
            response = await client.send(request, stream=True)
        # Nothing more of it matters, and every block of the reply would be told of.
        request.extensions.pop("trace", None)
        return _HttpxReply(response, limits)

    def prepare(self) -> None:
        """Begin nothing: connections belong to the event loop that opens them, which is not there yet."""

    async def close(self) -> None:
        """Close all connections. May be called twice."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _connected_client(self) -> AsyncClient:
        # Connections belong to the event loop that opened them; plain scripts may run one loop a call.
        loop = anyio.lowlevel.current_token()
        if self._client is None or loop != self._loop:
            self._client, self._loop = self._make_client(), loop
        return self._client

    def _make_client(self) -> AsyncClient:
        timeouts = self._timeouts
        context = tls_context(self._base_url.scheme)
        try:
            return httpx.AsyncClient(
                headers=self._headers,
                timeout=httpx.Timeout(timeouts.idle, connect=timeouts.connect, pool=None),
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
                follow_redirects=False,
                verify=context,
                # A proxy can't reach the loopback interface of this machine, and of plain http it would see the key.
                trust_env=self._base_url.scheme == "https" and not is_loopback(self._base_url.host),
            )
        except (ImportError, ValueError, httpx.InvalidURL) as exc:
            # The reason may hold the address of the proxy with its password.
            raise ConfigurationError(
                "the proxy settings of the environment can't be used",
                hint="check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY; a SOCKS proxy needs the package socksio",
            ) from exc

    @contextmanager
    def _before_reply(self, limits: Limits, sending: _Sending) -> Iterator[None]:
        host = self._base_url.netloc.decode("ascii").rpartition("@")[2]
        try:
            yield
        except TimeoutError as exc:
            raise limits.no_answer(host, was_sent=sending.has_begun) from exc
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as exc:
            raise cant_connect(host, str(exc) or "no connection in time") from exc
        except (httpx.ReadTimeout, httpx.WriteTimeout) as exc:
            raise no_answer(host, limits.timeouts.idle, was_sent=True) from exc
        except (httpx.HTTPError, OSError) as exc:
            raise broken_before(host, exc) from exc


class _Sending:
    """Whether anything of a request has gone out."""

    def __init__(self, on_begin: Callable[[], None]) -> None:
        self.has_begun = False
        self._on_begin = on_begin

    async def trace(self, event: str, info: Mapping[str, object]) -> None:
        """Take what httpcore tells of its steps."""
        if not self.has_begun and event.endswith(".send_request_headers.started"):
            self.has_begun = True
            self._on_begin()


class _HttpxReply(Reply):
    def __init__(self, response: Response, limits: Limits) -> None:
        super().__init__(response.status_code, dict(response.headers), limits)
        self._response = response
        self._blocks: AsyncIterator[bytes] | None = None

    async def aclose(self) -> None:
        await self._response.aclose()

    async def _next_block(self, deadline: float) -> bytes:
        if self._blocks is None:
            # Not httpx's own decoding: it unfolds a whole block at once, and some sixty kilobytes may become gigabytes.
            self._blocks = self._response.aiter_raw()
        with anyio.move_on_after(deadline - time.monotonic()), self._while_reading():
            async for block in self._blocks:
                if block:
                    return block
            return b""
        raise self._too_late()

    @contextmanager
    def _while_reading(self) -> Iterator[None]:
        try:
            yield
        except httpx.ReadTimeout as exc:
            raise silent(self._timeouts.idle) from exc
        except (httpx.HTTPError, OSError) as exc:
            raise broken_within(exc) from exc
