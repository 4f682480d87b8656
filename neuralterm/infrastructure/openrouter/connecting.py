"""Opens connections: finds the addresses of a host, and takes the first one that answers."""

from __future__ import annotations

import errno
import os
import socket
import time
from typing import TYPE_CHECKING, Any

from neuralterm.application import waiting
from neuralterm.infrastructure.openrouter.connection import Connection

if TYPE_CHECKING:
    import ssl

# (family, address): what a socket is made with and connected to.
Address = tuple[int, Any]

# After so many seconds without an answer the next address is tried beside those before, as RFC 8305 advises.
_HEAD_START_S = 0.25
_TURN_S = 0.05


async def connect(host: str, port: int, context: ssl.SSLContext | None, seconds: float) -> Connection:
    """Return a connection, encrypted where there is a `context`. Raises OSError, for one TimeoutError after `seconds`."""
    deadline = time.monotonic() + seconds
    addresses = await _addresses(host, port, deadline)
    raw = await first_to_answer(addresses, deadline)
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
    found = _look_up(host, port) if host == "localhost" else await _look_up_aside(host, port, deadline)
    first = found[0][0]
    # One family after the other: where one of them leads nowhere, all its addresses do.
    preferred = [address for address in found if address[0] == first]
    others = [address for address in found if address[0] != first]
    mixed = [address for pair in zip(preferred, others, strict=False) for address in pair]
    return mixed + preferred[len(others) :] + others[len(preferred) :]


def _literal(host: str, port: int) -> Address | None:
    for family, address in ((socket.AF_INET, (host, port)), (socket.AF_INET6, (host, port, 0, 0))):
        try:
            socket.inet_pton(family, host)
        except (OSError, UnicodeError):
            continue
        return family, address
    return None


def _look_up(host: str, port: int) -> list[Address]:
    # As bytes: for text the interpreter loads the tables of international names.
    found = socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]


async def _look_up_aside(host: str, port: int, deadline: float) -> list[Address]:
    """Look a name up in a thread: the system may take half a minute for it, and lets nobody interrupt."""
    import threading

    ours, theirs = socket.socketpair()
    outcome: list[list[Address] | OSError] = []

    def look_up() -> None:
        try:
            outcome.append(_look_up(host, port))
        except OSError as error:
            outcome.append(error)
        theirs.close()  # which is what the other end waits for

    with ours:
        threading.Thread(target=look_up, daemon=True).start()
        if not await waiting.readable(ours.fileno(), deadline - time.monotonic()):
            raise TimeoutError("no address of it was found in time")
    if isinstance(outcome[0], OSError):
        raise outcome[0]
    return outcome[0]


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
