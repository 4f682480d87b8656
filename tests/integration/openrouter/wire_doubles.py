"""What these tests have in common: replies on the wire, and a server that writes raw bytes."""

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx

from neuralterm.infrastructure.openrouter import OpenRouterClient

FIXTURES = Path(__file__).parents[2] / "fixtures" / "openrouter"
BASE_URL = "https://openrouter.ai/api/v1"
CHAT_URL = f"{BASE_URL}/chat/completions"
HELLO = [{"role": "user", "content": "Hello"}]


def chunk(content=None, *, finish=None, native=None, **fields):
    """A stream chunk; `fields` are further top-level keys, `delta` replaces the whole delta."""
    delta = fields.pop("delta", {"content": content})
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "native_finish_reason": native}
    return {"id": "gen-7", "model": "acme/large", "choices": [choice], **fields}


def sse(*events):
    """The bytes of a stream: objects are written as JSON, strings as they are."""
    texts = [event if isinstance(event, str) else json.dumps(event) for event in events]
    return "".join(f"data: {text}\n\n" for text in texts).encode()


def event_stream(*events, headers=None):
    return httpx.Response(200, content=sse(*events), headers={"content-type": "text/event-stream", **(headers or {})})


async def collect(stream):
    return [item async for item in stream]


async def failure_of(stream, kind=Exception):
    """Run a stream that fails; return what it yielded before, and the exception."""
    items = []
    try:
        async for item in stream:
            items.append(item)  # noqa: PERF401  # a comprehension would lose what came before the failure
    except kind as exc:
        return items, exc
    raise AssertionError(f"did not fail, but yielded {items}")


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Generation-Id: gen-head\r\n"


class _Way:
    """By which way `a_client` goes: None leaves it to the client."""

    direct = None


way = _Way()


def a_client(*args, **options):
    """Return a client that goes the way of the running test; see the fixture `every_way`."""
    return OpenRouterClient(*args, direct=way.direct, **options)


class RawServer:
    """A connection's other side. `requests` are what was received; `gone` is set when the client hung up."""

    def __init__(self):
        self.requests = []
        self.gone = asyncio.Event()
        self.url = ""


@asynccontextmanager
async def raw_server(*writes, then="close", pause=0):
    """Serve every request on loopback with these bytes, one network write each.

    Afterwards `close` ends the connection, `reset` breaks it, `hold` keeps it open until the client leaves, and bytes are
    written again and again until then, with a pause in seconds after each.
    """
    server, handlers = RawServer(), []

    async def serve(reader, writer):
        handlers.append(asyncio.current_task())
        try:
            await exchange(reader, writer)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    async def exchange(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = [
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
        ]
        server.requests.append(head + await reader.readexactly(length[0] if length else 0))
        with suppress(ConnectionError):
            for data in writes:
                writer.write(data)
                await writer.drain()
                await asyncio.sleep(0)
            while isinstance(then, bytes):
                writer.write(then)
                await writer.drain()
                await asyncio.sleep(pause)
        if then == "reset":
            writer.transport.abort()
        elif then == "hold":
            with suppress(ConnectionError):
                await reader.read()
        if then not in ("close", "reset"):
            server.gone.set()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    server.url = f"http://127.0.0.1:{port}/api/v1"
    try:
        yield server
    finally:
        listener.close()
        for handler in handlers:
            handler.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)
        await listener.wait_closed()
