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


async def connect(
    host: str, port: int, context: ssl.SSLContext | None, seconds: float, lookup: Lookup | None = None
) -> Connection:
    """Return a connection, encrypted where there is a `context`. Raises OSError, for one TimeoutError after `seconds`.

    `lookup` is one for this host that has been begun before.
    """
    deadline = time.monotonic() + seconds
    addresses = await (lookup or Lookup(host, port)).addresses(deadline)
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


class Lookup:
    """Finds the addresses of a host, beside whatever else is done until they are asked for.

    In a thread, where the name is not this machine's own: the system may take half a minute, and lets nobody interrupt it.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._found: list[Address] | OSError | None = None
        self._ended: socket.socket | None = None
        literal = _literal(host, port)
        if literal is not None:
            self._found = [literal]
        elif host == "localhost":
            self._look_up()
        else:
            self._begin()

    async def addresses(self, deadline: float) -> list[Address]:
        """Return the addresses in the order in which they should be tried. Raises OSError, TimeoutError past `deadline`."""
        try:
            if self._ended is not None:
                await waiting.readable(self._ended.fileno(), max(0.0, deadline - time.monotonic()))
        finally:
            self.close()
        if self._found is None:
            raise TimeoutError("no address of it was found in time")
        if isinstance(self._found, OSError):
            raise self._found
        return in_turns(self._found)

    def close(self) -> None:
        """Wait for nothing any more."""
        if self._ended is not None:
            self._ended.close()
            self._ended = None

    def _begin(self) -> None:
        import threading

        self._ended, theirs = socket.socketpair()

        def look_up() -> None:
            self._look_up()
            theirs.close()  # which is what the other end waits for

        threading.Thread(target=look_up, daemon=True).start()

    def _look_up(self) -> None:
        try:
            # As bytes: for text the interpreter loads the tables of international names.
            found = socket.getaddrinfo(self._host.encode("ascii"), self._port, type=socket.SOCK_STREAM)
            self._found = [(family, address) for family, _, _, _, address in found]
        except OSError as error:
            self._found = error


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
