"""The sandbox's address: a listening socket that only programs on this machine can reach."""

from __future__ import annotations

import ipaddress
import socket

LOOPBACK = "127.0.0.1"

# Seconds between two deltas, so that people see an answer being written.
DEFAULT_DELAY = 0.005

# Seconds after the end of a generation in which nobody can ask for its cost.
DEFAULT_SETTLE_DELAY = 0.3

# Connections that may wait while the event loop is still starting.
_BACKLOG = 1024


def listen(host: str = LOOPBACK, port: int = 0) -> socket.socket:
    """Return a listening socket; port 0 lets the system choose. Clients may connect from here on.

    Raises ValueError when the host is not a loopback address or the port not a port number, OSError when the port can't be had.
    """
    address = ipaddress.ip_address(LOOPBACK if host == "localhost" else host)
    if not address.is_loopback:
        raise ValueError(f"the sandbox serves on a loopback address only, not on {host}")
    if not 0 <= port <= 65535:
        raise ValueError(f"a port is a number from 0 to 65535, not {port}")
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    listener = socket.create_server((str(address), port), family=family, backlog=_BACKLOG)
    listener.setblocking(False)
    return listener


def base_url(listener: socket.socket) -> str:
    """Return the URL to use as `OPENROUTER_BASE_URL`."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/api/v1" if ":" in host else f"http://{host}:{port}/api/v1"
