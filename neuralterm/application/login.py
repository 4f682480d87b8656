"""Gets a key by OpenRouter's login: the user agrees on a page of the service, which hands over a code for the key.

A challenge goes with the user to the page, and what it was made from with the code (PKCE): whoever sees the code in between
gets no key for it. An answer that comes back to this machine has to know the path that was made for this login.
"""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Protocol
from urllib.parse import parse_qs, urlencode, urlsplit

from neuralterm.domain.exceptions import ConfigurationError

CHALLENGE_METHOD = "S256"
_KEY_LABEL = "neuralterm"
_LONGEST_CODE = 1000
_AGAIN = "run `neuralterm login` again"


class CallbackListener(Protocol):
    """Waits on this machine for the browser to come back. `url` is where it has to come."""

    url: str

    async def answer(self, seconds: float) -> dict[str, str]:
        """Return what the browser brings. Raises TimeoutError when it has not come after so many seconds."""

    def close(self) -> None:
        """Listen no more."""


class Login:
    """One login. `page` is the service's page on which the user agrees.

    `listen` gets a port (None: any) and the path for the answer, and raises ConfigurationError where that port is taken.
    `open_browser` says whether there is one. `exchange` gets a code and what the challenge was made from, and returns the key.
    """

    def __init__(
        self,
        page: str,
        listen: Callable[[int | None, str], CallbackListener],
        open_browser: Callable[[str], bool],
        exchange: Callable[[str, str], Awaitable[str]],
        note: Callable[[str], None],
    ) -> None:
        self._page = page
        self._listen = listen
        self._open_browser = open_browser
        self._exchange = exchange
        self._note = note
        self._verifier = secrets.token_urlsafe(48)

    def page_for(self, callback: str | None = None) -> str:
        """Return the address for the browser. Without a callback the page shows a code to be copied."""
        asked = {"code_challenge": challenge_of(self._verifier), "code_challenge_method": CHALLENGE_METHOD}
        way = {"callback_url": callback} if callback else {"key_label": _KEY_LABEL}
        return f"{self._page}?{urlencode(way | asked)}"

    async def code_by_browser(self, port: int | None, seconds: float) -> str | None:
        """Open the page, wait for the browser to come back, and return the code; None where there is no browser.

        Raises ConfigurationError when it does not come in time, or without a code.
        """
        listener = self._listen(port, f"/{secrets.token_urlsafe(16)}")
        try:
            page = self.page_for(listener.url)
            if not self._open_browser(page):
                return None
            self._note(f"waiting for the browser; if no page has opened there, open {page}")
            try:
                answer = await listener.answer(seconds)
            except TimeoutError:
                raise ConfigurationError(
                    f"nobody has agreed in the browser within {seconds:g} seconds",
                    "LOGIN_TIMEOUT",
                    hint="on a machine without a browser: `neuralterm login --no-browser`",
                ) from None
        finally:
            listener.close()
        if "code" not in answer:
            reason = answer.get("error_description") or answer.get("error") or "no code came back"
            raise ConfigurationError(f"the service did not agree to the login: {reason}", "LOGIN_REFUSED", hint=_AGAIN)
        return checked_code(answer["code"])

    async def key_for(self, code: str) -> str:
        """Exchange a code for the key; a code can be used once, within minutes."""
        return await self._exchange(code, self._verifier)


def challenge_of(verifier: str) -> str:
    """Return what may be shown in the place of the verifier."""
    return urlsafe_b64encode(sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii")


def code_in(pasted: str) -> str:
    """Return the code of what was pasted: a code, or the address to which the browser was sent."""
    text = pasted.strip()
    if "://" in text:
        try:
            text = parse_qs(urlsplit(text).query).get("code", [""])[0]
        except ValueError:
            text = ""
    return checked_code(text)


def checked_code(text: str) -> str:
    """Return a code. Raises ConfigurationError for what can be none, without quoting it."""
    if not text or len(text) > _LONGEST_CODE or any(not "!" <= character <= "~" for character in text):
        raise ConfigurationError("that is no code for a key", "LOGIN_REFUSED", hint=_AGAIN)
    return text


def login_page(base_url: str) -> str:
    """Return the page of the service below whose base URL the keys are used. Raises ConfigurationError where it has none."""
    origin, separator, _ = base_url.rstrip("/").partition("/api/v1")
    if not separator or not base_url.rstrip("/").endswith("/api/v1"):
        from neuralterm.domain.text import without_password

        raise ConfigurationError(
            f"{without_password(base_url)} has no login as OpenRouter has it",
            "NO_LOGIN",
            hint="set OPENROUTER_API_KEY to the key of that server",
        )
    return f"{origin}/auth"
