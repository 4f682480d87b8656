"""Opens connections: finds the addresses of a host, and takes the first one that answers."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from neuralterm.application import waiting
from neuralterm.infrastructure.openrouter.connection import Connection

if TYPE_CHECKING:
    import ssl

# (family, address): what a socket is made with and connected to.
Address = tuple[int, Any]
_Result = TypeVar("_Result")

# After so many seconds without an answer the next address is tried beside those before, as RFC 8305 advises.
_HEAD_START_S = 0.25
_TURN_S = 0.05


async def connect(host: str, port: int, context: ssl.SSLContext | None, seconds: float) -> Connection:
    """Return a connection, encrypted where there is a `context`. Raises OSError, for one TimeoutError after `seconds`."""
    deadline = time.monotonic() + seconds
    raw = await first_to_answer(in_turns(await _addresses(host, port, deadline)), deadline)
    connection = Connection(raw)
    try:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            await connection.encrypt(context, host, deadline)
    except BaseException:
        connection.close()
        raise
    return connection


async def _addresses(host: str, port: int, deadline: float) -> list[Address]:
    literal = _literal(host, port)
    if literal is not None:
        return [literal]
    if host == "localhost":
        return _look_up(host, port)
    # The system may take half a minute, and lets nobody interrupt it.
    return await Aside(lambda: _look_up(host, port)).result(deadline - time.monotonic())


def _look_up(host: str, port: int) -> list[Address]:
    # As bytes: for text the interpreter loads the tables of international names.
    found = socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]


class Aside(Generic[_Result]):
    """Does something in a thread, which nobody has to wait for. What it raises is raised where its result is asked for.

    `discard` gets a result that nobody wants any more.
    """

    def __init__(self, work: Callable[[], _Result], discard: Callable[[_Result], None] = lambda _: None) -> None:
        self._work = work
        self._discard = discard
        self._outcome: list[_Result | Exception] = []
        self._is_wanted = True
        self._ended, self._theirs = socket.socketpair()
        threading.Thread(target=self._run, daemon=True).start()

    async def result(self, seconds: float) -> _Result:
        """Return what it comes to. Raises TimeoutError after `seconds`. May be asked for once."""
        try:
            await waiting.readable(self._ended.fileno(), max(0.0, seconds))
            outcome = self._outcome.pop() if self._outcome else TimeoutError("no connection in time")
        finally:
            self.close()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def close(self) -> None:
        """Wait for nothing any more."""
        self._ended.close()
        self._is_wanted = False
        self._drop()

    def _run(self) -> None:
        try:
            self._outcome.append(self._work())
        except Exception as error:  # whatever it is, it is raised by `result`
            self._outcome.append(error)
        self._theirs.close()  # which is what the other end waits for
        if not self._is_wanted:
            self._drop()

    def _drop(self) -> None:
        with suppress(IndexError):  # one of both threads comes first
            outcome = self._outcome.pop()
            if not isinstance(outcome, Exception):
                self._discard(outcome)


def in_turns(found: list[Address]) -> list[Address]:
    """Take turns between the families: where one of them leads nowhere, all its addresses do."""
    preferred = [address for address in found if address[0] == found[0][0]]
    others = [address for address in found if address[0] != found[0][0]]
    pairs = [address for pair in zip(preferred, others, strict=False) for address in pair]
    return pairs + preferred[len(others) :] + others[len(preferred) :]


def _literal(host: str, port: int) -> Address | None:
    for family, address in ((socket.AF_INET, (host, port)), (socket.AF_INET6, (host, port, 0, 0))):
        try:
            socket.inet_pton(family, host)
        except (OSError, UnicodeError):
            continue
        return family, address
    return None


async def first_to_answer(addresses: list[Address], deadline: float) -> socket.socket:
    """Begin with one address after the other, and return the socket that is connected first, past `deadline` none.

    Raises OSError: the reason of the address that failed last.
    """
    begun: list[socket.socket] = []
    waiting_for = list(addresses)
    failure: OSError = TimeoutError("no connection in time")
    try:
        while (waiting_for or begun) and (left := deadline - time.monotonic()) > 0:
            if waiting_for:
                try:
                    begun.append(_begin(waiting_for.pop(0)))
                except OSError as error:
                    failure = error
            # The one that was begun last gets a moment for itself; all that is left, where it is the only one.
            moment = _HEAD_START_S if waiting_for else _TURN_S if len(begun) > 1 else left
            for candidate in reversed(begun):
                if await waiting.writable(candidate.fileno(), min(left, moment)):
                    begun.remove(candidate)
                    code = candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if not code:
                        return candidate
                    candidate.close()
                    failure = OSError(code, os.strerror(code))
                    break
                moment = 0.0
        raise failure
    finally:
        for candidate in begun:
            candidate.close()


def _begin(address: Address) -> socket.socket:
    family, target = address
    candidate = socket.socket(family, socket.SOCK_STREAM)
    candidate.setblocking(False)
    code = candidate.connect_ex(target)
    if code not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", 0)):
        candidate.close()
        raise OSError(code, os.strerror(code))
    return candidate
