"""The sandbox in a thread of the calling process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from neuralterm.sandbox.loopback import DEFAULT_DELAY, DEFAULT_SETTLE_DELAY, LOOPBACK, base_url, listen

if TYPE_CHECKING:
    from pathlib import Path

    from neuralterm.sandbox.server import SandboxServer

# Seconds that stopping may take before the (daemon) thread is left to the end of the process.
_STOP_WITHIN = 5.0


@contextmanager
def running_sandbox(
    server: SandboxServer | None = None,
    *,
    port: int = 0,
    host: str = LOOPBACK,
    delay: float = DEFAULT_DELAY,
    settle_delay: float = DEFAULT_SETTLE_DELAY,
    bill_file: Path | None = None,
) -> Iterator[str]:
    """Serve in a daemon thread while the block runs, and yield the base URL.

    The socket listens when the block begins; the libraries are loaded in the thread, so the caller does not wait for
    them. A `server` of the caller's (whose `bill` can then be read) brings its own host, port and options; otherwise one
    is made. Raises ValueError and OSError as `listen` does.
    """
    listener = listen(host, port) if server is None else listen(server.host, server.port)
    stop, stopped = socket.socketpair()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            _run(server, listener, stopped, {"delay": delay, "settle_delay": settle_delay, "bill_file": bill_file})
        except BaseException as exc:  # handed to the thread that owns the block
            failures.append(exc)
        finally:
            listener.close()
            stopped.close()

    thread = threading.Thread(target=run, name="neuralterm-sandbox", daemon=True)
    try:
        url = base_url(listener)
        thread.start()
        yield url
    finally:
        stop.close()
        thread.join(_STOP_WITHIN)
    if failures:
        raise failures[0]


def _run(
    server: SandboxServer | None, listener: socket.socket, stopped: socket.socket, options: Mapping[str, Any]
) -> None:
    import anyio

    from neuralterm.sandbox.server import SandboxServer

    serving = SandboxServer(**options) if server is None else server

    async def serve_until_stopped() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(serving.serve_on, listener)
            await anyio.wait_readable(stopped)
            group.cancel_scope.cancel()

    anyio.run(serve_until_stopped)
