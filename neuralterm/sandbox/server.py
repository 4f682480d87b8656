"""The server: connections, keys and paths."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import anyio
from anyio.abc import SocketListener, SocketStream, TaskStatus

from neuralterm.domain.budget import Window
from neuralterm.domain.record import replace
from neuralterm.sandbox.bill import Bill
from neuralterm.sandbox.bill_file import BillFile
from neuralterm.sandbox.catalogue import Catalogue, ServedModel, endpoints_of, real_models
from neuralterm.sandbox.chat import Answer, choose
from neuralterm.sandbox.login import Logins
from neuralterm.sandbox.loopback import DEFAULT_DELAY, DEFAULT_SETTLE_DELAY, LOOPBACK, base_url, listen
from neuralterm.sandbox.protocol import BODY_LIMIT, ClientGoneError, Connection, ConnectionCutError, Request
from neuralterm.sandbox.refusal import ServiceRefusedError
from neuralterm.sandbox.request import parse_chat_request
from neuralterm.sandbox.scenarios import SCENARIOS

REFUSED_KEY = "sk-invalid"

# USD on the account that everybody shares.
CREDITS = Decimal(1000)

# What stands before and after the id of a model in the path of its endpoints.
_ENDPOINTS = ("/models/", "/endpoints")

_log = logging.getLogger(__name__)


class SandboxServer:
    """An OpenRouter-compatible server on a loopback address.

    `delay` is in seconds between two tokens, `settle_delay` in seconds (by `clock`) from the end of a generation until its
    cost can be asked for. `bill_file` is where the bill is kept and shared, for a server that comes and goes. `models` are
    served in the place of the usual ones.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        host: str = LOOPBACK,
        delay: float = DEFAULT_DELAY,
        settle_delay: float = DEFAULT_SETTLE_DELAY,
        body_limit: int = BODY_LIMIT,
        clock: Callable[[], float] = time.monotonic,
        bill_file: Path | None = None,
        models: Iterable[ServedModel] | None = None,
    ) -> None:
        self.port = port
        self.host = host
        self._delay = delay
        self._body_limit = body_limit
        self._catalogue = Catalogue(_usual_models() if models is None else models)
        self._bill = Bill(settle_delay, clock, BillFile(bill_file, self._catalogue.find) if bill_file else None)
        self._logins = Logins(clock)
        self._met: set[tuple[str, tuple[str, ...]]] = set()
        self._routes = {
            ("GET", "/models"): self._models,
            ("GET", "/key"): self._key,
            ("GET", "/credits"): self._credits,
            ("GET", "/generation"): self._find_generation,
            ("POST", "/chat/completions"): self._chat,
            ("POST", "/auth/keys"): self._logins.exchange,
        }

    @property
    def bill(self) -> Mapping[str, Decimal]:
        """USD by generation id, for every generation that has ended."""
        return self._bill.amounts()

    async def serve(self, *, task_status: TaskStatus[str] = anyio.TASK_STATUS_IGNORED) -> None:
        """Listen and serve until cancelled; the task's status value is the base URL."""
        listener = listen(self.host, self.port)
        task_status.started(base_url(listener))
        await self.serve_on(listener)

    async def serve_on(self, listener: socket.socket) -> None:
        """Serve on a listening socket until cancelled; the socket is closed in the end."""
        async with await SocketListener.from_socket(listener) as connections:
            await connections.serve(self._serve_client)

    async def _serve_client(self, stream: SocketStream) -> None:
        connection = Connection(stream, self._body_limit)
        async with stream:
            try:
                while await self._serve_request(connection):
                    pass
            except (ClientGoneError, ConnectionCutError):
                return
            await connection.linger()

    async def _serve_request(self, connection: Connection) -> bool:
        """Answer one request; False when no other can follow on this connection."""
        try:
            request = await connection.read_request()
            if request is None:
                return False
            await self._answer(connection, request)
        except ServiceRefusedError as refusal:
            await connection.refuse(refusal)
        except (ClientGoneError, ConnectionCutError):
            raise
        except Exception:  # a fault of the sandbox must not end it for everybody else
            _log.exception("the sandbox failed to answer")
            await connection.refuse(ServiceRefusedError(500, "Internal Server Error"))
        return connection.reuse()

    async def _answer(self, connection: Connection, request: Request) -> None:
        if (request.method, request.path) == ("GET", "/auth"):
            return await self._logins.page(connection, request)
        path = request.path.removeprefix("/api").removeprefix("/v1")
        route = self._routes.get((request.method, path))
        if request.method == "GET" and path.startswith(_ENDPOINTS[0]) and path.endswith(_ENDPOINTS[1]):
            route = self._endpoints
        if route is None or path == request.path:
            raise ServiceRefusedError(404, "Not Found")
        if route not in (self._models, self._endpoints, self._logins.exchange):
            _authenticate(request)
        return await route(connection, request)

    async def _models(self, connection: Connection, request: Request) -> None:
        await connection.reply(200, {"data": self._catalogue.listing()})

    async def _endpoints(self, connection: Connection, request: Request) -> None:
        name = unquote(request.path[request.path.index(_ENDPOINTS[0]) + len(_ENDPOINTS[0]) : -len(_ENDPOINTS[1])])
        model = self._catalogue.listed(name)
        if model is None:
            raise ServiceRefusedError(404, "Not Found")
        await connection.reply(200, {"data": endpoints_of(model, is_known=bool(_key_of(request)))})

    async def _key(self, connection: Connection, request: Request) -> None:
        key = {
            "label": "sandbox",
            "is_management_key": False,
            "is_provisioning_key": False,
            "limit": None,
            "limit_reset": None,
            "limit_remaining": None,
            "include_byok_in_limit": False,
            **_spent("usage", self._bill.total),
            **_spent("byok_usage", self._bill.upstream_total),
            "is_free_tier": False,
            "expires_at": None,
        }
        await connection.reply(200, {"data": key})

    async def _credits(self, connection: Connection, request: Request) -> None:
        await connection.reply(200, {"data": {"total_credits": CREDITS, "total_usage": self._bill.total()}})

    async def _find_generation(self, connection: Connection, request: Request) -> None:
        generation_id = request.query.get("id", [""])[0]
        generation = self._bill.find(generation_id)
        if generation is None:
            raise ServiceRefusedError(404, f"Generation {generation_id} not found")
        await connection.reply(200, {"data": generation.record()})

    async def _chat(self, connection: Connection, request: Request) -> None:
        chat = parse_chat_request(request.body)
        visit = (_key_of(request), chat.models)
        chat = replace(chat, is_first_visit=visit not in self._met)
        self._met.add(visit)
        await Answer(connection, self._bill, chat, choose(chat, self._catalogue), self._delay).deliver()


def _usual_models() -> list[ServedModel]:
    return [*real_models(), *(scenario.model() for scenario in SCENARIOS)]


def _spent(name: str, total: Callable[[datetime | None], Decimal]) -> dict[str, Any]:
    """Return a sum for ever and for the day, week and month (UTC) that it is now."""
    now = datetime.now(UTC)
    windows = {"daily": Window.DAY, "weekly": Window.WEEK, "monthly": Window.MONTH}
    return {name: total(None)} | {f"{name}_{each}": total(window.start(now)) for each, window in windows.items()}


def _key_of(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _authenticate(request: Request) -> None:
    key = _key_of(request)
    if not key:
        raise ServiceRefusedError(401, "Missing Authentication header")
    if key == REFUSED_KEY:
        raise ServiceRefusedError(401, "User not found.")
