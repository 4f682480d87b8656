"""How the service of the fault matrix answers: it stops at one point and does there what is asked of it."""

import os
import socket
import struct
import threading
from contextlib import closing, contextmanager, suppress

from .fault_matrix import PART
from .stand_in import PATIENCE_S, chunk, error

_REFUSALS = {
    "429": error(429, "too many requests"),
    "429 once": error(429, "too many requests", headers=[("Retry-After", "1")]),
    "503": error(503, "no provider is free"),
    "503 once": error(503, "no provider is free"),
    "500": error(500, "Internal Server Error"),
    "402": error(402, "Insufficient credits"),
    "401": error(401, "User not found."),
    "400": error(400, "the request is not valid"),
}


class Staged:
    """A script for the stand-in. `reached` is set when it is at the point, `go` lets it go on."""

    def __init__(self, point, fault):
        self._point, self._fault = point, fault
        self._is_begun = False
        self._times = 0
        self.reached, self.go = threading.Event(), threading.Event()

    def __call__(self, exchange):
        self._times += 1
        if self._fault.endswith("once") and self._times > 1:
            self._point = None
        self._at("waiting", exchange)
        exchange.begin_stream([("X-Generation-Id", "gen-1")])
        self._is_begun = True
        self._at("begun", exchange)
        first, second = PART[:8], PART[8:]
        exchange.delta(first)
        exchange.delta(second)
        self._at("middle", exchange)
        exchange.delta(" 42.")
        self._at("told", exchange)
        exchange.finish()

    def _at(self, point, exchange):
        if point != self._point:
            return
        self.reached.set()
        _hold(exchange, self.go)
        if self._fault in _REFUSALS:
            _REFUSALS[self._fault](exchange)
            raise ConnectionError
        spoil = getattr(self, f"_{self._fault.replace(' ', '_')}", None)
        if spoil is not None:
            spoil(exchange)
            raise ConnectionError

    def _reset(self, exchange):
        exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _closed(self, exchange):
        pass

    def _ended(self, exchange):
        exchange.end()

    def _silence(self, exchange):
        exchange.wait_for_hang_up()

    def _bug(self, exchange):
        """Send nothing more: what came last is what makes the client fail."""
        exchange.wait_for_hang_up()

    def _stdout_full(self, exchange):
        exchange.wait_for_hang_up()

    def _error_event(self, exchange):
        exchange.event({**chunk(), "error": {"code": 502, "message": "the provider stopped answering"}})
        exchange.end()

    def _garbage(self, exchange):
        if not self._is_begun:
            return exchange.send(b"\x16\x03\x01 no HTTP at all\r\n\r\n")
        exchange.block(b"data: {no JSON at all\n\n")
        return exchange.end()


def _hold(exchange, go):
    """Wait for `go`, or for the client to leave."""
    exchange.connection.settimeout(0.02)
    while not go.is_set():
        with suppress(TimeoutError):
            if not exchange.connection.recv(1):
                raise ConnectionError
    exchange.connection.settimeout(PATIENCE_S)


@contextmanager
def deaf_port():
    """A port to which nobody ever gets connected."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=0)) as listener:
        callers = []
        for _ in range(8):
            caller = socket.socket()
            caller.setblocking(False)
            with suppress(BlockingIOError):
                caller.connect(listener.getsockname())
            callers.append(caller)
        yield listener.getsockname()[1]
        for caller in callers:
            caller.close()


def is_calling(pid, port):
    """Say whether a process has begun to connect to a port of this machine, and is not connected."""
    begun = "02"
    held = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):
            held.add(os.readlink(f"/proc/{pid}/fd/{name}"))
    with open(f"/proc/{pid}/net/tcp") as table:
        rows = [line.split() for line in table][1:]
    return any(row[2:4] == [f"0100007F:{port:04X}", begun] and f"socket:[{row[9]}]" in held for row in rows)
