"""`POST /chat/completions`: a plan becomes deltas, a reply, and a line on the bill."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import anyio

from neuralterm.domain.money import EXACT
from neuralterm.domain.record import record
from neuralterm.sandbox.bill import Bill, Generation
from neuralterm.sandbox.catalogue import Catalogue, ServedModel
from neuralterm.sandbox.jsontext import to_bytes
from neuralterm.sandbox.protocol import Connection, ConnectionCutError
from neuralterm.sandbox.refusal import ServiceRefusedError
from neuralterm.sandbox.request import ChatRequest
from neuralterm.sandbox.scenarios import Ending, Plan, plan_for
from neuralterm.sandbox.tokens import split_tokens

_COMMENT = b": OPENROUTER PROCESSING\n\n"
_DONE = b"data: [DONE]\n\n"
_PADDING = b"\n         \n"
_MILLION = Decimal(1_000_000)
_ERROR = {"code": 502, "message": "The provider stopped answering"}


def choose(request: ChatRequest, catalogue: Catalogue) -> tuple[ServedModel, Plan]:
    """Return the first of the wished models that answers, with its plan. Raises the last one's ServiceRefusedError."""
    candidates = [catalogue.find(name) for name in request.models]
    for position, model in enumerate(candidates, start=1):
        try:
            _check(model, request)
            return model, plan_for(model, request)
        except ServiceRefusedError:
            if position == len(candidates):
                raise
    raise AssertionError("a request names at least one model")


def _check(model: ServedModel, request: ChatRequest) -> None:
    size = request.prompt_tokens
    if size > model.context_length:
        raise ServiceRefusedError(
            400,
            f"This endpoint's maximum context length is {model.context_length} tokens. "
            f"However, you requested about {size} tokens ({size} of text input).",
            metadata={"error_type": "context_length_exceeded", "provider_name": None},
        )
    if not request.required <= set(model.listing["supported_parameters"]):
        raise ServiceRefusedError(
            404, "No endpoints found that can handle the requested parameters", metadata={"provider_name": None}
        )
    base = model.prices.base
    for key, price, unit in (
        ("prompt", base.prompt, _MILLION),
        ("completion", base.completion, _MILLION),
        ("request", base.request, Decimal(1)),
    ):
        limit = request.max_price.get(key)
        if limit is not None and price is not None and EXACT.multiply(price, unit) > limit:
            raise ServiceRefusedError(
                404, f"No endpoints found that match your max_price ({key})", metadata={"provider_name": None}
            )


@record
class _Script:
    """The tokens of an answer, cut to the request's and the model's cap."""

    thoughts: Sequence[str]
    words: Sequence[str]
    finish_reason: str

    @classmethod
    def of(cls, plan: Plan, request: ChatRequest, model: ServedModel) -> _Script:
        thoughts, words = split_tokens(plan.reasoning)[: request.thinking_cap], split_tokens(plan.text)
        caps = [cap for cap in (request.output_cap, model.max_completion_tokens) if cap is not None]
        cap = min(caps, default=None)
        if plan.ignores_cap or cap is None or len(thoughts) + len(words) <= cap:
            return cls(thoughts, words, plan.finish_reason)
        return cls(thoughts[:cap], words[: max(0, cap - len(thoughts))], "length")


