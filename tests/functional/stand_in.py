"""A stand-in for OpenRouter over raw sockets: says what a test scripts, writes down what it was sent, keeps its own bill.

Standard library only, so that it shares no code, and no mistake, with the package or its sandbox.
"""

import json
import socket
import threading
from contextlib import suppress
from decimal import Decimal

PATIENCE_S = 20
MODEL = "openai/gpt-4o-mini"
# USD per token.
PROMPT_PRICE, COMPLETION_PRICE = "0.00000015", "0.0000006"
MODELS = [
    {
        "id": MODEL,
        "canonical_slug": MODEL,
        "name": "GPT-4o mini",
        "created": 1721260800,
        "context_length": 128000,
        "architecture": {"input_modalities": ["text"], "output_modalities": ["text"], "tokenizer": "GPT"},
        "pricing": {"prompt": PROMPT_PRICE, "completion": COMPLETION_PRICE},
        "top_provider": {"context_length": 128000, "max_completion_tokens": 16384, "is_moderated": True},
        "supported_parameters": ["max_tokens", "temperature", "response_format", "structured_outputs"],
    },
    {
        "id": "small/window",
        "canonical_slug": "small/window",
        "name": "Small window",
        "created": 1721260801,
        "context_length": 4096,
        "architecture": {"input_modalities": ["text"], "output_modalities": ["text"], "tokenizer": "Other"},
        "pricing": {"prompt": "0.000001", "completion": "0.000002"},
        "top_provider": {"context_length": 4096, "max_completion_tokens": None, "is_moderated": False},
        "supported_parameters": ["max_tokens"],
    },
    {
        "id": "router/auto",
        "canonical_slug": "router/auto",
        "name": "A router",
        "created": 1721260802,
        "context_length": 2000000,
        "architecture": {"input_modalities": ["text"], "output_modalities": ["text"], "tokenizer": "Router"},
        "pricing": {"prompt": "-1", "completion": "-1"},
        "top_provider": {"context_length": None, "max_completion_tokens": None, "is_moderated": False},
        "supported_parameters": [],
    },
]


class Request:
    """One request as it came over the wire."""

    def __init__(self, method, path, headers, content):
        self.method, self.path, self.headers, self.content = method, path, headers, content

    @property
    def body(self):
        return json.loads(self.content, parse_float=Decimal)


