"""One answer on its way."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from neuralterm.application.deltas import Deltas
from neuralterm.domain.exceptions import NeuralTermError, OpenRouterAPIError, StreamInterruptedError
from neuralterm.infrastructure.openrouter.completion import Completion
from neuralterm.infrastructure.openrouter.decoding import with_every_text
from neuralterm.infrastructure.openrouter.errors import error_from_object
from neuralterm.infrastructure.openrouter.patience import Patience
from neuralterm.infrastructure.openrouter.readers import (
    AnyBodyReader,
    BodyReader,
    EventStreamReader,
    JsonBodyReader,
    web_page,
)

if TYPE_CHECKING:
    from neuralterm.infrastructure.openrouter.exchange import Reply

# Sends the request, telling when it begins to, and returns the reply to a 200; leaving the context closes it. Any other
# status raises.
Ask = Callable[[Callable[[], None]], AbstractAsyncContextManager["Reply"]]


class CompletionStream:
    """Asks when the first item is asked for; yields deltas and last the final dictionary.

    `batches` is the other way to read it: the deltas of each read of the network together, and nothing at the end.
    `snapshot` may be called at any time, also after an error or `aclose`. An answer that did not come to its end raises
    StreamInterruptedError; an answer that did not begin raises OpenRouterAPIError or one of its subclasses.

    `on_generation` and `on_wait` may be set before the first item is asked for. The first is called once with the
    service's id of the generation, before any delta: when the head of the reply has it, else at the first chunk that does.
    The second is called before every wait for the service once the reply has begun.
    `clean` takes the key out of what the service says beside the answer.
    """

    def __init__(
        self,
        ask: Ask,
        model: str,
        *,
        streamed: bool,
        clock: Callable[[], float],
        patience: Patience,
        clean: Callable[[str], str] = str,
    ) -> None:
        self._ask = ask
        self._clean = clean
        self._model = model
        self._streamed = streamed
        self._patience = patience
        self.on_wait: Callable[[], None] | None = None
        self._completion = Completion(model, clock, clean=clean)
        self._is_sent = False
        self._batches = self._run()
        self._items = self._each()

    @property
    def on_generation(self) -> Callable[[str], None] | None:
        """What is called with the service's id of the generation."""
        # Not kept here and called from there: two that know each other stay in memory together, with the text.
        return self._completion.on_generation

    @on_generation.setter
    def on_generation(self, listener: Callable[[str], None] | None) -> None:
        self._completion.on_generation = listener

    def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        return self

    def __anext__(self) -> Awaitable[dict[str, Any]]:
        return self._items.__anext__()

    async def aclose(self) -> None:
        """Stop reading and let go of the connection."""
        await self._items.aclose()
        await self._batches.aclose()

    def batches(self) -> AsyncIterator[Deltas]:
        """Return the deltas as they come, those of one read of the network together, in the place of single items.

        Their text is not kept here: `snapshot` leaves `content` empty and `reasoning` None.
        """
        self._completion.leave_text()
        return self._batches

    def snapshot(self) -> dict[str, Any]:
        """Return what is known so far, under the keys of the final dictionary, and `request_sent`."""
        return {**self._completion.as_dict(), "request_sent": self._is_sent}

    async def _each(self) -> AsyncGenerator[dict[str, Any], None]:
        async for deltas in self._batches:
            for content, reasoning in deltas:
                yield {"type": "delta", "content": content, "reasoning": reasoning}
        yield self._completion.as_dict()

    async def _run(self) -> AsyncGenerator[Deltas, None]:
        completion = self._completion
        completion.start()
        try:
            async with self._ask(self._note_sending) as reply:
                completion.note_generation(reply.headers.get("x-generation-id"))
                reader = self._reader(reply)
                while not reader.finished:
                    if self.on_wait is not None:
                        self.on_wait()
                    block, failure = await self._read(reply)
                    deltas, error = self._deltas(reader, block, failure)
                    if deltas:
                        yield deltas
                    if error is not None:
                        raise error
        finally:
            completion.end()

    def _deltas(
        self, reader: BodyReader, block: bytes, failure: StreamInterruptedError | None
    ) -> tuple[Deltas, NeuralTermError | None]:
        """Return what a block brings, and the error that comes after it."""
        deltas, pieces = Deltas(), self._completion.pieces
        try:
            if block:
                reader.feed(block, deltas)
            else:
                reader.close(deltas, failure)
        except NeuralTermError as exc:
            return deltas, exc
        if self._completion.pieces > pieces:
            self._patience.renew()
        return deltas, None

    def _note_sending(self) -> None:
        self._is_sent = True

    def _reader(self, reply: Reply) -> BodyReader:
        def error_of(error: object) -> OpenRouterAPIError:
            told = with_every_text(error, self._clean)
            return error_from_object(told, reply.headers, self._model, now=time.time())

        kind = reply.media_type
        if kind == "text/html":
            raise web_page()
        is_json = kind.endswith("json") or not (self._streamed or kind == "text/event-stream")
        usual = JsonBodyReader if is_json else EventStreamReader
        return AnyBodyReader(self._completion, error_of, usual)

    async def _read(self, reply: Reply) -> tuple[bytes, StreamInterruptedError | None]:
        """Return the next block, or why there is none: what came before the failure is still to be read out."""
        try:
            self._patience.check()
            return await self._patience.wait_for(reply.read_block()), None
        except StreamInterruptedError as exc:
            return b"", exc
