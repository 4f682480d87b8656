"""Exchanges the code of a login for a key: `POST /auth/keys`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from neuralterm.application.login import CHALLENGE_METHOD
from neuralterm.domain.exceptions import ConfigurationError, ServiceUnreachableError, StreamInterruptedError
from neuralterm.infrastructure.openrouter.decoding import parse_clean_json
from neuralterm.infrastructure.openrouter.error_report import excerpt
from neuralterm.infrastructure.openrouter.limits import LARGEST_ERROR_BODY

if TYPE_CHECKING:
    from neuralterm.infrastructure.openrouter.exchange import Transport

_PATH = "/auth/keys"
# What tells of the service's state, and not of the code.
_TEMPORARY = (408, 429)


async def key_for_code(transport: Transport, code: str, verifier: str, timeout: float) -> str:
    """Return the key. The code is used up by the first try, so there is no second.

    Raises ConfigurationError when the service refuses the code, ServiceUnreachableError when it can't be asked now.
    """
    body = {"code": code, "code_verifier": verifier, "code_challenge_method": CHALLENGE_METHOD}
    headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}
    reply = await transport.send("POST", _PATH, body=json.dumps(body).encode(), headers=headers, timeout=timeout)
    try:
        content = await reply.read_body(LARGEST_ERROR_BODY)
    except StreamInterruptedError as error:
        raise ServiceUnreachableError(error.message, hint=error.hint) from error
    finally:
        await reply.aclose()
    if reply.status >= 500 or reply.status in _TEMPORARY:
        raise ServiceUnreachableError(f"the service can't exchange the code now (HTTP status {reply.status})")
    if reply.status != 200:
        raise ConfigurationError(
            f"the service refuses the login (HTTP status {reply.status}){_reason(content, code, verifier)}",
            "LOGIN_REFUSED",
            hint="a code can be used once, within ten minutes: run `neuralterm login` again",
        )
    return _key(content)


def _key(content: bytes) -> str:
    """Return the key of a reply, no part of which is ever quoted."""
    try:
        document = parse_clean_json(content)
    except ValueError:
        document = None
    key = document.get("key") if isinstance(document, Mapping) else None
    if not isinstance(key, str) or not key or any(not "!" <= character <= "~" for character in key):
        raise ConfigurationError("the service sent no key for the code", "LOGIN_REFUSED", hint="check the base URL")
    return key


def _reason(content: bytes, code: str, verifier: str) -> str:
    try:
        error = parse_clean_json(content)
        message = error["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return ""
    text = str(message).replace(code, "[code]").replace(verifier, "[verifier]")
    return f": {excerpt(text, 200)}"