class Answer:
    """One answer on its way to a client. `delay` is in seconds per token."""

    def __init__(
        self, connection: Connection, bill: Bill, request: ChatRequest, chosen: tuple[ServedModel, Plan], delay: float
    ) -> None:
        self._connection = connection
        self._bill = bill
        self._request = request
        self._model, self._plan = chosen
        self._script = _Script.of(self._plan, request, self._model)
        self._pause = delay * self._plan.pace
        self._generation = Generation(self._model, request.prompt_tokens, request.stream, is_byok=self._plan.is_byok)

    async def deliver(self) -> None:
        """Send the reply. Whatever was generated is billed, also when the client goes away or the server stops."""
        media_type = "text/event-stream" if self._request.stream else "application/json"
        headers = {"Content-Type": media_type, "Cache-Control": "no-cache", "X-Generation-Id": self._generation.id}
        await self._connection.start(200, headers)
        self._generation.cancelled = True
        try:
            await self._connection.while_connected(self._stream if self._request.stream else self._whole)
        finally:
            self._bill.add(self._generation)

    async def _stream(self) -> None:
        await self._connection.send(_COMMENT * (1 + self._request.prompt_tokens % 2))
        await self._stream_tokens()
        if self._plan.ending is Ending.CUT:
            raise ConnectionCutError
        if self._plan.ending is Ending.STALL:
            await anyio.sleep_forever()
        if self._plan.ending is Ending.ERROR:
            self._settle(None)
            await self._send_event(self._chunk({}, None, **self._usage(), error=_ERROR))
        else:
            reason = self._script.finish_reason
            self._settle(reason)
            await self._send_event(self._chunk({}, reason))
            await self._send_event(self._chunk({}, reason, **self._usage()))
        await self._connection.send(_DONE)
        await self._connection.finish()

    async def _stream_tokens(self) -> None:
        for thought in self._script.thoughts:
            await anyio.sleep(self._pause)
            if not self._request.hide_reasoning:
                await self._send_event(
                    self._chunk({"reasoning": thought, "reasoning_details": [_detail(thought)]}, None)
                )
            self._generation.reasoning_tokens += 1
            self._generation.completion_tokens += 1
        for word in self._script.words:
            await anyio.sleep(self._pause)
            await self._send_event(self._chunk({"content": word}, None))
            self._generation.completion_tokens += 1

    async def _whole(self) -> None:
        """Send the reply in one piece, after blank padding while it is made; it is billed in full from the start."""
        generation, script = self._generation, self._script
        generation.reasoning_tokens = len(script.thoughts)
        generation.completion_tokens = len(script.thoughts) + len(script.words)
        await self._connection.send(_PADDING)
        await self._wait(self._pause * generation.completion_tokens)
        if self._plan.ending is Ending.STALL:
            await anyio.sleep_forever()
        if self._plan.ending is Ending.CUT:
            await self._connection.send(to_bytes(self._completion(None))[:100])
            raise ConnectionCutError
        self._settle(None if self._plan.ending is Ending.ERROR else script.finish_reason)
        await self._connection.send(to_bytes(self._completion(generation.finish_reason)))
        await self._connection.finish()

    async def _wait(self, seconds: float) -> None:
        """Wait, and send padding every second as a sign of life."""
        while seconds > 0:
            await anyio.sleep(min(seconds, 1.0))
            await self._connection.send(_PADDING)
            seconds -= 1.0

    def _settle(self, finish_reason: str | None) -> None:
        """Put the answer on the bill before its end is sent, so that whoever has read the end can ask for its cost."""
        self._generation.finish_reason = finish_reason
        self._generation.cancelled = False
        self._bill.add(self._generation)

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": self._generation.id,
            "object": kind,
            "created": int(self._generation.created.timestamp()),
            "model": self._model.billed_as,
            "provider": self._model.provider,
        }

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None, **extra: Any) -> dict[str, Any]:
        choice = {
            "index": 0,
            "delta": {"role": "assistant", "content": "", **delta},
            "finish_reason": finish_reason,
            "native_finish_reason": finish_reason,
        }
        return {**self._head("chat.completion.chunk"), "choices": [choice], **extra}

    async def _send_event(self, chunk: dict[str, Any]) -> None:
        await self._connection.send(b"data: " + to_bytes(chunk) + b"\n\n")

    def _completion(self, finish_reason: str | None) -> dict[str, Any]:
        thoughts = None if self._request.hide_reasoning else "".join(self._script.thoughts) or None
        message: dict[str, Any] = {
            "role": "assistant",
            "content": "".join(self._script.words),
            "refusal": None,
            "reasoning": thoughts,
        }
        if thoughts:
            message["reasoning_details"] = [_detail(thoughts)]
        choice = {"index": 0, "message": message, "finish_reason": finish_reason, "native_finish_reason": finish_reason}
        if self._plan.ending is Ending.ERROR:
            choice.update(finish_reason="error", error=_ERROR)
        return {**self._head("chat.completion"), "choices": [choice], **self._usage()}

    def _usage(self) -> dict[str, Any]:
        return {"usage": self._generation.usage_object()} if self._plan.tells_usage else {}


def _detail(text: str) -> dict[str, Any]:
    return {"type": "reasoning.text", "text": text, "format": "unknown", "index": 0}
