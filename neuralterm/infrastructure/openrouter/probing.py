"""Asks the service about the key, to see how it answers: `GET /key`, whatever comes of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from neuralterm.application.surroundings import ServiceReply
from neuralterm.domain.exceptions import ServiceUnreachableError, StreamInterruptedError
from neuralterm.infrastructure.openrouter.account import parse_key
from neuralterm.infrastructure.openrouter.limits import LARGEST_ERROR_BODY

if TYPE_CHECKING:
    from neuralterm.infrastructure.openrouter.exchange import Reply, Transport


async def probe(transport: Transport, headers: Mapping[str, str], timeout: float) -> ServiceReply:
    """Ask once. Raises ServiceUnreachableError when no answer came within `timeout` seconds."""
    began = time.monotonic()
    reply = await transport.send("GET", "/key", headers=headers, timeout=timeout)
    latency = time.monotonic() - began
    try:
        is_used_up = reply.status == 200 and await _is_used_up(reply)
    except StreamInterruptedError as error:
        raise ServiceUnreachableError(error.message, hint=error.hint) from error
    finally:
        await reply.aclose()
    return ServiceReply(reply.status, latency, _moment(reply.headers.get("date")), is_used_up)


async def _is_used_up(reply: Reply) -> bool:
    body = await reply.read_body(LARGEST_ERROR_BODY)
    with suppress(ValueError):
        return parse_key(body).limit_remaining_usd == 0
    return False


def _moment(text: str | None) -> datetime | None:
    with suppress(ValueError, TypeError, OverflowError):
        moment = parsedate_to_datetime(text or "")
        return moment if moment.tzinfo is not None else None
    return None