class Exchange:
    """The server's end of one request. Streams are chunked, so that a cut one can be told from one that ended."""

    def __init__(self, stand_in, connection, request):
        self.stand_in, self.connection, self.request = stand_in, connection, request

    def send(self, data):
        self.connection.sendall(data)

    def reply(self, status, body, content_type="application/json", headers=()):
        if not isinstance(body, bytes):
            body = (body if isinstance(body, str) else json.dumps(body)).encode()
        lines = [f"HTTP/1.1 {status} Whatever", f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers]
        self.send("\r\n".join([*lines, "Connection: close", "", ""]).encode() + body)

    def begin_stream(self, headers=()):
        lines = ["HTTP/1.1 200 OK", "Content-Type: text/event-stream", "Transfer-Encoding: chunked"]
        lines += [f"{name}: {value}" for name, value in headers]
        self.send("\r\n".join([*lines, "Connection: close", "", ""]).encode())

    def block(self, data):
        self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def event(self, document, newline="\n"):
        text = document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)
        self.block(f"data: {text}{newline}{newline}".encode())

    def delta(self, text):
        self.event(chunk({"content": text}))

    def finish(self, reason="stop", usage="usual", newline="\n"):
        """End a stream as the service does: finish reason, usage chunk, [DONE]."""
        self.event(chunk({"content": ""}, finish_reason=reason), newline)
        self.event(chunk({"content": ""}, finish_reason=reason, usage=self.charge() if usage == "usual" else usage))
        self.event("[DONE]", newline)
        self.end()

    def end(self):
        self.send(b"0\r\n\r\n")

    def charge(self, prompt_tokens=10, completion_tokens=5):
        """Put the call on the bill and return its usage object."""
        cost = prompt_tokens * Decimal(PROMPT_PRICE) + completion_tokens * Decimal(COMPLETION_PRICE)
        self.stand_in.bill.append(cost)
        return {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
            "cost": float(cost),
            "is_byok": False,
            "prompt_tokens_details": {"cached_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 1},
        }

    def wait_for(self, event):
        assert event.wait(PATIENCE_S), "the test never let the stand-in go on"

    def wait_for_hang_up(self):
        """Wait until the client closes the connection."""
        self.connection.settimeout(PATIENCE_S)
        with suppress(ConnectionError):
            assert self.connection.recv(1) == b""


def chunk(delta=None, **fields):
    """Return one chunk of a stream; keywords go to the choice, `usage` and `error` to the chunk."""
    top = {name: fields.pop(name) for name in ("usage", "error") if name in fields}
    choice = {"index": 0, "delta": {"role": "assistant", **(delta or {})}, "finish_reason": None, **fields}
    return {
        "id": "gen-1",
        "provider": "Stand-in",
        "model": MODEL,
        "object": "chat.completion.chunk",
        "created": 1795392000,
        "choices": [choice],
        **top,
    }


def text(*deltas, reason="stop", usage="usual"):
    """Stream these deltas and end properly; a request without `stream` gets them in one piece."""

    def script(exchange):
        if not exchange.request.body.get("stream"):
            message = {"role": "assistant", "content": "".join(deltas)}
            choice = {"index": 0, "message": message, "finish_reason": reason}
            paid = exchange.charge() if usage == "usual" else usage
            whole = {"id": "gen-1", "provider": "Stand-in", "model": MODEL, "choices": [choice], "usage": paid}
            return exchange.reply(200, whole)
        exchange.begin_stream()
        for delta in deltas:
            exchange.delta(delta)
        return exchange.finish(reason, usage)

    return script


def events(*documents, newline="\n"):
    """Stream exactly these documents, and close the stream in an orderly way."""

    def script(exchange):
        exchange.begin_stream()
        for document in documents:
            exchange.event(document, newline)
        exchange.end()

    return script


def error(status, message, headers=(), **fields):
    """Refuse as the service does."""
    return lambda exchange: exchange.reply(
        status, {"error": {"code": status, "message": message, **fields}}, headers=headers
    )


def held(before, gate, after, seen=None):
    """Stream `before`, tell `seen`, wait for the gate, stream `after`, end properly."""

    def script(exchange):
        exchange.begin_stream()
        for delta in before:
            exchange.delta(delta)
        if seen is not None:
            seen.set()
        exchange.wait_for(gate)
        for delta in after:
            exchange.delta(delta)
        exchange.finish()

    return script


def endless(*deltas, hung_up):
    """Stream these deltas, then nothing until the client hangs up, which it may do earlier."""

    def script(exchange):
        with suppress(ConnectionError):
            exchange.begin_stream()
            for delta in deltas:
                exchange.delta(delta)
            exchange.wait_for_hang_up()
        hung_up.set()

    return script


class StandIn:
    """The server. Each chat request takes the next script of `scripts`; the last one answers all that follow.

    `generations` are the amounts (USD) that it tells afterwards, by generation id. `on_models` and `on_key` are scripts
    for the list of models and for the question about the key, None for the usual answer. `endpoints` are lists of who runs a
    model, by its id.
    """

    def __init__(self):
        self.requests, self.bill, self.failures = [], [], []
        self.scripts = [text("Hello", " there.")]
        self.models = {"data": MODELS}
        self.generations = {}
        self.on_models = self.on_key = None
        self.endpoints = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/api/v1"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def chats(self):
        return [request for request in self.requests if request.method == "POST"]

    def close(self):
        # Closing alone does not wake a thread that is in accept().
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            try:
                request = _read(connection)
                if request is not None:
                    self._answer(Exchange(self, connection, request))
            except ConnectionError:
                pass  # the client went away, as some tests want it to
            except Exception as exception:
                self.failures.append(exception)

    def _answer(self, exchange):
        self.requests.append(exchange.request)
        if exchange.request.method == "GET":
            self._tell(exchange)
            return
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        script(exchange)

    def _tell(self, exchange):
        path, _, query = exchange.request.path.partition("?id=")
        if path.endswith("/models") and self.on_models is not None:
            self.on_models(exchange)
        elif path.endswith("/endpoints"):
            model_id = path.partition("/models/")[2].removesuffix("/endpoints")
            if model_id in self.endpoints:
                exchange.reply(200, {"data": {"id": model_id, "endpoints": self.endpoints[model_id]}})
            else:
                exchange.reply(404, {"error": {"code": 404, "message": "Not Found"}})
        elif path.endswith("/key") and self.on_key is not None:
            self.on_key(exchange)
        elif not path.endswith("/generation"):
            exchange.reply(200, self.models)
        elif query in self.generations:
            exchange.reply(200, {"data": {"id": query, "total_cost": self.generations[query]}})
        else:
            exchange.reply(404, {"error": {"code": 404, "message": f"Generation {query} not found"}})


def _read(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        block = connection.recv(65536)
        if not block:
            return None
        data += block
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    blocks, size = [rest], len(rest)
    while size < int(headers.get("content-length", 0)):
        block = connection.recv(1 << 20)
        blocks.append(block)
        size += len(block)
    method, path, _ = first.split(" ")
    return Request(method, path, headers, b"".join(blocks))
