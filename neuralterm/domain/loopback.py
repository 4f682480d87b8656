"""Which hosts are this machine itself."""

from __future__ import annotations


def is_loopback(host: str) -> bool:
    """Say whether a host, a name or an address without brackets, is reached without leaving this machine."""
    from ipaddress import ip_address

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
