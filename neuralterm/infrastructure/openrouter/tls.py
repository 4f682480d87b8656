"""Which certificates to trust."""

from __future__ import annotations

import os
import re
import ssl

from neuralterm.domain.exceptions import ConfigurationError

_SYSTEM_DIRECTORY = "/etc/ssl/certs"
_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.\d+\Z")


def tls_context(scheme: str) -> ssl.SSLContext:
    """Return the TLS settings for a base URL with this scheme.

    For `http` no certificates are loaded. For `https` those of SSL_CERT_FILE and SSL_CERT_DIR, which the ssl module looks
    up; without them the hashed directory of the system (0.1 ms; its bundle takes 20), or else those of certifi.
    Raises ConfigurationError when they can't be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if scheme != "https":
        return context
    paths = ssl.get_default_verify_paths()
    file = paths.cafile if paths.cafile != paths.openssl_cafile else None
    directory = paths.capath if paths.capath != paths.openssl_capath else None
    if file is None and directory is None:
        directory = next((path for path in (paths.capath, _SYSTEM_DIRECTORY) if path and _is_hashed(path)), None)
    if file is None and directory is None:
        import certifi

        file = certifi.where()
    try:
        context.load_verify_locations(cafile=file, capath=directory)
    except OSError as exc:
        raise ConfigurationError(
            f"the certificates to trust can't be read: {exc}", hint="check SSL_CERT_FILE and SSL_CERT_DIR"
        ) from exc
    return context


def _is_hashed(directory: str) -> bool:
    try:
        with os.scandir(directory) as entries:
            return any(_HASHED_NAME.match(entry.name) for entry in entries)
    except OSError:
        return False
