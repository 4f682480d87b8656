"""What every way to the service has in common: limits of time, a reply that is read block by block, words for failures."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from neuralterm.domain.exceptions import ServiceUnreachableError, StreamInterruptedError, StreamStalledError
from neuralterm.domain.record import record, replace
from neuralterm.infrastructure.openrouter.limits import LARGEST_ERROR_BODY, PATIENCE_FACTOR
from neuralterm.infrastructure.openrouter.patience import stalled

if TYPE_CHECKING:
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


class Limits:
    """Until when a call, and the head of its reply, are waited for; on the clock `time.monotonic`, from now on.

    `total` takes the place of the standing limit of a whole call, in seconds.
    """

    __slots__ = ("deadline", "head_deadline", "timeouts")

    def __init__(self, timeouts: Timeouts, total: float | None) -> None:
        self.timeouts = timeouts if total is None else replace(timeouts, total=total)
        now = time.monotonic()
        self.deadline = math.inf if self.timeouts.total is None else now + self.timeouts.total
        self.head_deadline = min(self.deadline, now + timeouts.patience)

    def left(self) -> float:
        """Return the seconds that are left until the head has to be there."""
        return self.head_deadline - time.monotonic()

    def no_answer(self, host: str, *, was_sent: bool) -> ServiceUnreachableError:
        """Return the error for a head that was not there in time."""
        seconds = min(self.timeouts.patience, self.timeouts.total or math.inf)
        return no_answer(host, seconds, was_sent=was_sent)


class Transport(Protocol):
    """Sends requests below a base URL. Connections are opened on first use and kept until `close`."""

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

    def prepare(self) -> None:
        """Begin to open a connection, where that takes time that something else can be done in."""

    async def close(self) -> None:
        """Close all connections. May be called twice."""


class Reply:
    """A reply whose body is still to be read. `headers` have lower-case names. Close it with `aclose`."""

    def __init__(self, status: int, headers: dict[str, str], limits: Limits) -> None:
        self.status = status
        self.headers = headers
        self._inflater: Inflater | None = None
        self._has_begun = False
        self._deadline = limits.deadline
        self._timeouts = limits.timeouts

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

    async def read_body(self, limit: int) -> bytes:
        """Return the whole body, or what came up to the block with which it has `limit` bytes. Raises as `read_block`."""
        body = bytearray()
        while len(body) < limit and (block := await self.read_block()):
            body += block
        return bytes(body)

    async def read_error_body(self) -> bytes:
        """Return the beginning of the body, or what came of it in time: the status alone tells most."""
        blocks: list[bytes] = []
        deadline = min(self._deadline, time.monotonic() + self._timeouts.idle)
        with suppress(StreamInterruptedError):
            while block := await self._read(deadline):
                blocks.append(block)
                if sum(map(len, blocks)) >= LARGEST_ERROR_BODY:
                    break
        return b"".join(blocks)[:LARGEST_ERROR_BODY]

    async def aclose(self) -> None:
        """Let go of the connection."""
        raise NotImplementedError

    async def _next_block(self, deadline: float) -> bytes:
        """Return the next bytes as they came over the wire; empty at the end. Raises as `read_block`."""
        raise NotImplementedError

    async def _read(self, deadline: float) -> bytes:
        if not self._has_begun:
            self._inflater = self._make_inflater()
            self._has_begun = True
        deadline = min(deadline, time.monotonic() + self._timeouts.patience)
        if self._inflater is None:
            return await self._next_block(deadline)
        # Piece by piece: some sixty kilobytes may become gigabytes.
        while not (piece := self._inflater.piece()):
            block = await self._next_block(deadline)
            if not block:
                break
            self._inflater.feed(block)
        return piece

    def _too_late(self) -> StreamStalledError:
        total = self._timeouts.total
        if total is None or time.monotonic() < self._deadline:
            return stalled(self._timeouts.patience)
        return StreamStalledError(f"the answer was not complete after {total:g} seconds")

    def _make_inflater(self) -> Inflater | None:
        encoding = self.headers.get("content-encoding", "").strip().lower()
        if encoding in ("", "identity"):
            return None
        from neuralterm.infrastructure.openrouter.inflating import Inflater

        return Inflater(encoding)


def cant_connect(host: str, reason: str) -> ServiceUnreachableError:
    """Return the error for a connection that did not come about: nothing was sent."""
    hint = _CHECK_CERTIFICATES if "CERTIFICATE" in reason else _CHECK_NETWORK
    return ServiceUnreachableError(f"can't connect to {host}: {reason}", hint=hint)


def no_answer(host: str, seconds: float, *, was_sent: bool) -> ServiceUnreachableError:
    """Return the error for a reply whose head did not come within so many seconds."""
    return ServiceUnreachableError(f"{host} did not answer within {seconds:g} seconds", request_sent=was_sent)


def broken_before(host: str, error: Exception) -> ServiceUnreachableError:
    """Return the error for a connection that broke before the head of a reply was there."""
    return ServiceUnreachableError(
        f"the connection to {host} broke before an answer came{_because(error)}", request_sent=True
    )


def broken_within(error: Exception) -> StreamInterruptedError:
    """Return the error for a connection that broke within the body of a reply."""
    return StreamInterruptedError(f"the connection broke before the answer was complete{_because(error)}")


def silent(seconds: float) -> StreamStalledError:
    """Return the error for a body of which nothing comes any more."""
    return StreamStalledError(f"the service sent nothing for {seconds:g} seconds")


def _because(error: Exception) -> str:
    """Return the error's own words after a colon; many a broken connection comes without any."""
    return f": {error}" if str(error) else ""
