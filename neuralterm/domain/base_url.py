"""The base URL, taken apart, where it is a plain one."""

from __future__ import annotations

import re

from neuralterm.domain.record import record

# Scheme, host, port, path; nothing that would have to be encoded, and no name or password.
_PLAIN = r"(https?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?((?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)*)\Z"
_PORTS = {"http": 80, "https": 443}


@record
class BaseUrl:
    """`host` without brackets; `authority` is what the header Host says; `path` has no slash at its end."""

    scheme: str
    host: str
    port: int
    authority: str
    path: str


def plain_base_url(text: str) -> BaseUrl | None:
    """Return the parts of a base URL that can be used as it is; None for one that takes a whole library to understand."""
    match = re.match(_PLAIN, text.rstrip("/"))
    if match is None:
        return None
    scheme, host, given, path = match.groups()
    port = int(given) if given else _PORTS[scheme]
    if not 0 < port < 65536:
        return None
    authority = host.lower() if port == _PORTS[scheme] else f"{host.lower()}:{port}"
    return BaseUrl(scheme, host.strip("[]").lower(), port, authority, path)
