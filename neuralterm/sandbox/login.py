"""The login of the service: a page that agrees at once, and the exchange of its code for a key."""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from urllib.parse import urlencode, urlsplit

from neuralterm.domain.loopback import is_loopback
from neuralterm.sandbox.protocol import Connection, Request
from neuralterm.sandbox.refusal import ServiceRefusedError

METHOD = "S256"
_CODE_LASTS_S = 600.0


class Logins:
    """The codes that were handed out, each for one exchange within ten minutes of `clock`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._codes: dict[str, tuple[str, float]] = {}

    async def page(self, connection: Connection, request: Request) -> None:
        """Answer as if the user had agreed: send the browser back with a code, or show it where it has nowhere to go."""
        asked = {name: values[0] for name, values in request.query.items()}
        challenge, callback = asked.get("code_challenge", ""), asked.get("callback_url")
        if not challenge or asked.get("code_challenge_method") != METHOD:
            raise ServiceRefusedError(400, "Invalid code_challenge or code_challenge_method")
        if callback is not None and not _is_here(callback):
            raise ServiceRefusedError(400, "The sandbox sends browsers back to this machine only")
        code = secrets.token_urlsafe(24)
        self._codes[code] = (challenge, self._clock() + _CODE_LASTS_S)
        if callback is not None:
            parts = urlsplit(callback)
            query = "&".join(filter(None, (parts.query, urlencode({"code": code}))))
            await _answer(connection, 302, b"", {"Location": parts._replace(query=query).geturl()})
        else:
            await _answer(connection, 200, f"{code}\n".encode(), {"Content-Type": "text/plain"})

    async def exchange(self, connection: Connection, request: Request) -> None:
        """Exchange a code for a key."""
        try:
            asked = json.loads(request.body)
            code, verifier, method = (f"{asked[name]}" for name in ("code", "code_verifier", "code_challenge_method"))
        except (ValueError, KeyError, TypeError) as error:
            raise ServiceRefusedError(400, "code, code_verifier and code_challenge_method are needed") from error
        if method != METHOD:
            raise ServiceRefusedError(400, "Invalid code_challenge_method")
        challenge, expires = self._codes.pop(code, ("", 0.0))
        made = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        if made != challenge or self._clock() > expires:
            raise ServiceRefusedError(403, "Invalid code or code_verifier")
        key = f"sk-or-sandbox-{secrets.token_hex(24)}"
        await connection.reply(200, {"key": key, "user_id": "user_sandbox"})


def _is_here(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "http" and is_loopback(parts.hostname or "")
    except ValueError:
        return False


async def _answer(connection: Connection, status: int, body: bytes, headers: dict[str, str]) -> None:
    await connection.start(status, {"Content-Length": str(len(body)), "Cache-Control": "no-store", **headers})
    await connection.send(body)
    await connection.finish()
