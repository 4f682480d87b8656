"""The service as the rest of the program sees it."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from neuralterm.config import DEFAULT_BASE_URL, DEFAULT_IDLE_TIMEOUT
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.exceptions import (
    ConfigurationError,
    OpenRouterAPIError,
    ServiceUnreachableError,
    StreamInterruptedError,
    ValidationError,
)
from neuralterm.domain.text import key_forms, without_key, without_password
from neuralterm.infrastructure.openrouter.decoding import without_surrogates
from neuralterm.infrastructure.openrouter.error_report import excerpt
from neuralterm.infrastructure.openrouter.errors import CHECK_BASE_URL, error_from_response, said_where_missing
from neuralterm.infrastructure.openrouter.limits import LARGEST_REPLY, PATIENCE_FACTOR
from neuralterm.infrastructure.openrouter.patience import Patience
from neuralterm.infrastructure.openrouter.stream import CompletionStream
from neuralterm.version import __version__

if TYPE_CHECKING:
    from neuralterm.application.records import GenerationReport, KeyReport
    from neuralterm.application.surroundings import ServiceReply
    from neuralterm.domain.endpoints import Endpoint
    from neuralterm.infrastructure.openrouter.exchange import Reply, Transport

# The service tells applications apart by this address; for a local one it goes by the title.
_REFERER = "http://localhost/neuralterm"
# gzip is the one compression that is undone in pieces of bounded size.
_GET_HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip"}

# Seconds for a question about money: it is asked beside something else, which it must not hold up.
ACCOUNT_TIMEOUT = 10.0
# Seconds for a question whose answer is one part of what somebody waits for, who can do without it.
ENDPOINTS_TIMEOUT = 5.0


class OpenRouterClient:
    """Talks to OpenRouter, or to another server of the chat-completions protocol.

    `timeout` limits a whole call, `idle_timeout` the silence within it, `connect_timeout` connecting; all in seconds. Signs
    of life without a piece of the answer are put up with for five times `idle_timeout`.
    Requests go over httpx, or straight over a socket where that is enough and httpx is not imported anyway: `direct` says so
    in the place of that rule (False: never; True: wherever it is enough).
    Nothing is opened before the first request. The key is sent to `base_url` only and is in no text this class makes.
    Raises ConfigurationError for a key or a base URL that can't be used.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str = DEFAULT_BASE_URL,
        *,
        timeout: float | None = None,
        idle_timeout: float = DEFAULT_IDLE_TIMEOUT,
        connect_timeout: float = 20.0,
        direct: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key = _checked_key(api_key)
        self._base_url = base_url
        self._limits = (connect_timeout, idle_timeout, timeout)
        self._direct = direct
        self._clock = clock
        self._transport: Transport | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self._base_url!r})"

    async def __aenter__(self) -> OpenRouterClient:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    def use_key(self, api_key: str | None) -> None:
        """Send this key from now on. Raises ConfigurationError for one that can't be used."""
        self._key = _checked_key(api_key)

    def prepare(self) -> None:
        """Begin what the first request is going to need and what sends nothing to the service, beside other work.

        Raises ConfigurationError for a base URL that can't be used.
        """
        self._connected().prepare()

    async def close(self) -> None:
        """Close all connections. May be called twice; a later request opens them again."""
        if self._transport is not None:
            await self._transport.close()

    async def get_available_models(self) -> list[OpenRouterModel]:
        """Return all models that the service lists; needs no key.

        Raises OpenRouterAPIError when the service refuses or sends something else, ServiceUnreachableError when no
        complete list came. A damaged entry is left out.
        """
        from neuralterm.infrastructure.openrouter.wire import parse_model_list

        with said_where_missing("model list"):
            body = await self._get("/models")
        try:
            return parse_model_list(body)
        except ValueError as exc:
            raise self._unreadable("no list of models", body) from exc

    async def get_endpoints(self, model_id: str, *, timeout: float = ENDPOINTS_TIMEOUT) -> list[Endpoint] | None:
        """Return who runs a model; None where the service knows no such model, or tells nobody's endpoints.

        Without a key it tells less of them. `timeout` limits the question in seconds. Raises as `get_available_models`.
        """
        from neuralterm.infrastructure.openrouter.endpoints import endpoints_path, parse_endpoints

        try:
            body = await self._get(endpoints_path(model_id), timeout)
        except OpenRouterAPIError as error:
            if error.status_code == 404:
                return None
            raise
        try:
            return parse_endpoints(body)
        except ValueError as exc:
            raise self._unreadable("no list of endpoints", body) from exc

    async def get_generation(self, generation_id: str, *, timeout: float = ACCOUNT_TIMEOUT) -> GenerationReport | None:
        """Return what a generation cost; None while the service does not know it, or no amount of it.

        `timeout` limits the question in seconds. Raises as `get_available_models`.
        """
        from neuralterm.infrastructure.openrouter.account import generation_path, parse_generation

        try:
            body = await self._get(generation_path(generation_id), timeout)
        except OpenRouterAPIError as error:
            if error.status_code == 404:
                return None
            raise
        try:
            return parse_generation(body, generation_id)
        except ValueError as exc:
            raise self._unreadable("no record of a generation", body) from exc

    async def get_key(self, *, timeout: float = ACCOUNT_TIMEOUT) -> KeyReport:
        """Return what the key has used. `timeout` and errors as for `get_generation`."""
        from neuralterm.infrastructure.openrouter.account import parse_key

        with said_where_missing("/key"):
            body = await self._get("/key", timeout)
        try:
            return parse_key(body)
        except ValueError as exc:
            raise self._unreadable("no report about a key", body) from exc

    async def probe(self, *, timeout: float = ACCOUNT_TIMEOUT) -> ServiceReply:
        """Ask about the key, with or without one, and return how the service answers. Raises ServiceUnreachableError."""
        from neuralterm.infrastructure.openrouter.probing import probe

        return await probe(self._connected(), self._with_key(_GET_HEADERS), timeout)

    async def key_for_code(self, code: str, verifier: str, *, timeout: float = ACCOUNT_TIMEOUT) -> str:
        """Exchange the code of a login for a key. Raises as `key_exchange.key_for_code`."""
        from neuralterm.infrastructure.openrouter.key_exchange import key_for_code

        return await key_for_code(self._connected(), code, verifier, timeout)

    def chat_completion_stream(
        self,
        messages: list[dict[str, Any]],
        model: str,
        temperature: float | None = 0.7,
        max_tokens: int | None = None,
        *,
        extra: Mapping[str, Any] | None = None,
        stream: bool = True,
    ) -> CompletionStream:
        """Send a conversation when the first item is asked for; yield deltas and last the final dictionary.

        `temperature` and `max_tokens` are left out of the request when they are None. `extra` are further fields of the
        request, which win over the others. With `stream=False` the whole answer comes as one delta.
        Raises ValidationError when the request can't be written as JSON.
        """
        body: dict[str, Any] = {"model": model, "messages": messages}
        if temperature is not None:
            body["temperature"] = temperature
        if max_tokens is not None:
            body["max_tokens"] = max_tokens
        content = _write_json({**body, **(extra or {}), "stream": stream})
        headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream" if stream else "application/json",
            # A compressor would hold back deltas until it has enough of them.
            "Accept-Encoding": "identity",
        }
        return CompletionStream(
            lambda on_sending: self._exchange(
                "POST", "/chat/completions", model, body=content, headers=headers, on_sending=on_sending
            ),
            model,
            streamed=stream,
            clock=self._clock,
            patience=Patience(PATIENCE_FACTOR * self._limits[1], self._clock),
            clean=lambda text: without_key(text, self._key),
        )

    async def _get(self, path: str, timeout: float | None = None) -> bytes:
        timeout = timeout or self._limits[2] or PATIENCE_FACTOR * self._limits[1]
        try:
            async with self._exchange("GET", path, None, headers=_GET_HEADERS, timeout=timeout) as reply:
                body = await reply.read_body(LARGEST_REPLY)
        except (StreamInterruptedError, ServiceUnreachableError) as exc:
            # Asking costs nothing, so it may be repeated wherever it failed: for money's sake nothing was sent.
            raise ServiceUnreachableError(exc.message, request_sent=False, hint=exc.hint) from exc
        return self._without_key(body)

    @asynccontextmanager
    async def _exchange(
        self,
        method: str,
        path: str,
        model: str | None,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        timeout: float | None = None,
        on_sending: Callable[[], None] = lambda: None,
    ) -> AsyncIterator[Reply]:
        own = self._with_key(headers)
        transport = self._connected()
        began = time.monotonic()
        reply = await transport.send(method, path, body=body, headers=own, timeout=timeout, on_sending=on_sending)
        _log(
            f"{method} {without_password(self._base_url)}{path}: {reply.status} after {time.monotonic() - began:.3f} s"
        )
        try:
            if reply.status != 200:
                raise await self._refusal(reply, model)
            yield reply
        finally:
            await reply.aclose()

    def _with_key(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        # Not a standing header: the key may become known after the first request.
        return {**headers, "Authorization": f"Bearer {self._key}"} if self._key else headers

    async def _refusal(self, reply: Reply, model: str | None) -> OpenRouterAPIError:
        if 300 <= reply.status < 400:
            target = excerpt(self._without_key(reply.headers.get("location", "").encode()).decode(), 200)
            return OpenRouterAPIError(
                f"the service redirects (HTTP {reply.status}) to {target or 'nowhere'}, which is not followed",
                reply.status,
                hint="set OPENROUTER_BASE_URL to the final address if you trust it",
            )
        body = self._without_key(await reply.read_error_body())
        return error_from_response(reply.status, reply.headers, body, model, now=time.time())

    def _unreadable(self, what: str, body: bytes) -> OpenRouterAPIError:
        shown = self._without_key(body[:4096]).decode("utf-8", "replace")
        return OpenRouterAPIError(f"the service sent something that is {what}", 200, shown, hint=CHECK_BASE_URL)

    def _without_key(self, text: bytes) -> bytes:
        """Some servers repeat the key in their complaint about it, or in whatever else they say."""
        if not any(form.encode() in text for form in key_forms(self._key)):
            return text
        return without_key(text.decode("latin-1"), self._key).encode("latin-1")

    def _connected(self) -> Transport:
        if self._transport is None:
            from neuralterm.infrastructure.openrouter.exchange import Timeouts
            from neuralterm.infrastructure.openrouter.proxies import direct_url

            connect, idle, total = self._limits
            headers, timeouts = self._standing_headers(), Timeouts(connect, idle, total)
            url = direct_url(self._base_url, self._direct)
            if url is None:
                from neuralterm.infrastructure.openrouter.httpx_transport import HttpxTransport

                self._transport = HttpxTransport(self._base_url, headers, timeouts)
            else:
                from neuralterm.infrastructure.openrouter.direct_transport import DirectTransport

                self._transport = DirectTransport(url, headers, timeouts)
        return self._transport

    def _standing_headers(self) -> dict[str, str]:
        return {
            "User-Agent": f"neuralterm/{__version__}",
            "HTTP-Referer": _REFERER,
            "X-OpenRouter-Title": "neuralterm",
            "X-Title": "neuralterm",
            "X-OpenRouter-Categories": "cli-agent",
        }


def _log(text: str) -> None:
    """Log what happens, where anybody has asked for logs and so imported `logging`: not on the way of a plain `send`."""
    if "logging" in sys.modules:
        sys.modules["logging"].getLogger(__name__).info(text)


def _checked_key(key: str | None) -> str | None:
    key = (key or "").strip()
    if any(not "!" <= character <= "~" for character in key):
        raise ConfigurationError(
            "the API key has characters that no key has", hint="set OPENROUTER_API_KEY to the key alone, on one line"
        )
    return key or None


def _write_json(body: dict[str, Any]) -> bytes:
    import json

    try:
        text = json.dumps(
            without_surrogates(body), ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_number
        )
    except (TypeError, ValueError) as exc:
        raise ValidationError(f"the request can't be written as JSON: {exc}") from exc
    return text.encode()


def _number(value: object) -> int | float:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"{type(value).__name__} is no JSON type")
