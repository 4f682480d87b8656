"""A loopback server that speaks the sandbox's protocol from bytes that are made beforehand, so that it is never the slow one.

`python server.py MODELS.json ARRIVALS` prints its port and serves until it is stopped. It answers `GET /models` with that
file, and `POST /chat/completions` by the words of the last message:

    one                  one delta
    burst N BYTES        N deltas as fast as they can be sent, in HTTP chunks of about so many bytes; 0: one chunk each
    paced N MICROSECONDS N deltas, so long apart; each says when it was sent, as "@" + nanoseconds of CLOCK_MONOTONIC + ";"

The nanosecond at which the first bytes of the last POST came is written to the file ARRIVALS. All answers have
one generation id.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

GENERATION = "gen-1764000000-abcdefghijklmnopqrst"
MODEL = "openai/gpt-4o-mini"
ARRIVAL_DIGITS = 20

_PROMPT_TOKENS = 10
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    b"X-Generation-Id: " + GENERATION.encode() + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
)
_LAST_CHUNK = b"0\r\n\r\n"
_COMMENT = b": OPENROUTER PROCESSING\n\n"
_DONE = b"data: [DONE]\n\n"

Send = Callable[[bytes], None]


def main() -> None:
    """Serve each connection in a thread of its own."""
    models_file, arrivals_file = sys.argv[1:]
    with open(models_file, "rb") as file:
        models = file.read()
    arrivals = os.open(arrivals_file, os.O_RDWR | os.O_CREAT, 0o600)
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_serve, args=(connection, models, arrivals), daemon=True).start()


def _serve(connection: socket.socket, models: bytes, arrivals: int) -> None:
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while request := _read_request(connection):
                head, body, arrived = request
                if head.startswith(b"POST"):
                    os.pwrite(arrivals, b"%0*d" % (ARRIVAL_DIGITS, arrived), 0)
                    _answer(connection.sendall, body)
                else:
                    kind = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                    connection.sendall(kind % len(models) + models)
        except OSError:
            return  # the client is gone


def _read_request(connection: socket.socket) -> tuple[bytes, bytes, int] | None:
    """Return head and body of the next request, and the nanosecond when its first bytes were there; None when none comes."""
    data = connection.recv(65536)
    arrived = time.monotonic_ns()
    while data and b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None
        data += more
    if not data:
        return None
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    size = int(lengths[0].partition(b":")[2]) if lengths else 0
    while len(body) < size:
        body += connection.recv(65536)
    return head, body, arrived


def _answer(send: Send, body: bytes) -> None:
    request = json.loads(body)
    way, *numbers = _prompt(request).split()
    if not request.get("stream"):
        _send_whole(send)
    elif way == "burst":
        send(_burst(*map(int, numbers)))
    elif way == "paced":
        _send_paced(send, *map(int, numbers))
    else:
        send(_burst(1, 0))


def _prompt(request: dict[str, Any]) -> str:
    content = request["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


@cache
def _burst(count: int, chunk_bytes: int) -> bytes:
    """Return a whole reply."""
    body = b"".join(map(_chunk, _gathered(stream_events(count), chunk_bytes)))
    return _HEAD + body + _LAST_CHUNK


def _send_paced(send: Send, count: int, microseconds: int) -> None:
    send(_HEAD + _chunk(_COMMENT))
    due = time.monotonic()
    for _ in range(count):
        due += microseconds / 1e6
        time.sleep(max(0.0, due - time.monotonic()))
        send(_chunk(_delta(f"@{time.monotonic_ns()};")))
    send(_chunk(b"".join(_ending(count))) + _LAST_CHUNK)


def _send_whole(send: Send) -> None:
    message = {"role": "assistant", "content": " word0", "refusal": None, "reasoning": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "native_finish_reason": "stop"}
    body = json.dumps({**_object("chat.completion"), "choices": [choice], "usage": _usage(1)}).encode()
    send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def stream_events(count: int) -> Iterator[bytes]:
    """Yield the events of an answer of so many deltas."""
    yield _COMMENT
    words = [_delta(f" word{number}") for number in range(min(count, 1000))]
    for number in range(count):
        yield words[number % 1000]
    yield from _ending(count)


def _ending(count: int) -> Iterator[bytes]:
    yield _event(_completion_chunk("", "stop"))
    yield _event({**_completion_chunk("", "stop"), "usage": _usage(count)})
    yield _DONE


def _delta(text: str) -> bytes:
    return _event(_completion_chunk(text, None))


def _completion_chunk(text: str, finish_reason: str | None) -> dict[str, Any]:
    choice = {
        "index": 0,
        "delta": {"role": "assistant", "content": text},
        "finish_reason": finish_reason,
        "native_finish_reason": finish_reason,
    }
    return {**_object("chat.completion.chunk"), "choices": [choice]}


def _object(kind: str) -> dict[str, Any]:
    return {"id": GENERATION, "object": kind, "created": 1764000000, "model": MODEL, "provider": "OpenAI"}


def _usage(completion_tokens: int) -> dict[str, Any]:
    prompt_usd, completion_usd = _PROMPT_TOKENS * 15e-8, completion_tokens * 6e-7
    cost = round(prompt_usd + completion_usd, 10)
    return {
        "prompt_tokens": _PROMPT_TOKENS,
        "completion_tokens": completion_tokens,
        "total_tokens": _PROMPT_TOKENS + completion_tokens,
        "cost": cost,
        "is_byok": False,
        "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0, "audio_tokens": 0, "video_tokens": 0},
        "cost_details": {
            "upstream_inference_cost": cost,
            "upstream_inference_prompt_cost": round(prompt_usd, 10),
            "upstream_inference_completions_cost": round(completion_usd, 10),
        },
        "completion_tokens_details": {"reasoning_tokens": 0, "image_tokens": 0, "audio_tokens": 0},
    }


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


def _gathered(events: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Join events until they have so many bytes."""
    waiting = bytearray()
    for event in events:
        waiting += event
        if len(waiting) >= size:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


if __name__ == "__main__":
    main()
