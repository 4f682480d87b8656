"""HTTP: the one place that knows httpx. Its errors leave here as those of the domain."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from neuralterm.domain.exceptions import (
    ConfigurationError,
    ServiceUnreachableError,
    StreamInterruptedError,
    StreamStalledError,
)
from neuralterm.domain.loopback import is_loopback
from neuralterm.domain.record import record, replace
from neuralterm.infrastructure.openrouter.httpx_import import httpx
from neuralterm.infrastructure.openrouter.limits import LARGEST_ERROR_BODY, PATIENCE_FACTOR
from neuralterm.infrastructure.openrouter.patience import stalled
from neuralterm.infrastructure.openrouter.tls import tls_context

if TYPE_CHECKING:
    from httpx import AsyncClient, Response

    from neuralterm.infrastructure.openrouter.inflating import Inflater

_CHECK_CERTIFICATES = "behind a proxy that opens TLS, set SSL_CERT_FILE to the certificates of its authority"
_CHECK_NETWORK = "check the network connection and OPENROUTER_BASE_URL"


@record
class Timeouts:
    """Limits in seconds: for connecting, for silence, and for a whole call (None: no limit)."""

    connect: float
    idle: float
    total: float | None

    @property
    def patience(self) -> float:
        """The limit for one step of a reply (its head, a block of its body), however many bytes trickle in meanwhile."""
        return PATIENCE_FACTOR * self.idle


class Transport:
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
        """Send a request; return when the head of the reply is there.

        `timeout` limits the whole call in seconds, in the place of the standing limit. `on_sending` is called when there is
        a connection and the first byte is about to go out. Raises ServiceUnreachableError when the head did not come.
        """
        timeouts = self._timeouts if timeout is None else replace(self._timeouts, total=timeout)
        now = anyio.current_time()
        deadline = math.inf if timeouts.total is None else now + timeouts.total
        client = self._connected_client()
        sending = _Sending(on_sending)
        request = client.build_request(
            method, f"{self._base_url}{path}", content=body, headers=headers, extensions={"trace": sending.trace}
        )
        with self._before_reply(timeouts, sending), _until(min(deadline, now + timeouts.patience)):
            response = await client.send(request, stream=True)
        # Nothing more of it matters, and every block of the reply would be told of.
        request.extensions.pop("trace", None)
        return Reply(response, deadline, timeouts)

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
        try:
            context = tls_context(self._base_url.scheme)
        except OSError as exc:
            raise ConfigurationError(
                f"the certificates to trust can't be read: {exc}", hint="check SSL_CERT_FILE and SSL_CERT_DIR"
            ) from exc
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
    def _before_reply(self, timeouts: Timeouts, sending: _Sending) -> Iterator[None]:
        host = self._base_url.netloc.decode("ascii").rpartition("@")[2]
        try:
            yield
        except _DeadlineError as exc:
            seconds = min(timeouts.patience, timeouts.total or math.inf)
            raise ServiceUnreachableError(
                f"{host} did not answer within {seconds:g} seconds", request_sent=sending.has_begun
            ) from exc
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as exc:
            reason = str(exc) or "no connection in time"
            hint = _CHECK_CERTIFICATES if "CERTIFICATE" in reason else _CHECK_NETWORK
            raise ServiceUnreachableError(f"can't connect to {host}: {reason}", hint=hint) from exc
        except (httpx.ReadTimeout, httpx.WriteTimeout) as exc:
            raise ServiceUnreachableError(
                f"{host} did not answer within {timeouts.idle:g} seconds", request_sent=True
            ) from exc
        except (httpx.HTTPError, OSError) as exc:
            raise ServiceUnreachableError(
                f"the connection to {host} broke before an answer came{_because(exc)}", request_sent=True
            ) from exc


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


class Reply:
    """A reply whose body is still to be read. `headers` have lower-case names. Close it with `aclose`."""

    def __init__(self, response: Response, deadline: float, timeouts: Timeouts) -> None:
        self.status = response.status_code
        self.headers: dict[str, str] = dict(response.headers)
        self._response = response
        self._blocks: AsyncIterator[bytes] | None = None
        self._inflater: Inflater | None = None
        self._deadline = deadline
        self._timeouts = timeouts

    @property
    def media_type(self) -> str:
        """The media type without parameters, in lower case; empty when the reply does not tell."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    async def read_block(self) -> bytes:
        """Return the next bytes, as they come; empty at the end.

        Raises StreamStalledError after silence or past the deadline, StreamInterruptedError when the connection breaks or
        what comes is compressed in a way that nobody asked for.
        """
        return await self._read(self._deadline)

    async def read_error_body(self) -> bytes:
        """Return the beginning of the body, or what came of it in time: the status alone tells most."""
        blocks: list[bytes] = []
        deadline = min(self._deadline, anyio.current_time() + self._timeouts.idle)
        with suppress(StreamInterruptedError):
            while block := await self._read(deadline):
                blocks.append(block)
                if sum(map(len, blocks)) >= LARGEST_ERROR_BODY:
                    break
        return b"".join(blocks)[:LARGEST_ERROR_BODY]

    async def _read(self, deadline: float) -> bytes:
        if self._blocks is None:
            self._inflater = self._make_inflater()
            # Not httpx's own decoding: it unfolds a whole block at once, and some sixty kilobytes may become gigabytes.
            self._blocks = self._response.aiter_raw()
        now = anyio.current_time()
        with anyio.CancelScope(deadline=min(deadline, now + self._timeouts.patience)), self._while_reading():
            if self._inflater is not None:
                return await self._next_piece(self._blocks, self._inflater)
            async for block in self._blocks:
                if block:
                    return block
            return b""
        raise self._too_late()

    async def _next_piece(self, blocks: AsyncIterator[bytes], inflater: Inflater) -> bytes:
        while not (piece := inflater.piece()):
            block = await anext(blocks, b"")
            if not block:
                break
            inflater.feed(block)
        return piece

    def _too_late(self) -> StreamStalledError:
        total = self._timeouts.total
        if total is None or anyio.current_time() < self._deadline:
            return stalled(self._timeouts.patience)
        return StreamStalledError(f"the answer was not complete after {total:g} seconds")

    def _make_inflater(self) -> Inflater | None:
        encoding = self.headers.get("content-encoding", "").strip().lower()
        if encoding in ("", "identity"):
            return None
        from neuralterm.infrastructure.openrouter.inflating import Inflater

        return Inflater(encoding)

    async def aclose(self) -> None:
        """Let go of the connection."""
        await self._response.aclose()

    @contextmanager
    def _while_reading(self) -> Iterator[None]:
        try:
            yield
        except httpx.ReadTimeout as exc:
            raise StreamStalledError(f"the service sent nothing for {self._timeouts.idle:g} seconds") from exc
        except (httpx.HTTPError, OSError) as exc:
            raise StreamInterruptedError(f"the connection broke before the answer was complete{_because(exc)}") from exc


def _because(error: Exception) -> str:
    """Return the error's own words after a colon; many a broken connection comes without any."""
    return f": {error}" if str(error) else ""


class _DeadlineError(Exception):
    """The limit for the whole call is over."""


@contextmanager
def _until(deadline: float) -> Iterator[None]:
    """Raise _DeadlineError at `deadline`, a time of the event loop. Never hold this across a yield to a consumer."""
    if deadline == math.inf:
        yield
        return
    try:
        with anyio.fail_after(deadline - anyio.current_time()):
            yield
    except TimeoutError as exc:
        raise _DeadlineError from exc
