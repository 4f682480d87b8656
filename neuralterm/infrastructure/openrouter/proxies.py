"""Whether requests go straight to the host of a base URL."""

from __future__ import annotations

import os
import sys

from neuralterm.domain.base_url import BaseUrl, plain_base_url
from neuralterm.domain.loopback import is_loopback


def direct_url(text: str, direct: bool | None = None) -> BaseUrl | None:
    """Return the parts of a base URL to which requests go straight over a socket; None where they take httpx.

    Without a wish (`direct`), they take httpx where it is imported anyway. None is returned too where a socket is not enough.
    """
    if direct is False or (direct is None and "httpx" in sys.modules):
        return None
    url = plain_base_url(text)
    return None if url is None or _may_be_proxied(url) else url


def proxy_variables() -> list[str]:
    """Return the names of the variables that may name a proxy for https."""
    return [name for name in os.environ if name.lower() in ("https_proxy", "all_proxy")]


def _may_be_proxied(url: BaseUrl) -> bool:
    """Say whether requests might have to go through a proxy: by the environment, or by what the system is set to.

    Never plain http: a proxy can't reach the loopback interface of this machine, and would see the key.
    """
    if url.scheme == "http":
        return False
    # Where every HTTP library looks for the proxies of https.
    if proxy_variables():
        return not is_loopback(url.host)
    if sys.platform == "darwin":
        try:
            from _scproxy import _get_proxies
        except ImportError:
            return True
        return bool(_get_proxies())
    return sys.platform == "win32"
