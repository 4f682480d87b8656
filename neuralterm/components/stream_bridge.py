"""Async streams for synchronous callers: scripts, notebooks, Streamlit, code that already has a running loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, suppress
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

Metadata = Mapping[str, Any]
Item = tuple[str, Metadata | None]
Cleanup = Callable[[], Awaitable[object]]

# How many items the stream may be ahead of its consumer.
READ_AHEAD = 16


class StreamBridge:
    """Iterates over an async stream of `(delta, None)` and a last `("", metadata)`, as `send_message` returns it.

        bridge = StreamBridge()
        for delta in bridge.stream(orchestrator.send_message(conversation.id, "Hello"), client.close):
            print(delta, end="", flush=True)
        bridge.content, bridge.metadata

    A bridge takes one stream at a time, any number of them one after the other; its properties may be read from any
    thread. Each stream runs from its first step to its cleanup in one worker thread with an event loop of its own, which
    ends with it: connections that a stream opened must be closed at its end.
    """

    def __init__(self) -> None:
        self._busy = Lock()
        self._parts: list[str] = []
        self._metadata: Metadata | None = None

    @property
    def content(self) -> str:
        """The text of the current or last stream as far as it came."""
        return "".join(self._parts)

    @property
    def metadata(self) -> Metadata | None:
        """What the stream said at its end; None before that, and when it never got there."""
        return self._metadata

    def stream(self, items: AsyncIterator[Item], cleanup: Cleanup | None = None) -> Iterator[str]:
        """Yield the deltas as they arrive; `items` is started on the first step and must not have been started before.

        `cleanup` is awaited at the end of the stream, however it ends, in the stream's own event loop.

        A consumer that falls behind holds the stream back. Errors of the stream are raised as they are. Leaving the loop
        early (or closing this generator) cancels the stream, and returns when its cleanup is done.

        Raises:
            RuntimeError: this bridge is still busy with another stream.
        """
        if not self._busy.acquire(blocking=False):
            raise RuntimeError("the bridge is busy with another stream")
        try:
            self._parts, self._metadata = [], None
            worker = _Worker(items, cleanup)
            try:
                yield from self._deltas(worker)
            finally:
                worker.stop()
        finally:
            self._busy.release()

    def _deltas(self, worker: _Worker) -> Iterator[str]:
        while (item := worker.next_item()) is not None:
            delta, metadata = item
            if metadata is not None:
                self._metadata = metadata
            if delta:
                self._parts.append(delta)
                yield delta


class _Worker:
    """A thread that runs one async stream in a loop of its own and hands its items over."""

    def __init__(self, items: AsyncIterator[Item], cleanup: Cleanup | None) -> None:
        self._items = items
        self._cleanup = cleanup
        self._handed_over: SimpleQueue[Item | None] = SimpleQueue()
        self._error: BaseException | None = None
        self._stopping = False
        self._ending = False
        self._loop: asyncio.AbstractEventLoop | None = None
        # A daemon: a second Ctrl-C must be able to end the process although the cleanup after the first one hangs.
        self._thread = Thread(target=self._run, name="stream-bridge", daemon=True)
        self._thread.start()

    def next_item(self) -> Item | None:
        """Wait for the next item; None at the end of the stream."""
        item = self._handed_over.get()
        if item is not None:
            self._in_loop(self._room.release)
        return item

    def stop(self) -> None:
        """Cancel what still runs, wait until the thread has ended, and raise the error of the stream if there was one."""
        self._stopping = True
        self._in_loop(self._cancel)
        self._thread.join()
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # its traceback refers back to this object

    def _cancel(self) -> None:
        # Cleanup that has begun already, and what follows the last item, must not be cancelled in its turn.
        if not self._ending:
            self._task.cancel()

    def _in_loop(self, callback: Callable[[], object]) -> None:
        # A loop that is closed already (RuntimeError) has nothing left to be told.
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(callback)

    def _run(self) -> None:
        import asyncio

        try:
            asyncio.run(self._pump())
        except asyncio.CancelledError as error:
            if not self._stopping:
                self._error = error
        except BaseException as error:
            self._error = error
        finally:
            self._handed_over.put(None)

    async def _pump(self) -> None:
        import asyncio

        task = asyncio.current_task()
        assert task is not None
        self._task, self._room = task, asyncio.Semaphore(READ_AHEAD)
        self._loop = task.get_loop()
        async with AsyncExitStack() as at_end:
            if self._cleanup is not None:
                at_end.push_async_callback(self._cleanup)
            at_end.push_async_callback(self._close_items)
            while not self._stopping:
                await self._room.acquire()
                item = await anext(self._items, None)
                if item is None:
                    return
                self._ending = item[1] is not None
                self._handed_over.put(item)

    async def _close_items(self) -> None:
        self._ending = True
        close = getattr(self._items, "aclose", None)
        if close is not None:
            await close()
