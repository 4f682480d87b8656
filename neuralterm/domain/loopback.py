"""Which hosts are this machine itself."""

from __future__ import annotations


def is_loopback(host: str) -> bool:
    """Say whether a host, a name or an address without brackets, is reached without leaving this machine."""
    if host in ("127.0.0.1", "localhost", "::1"):
        return True
    from ipaddress import ip_address

    try:
        address = ip_address(host)
    except ValueError:
        return False
    # Not every version of Python looks through an IPv4 address that is written as one of IPv6.
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
