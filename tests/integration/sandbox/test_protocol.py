"""HTTP as clients really speak it, and as they should not."""

import json
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuralterm.sandbox import running_sandbox
from neuralterm.sandbox.server import SandboxServer

from .conftest import content, events

ECHO = json.dumps(
    {"model": "sandbox/echo", "stream": True, "messages": [{"role": "user", "content": "héllo wörld"}]}
).encode()


@pytest.fixture(scope="module")
def address():
    """A sandbox that takes at most 100,000 bytes."""
    with running_sandbox(SandboxServer(delay=0, body_limit=100_000)) as url:
        yield ("127.0.0.1", int(url.split(":")[2].split("/")[0]))


def head(length, *extra):
    lines = [
        b"POST /api/v1/chat/completions HTTP/1.1",
        b"Host: localhost",
        b"Authorization: Bearer x",
        b"Content-Length: %d" % length,
        *extra,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def read_all(connection, size=65536):
    pieces = []
    while piece := connection.recv(size):
        pieces.append(piece)
    return b"".join(pieces)


def exchange(address, data):
    """Send bytes, say that there are no more, and return everything that comes back."""
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return read_all(connection)


def unchunk(raw):
    """The body of a chunked reply."""
    body, rest = b"", raw.split(b"\r\n\r\n", 1)[1]
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return body.decode()


def test_request_and_reply_split_into_single_bytes(address):
    with socket.create_connection(address, timeout=20) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in head(len(ECHO), b"Connection: close") + ECHO:
            connection.send(bytes([byte]))
        raw = read_all(connection, size=1)
    assert raw.startswith(b"HTTP/1.1 200 OK\r\n")
    assert content(events(unchunk(raw))) == "héllo wörld"


def test_chunked_request_body(address):
    request = (
        b"POST /api/v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\nConnection: close\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n" % len(ECHO) + ECHO + b"\r\n0\r\n\r\n"
    )
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(request)
        raw = read_all(connection)
    assert content(events(unchunk(raw))) == "héllo wörld"


def test_expect_continue_is_answered_before_the_body(address):
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(head(len(ECHO), b"Expect: 100-continue", b"Connection: close"))
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 Continue\r\n")
        connection.sendall(ECHO)
        assert read_all(connection).startswith(b"HTTP/1.1 200 OK\r\n")


def test_connection_serves_one_request_after_another(address):
    get = b"GET /api/v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(get)
        first = connection.recv(65536)
        connection.sendall(get.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        both = first + read_all(connection)
    assert first.startswith(b"HTTP/1.1 404 ")
    assert both.count(b"HTTP/1.1 404 ") == 2


def test_next_request_may_come_while_a_stream_is_running(address):
    get = b"GET /api/v1/nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(head(len(ECHO)) + ECHO + get)
        raw = read_all(connection)
    assert raw.startswith(b"HTTP/1.1 200 ")
    assert raw.index(b"data: [DONE]") < raw.index(b"HTTP/1.1 404 ")


def test_announced_body_that_is_too_large_is_413(address):
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(head(100_001) + b"x" * 100_001)
        connection.shutdown(socket.SHUT_WR)
        raw = read_all(connection)
    assert raw.startswith(b"HTTP/1.1 413 ")
    assert json.loads(raw.split(b"\r\n\r\n", 1)[1])["error"]["code"] == 413


def test_unannounced_body_that_is_too_large_is_413(address):
    chunk = b"%x\r\n" % 60_000 + b"x" * 60_000 + b"\r\n"
    start = b"POST /api/v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert exchange(address, start + chunk * 3).startswith(b"HTTP/1.1 413 ")


def test_body_at_the_limit_is_read(address):
    body = ECHO[:-1] + b" " * (100_000 - len(ECHO)) + b"}"
    assert b"[DONE]" in exchange_until_closed(address, head(len(body), b"Connection: close") + body)


def exchange_until_closed(address, data):
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(data)
        return read_all(connection)


@pytest.mark.parametrize(
    "request_line",
    [b"NONSENSE", b"GET", b"GET  / HTTP/1.1", b"GET http://[ HTTP/1.1\r\nHost: x", b"\x00\x01\x02"],
)
def test_what_is_not_http_is_400(address, request_line):
    raw = exchange(address, request_line + b"\r\n\r\n")
    assert raw.startswith(b"HTTP/1.1 400 ")
    assert json.loads(raw.split(b"\r\n\r\n", 1)[1])["error"]["message"]


def test_head_without_end_is_refused(address):
    assert exchange(address, b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000).startswith(b"HTTP/1.1 431 ")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_never_end_the_server(address, data):
    raw = exchange(address, data)
    assert raw == b"" or raw.startswith(b"HTTP/1.1 4"), raw
    assert b" 500 " not in raw


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 10**30) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MESSAGES = st.lists(st.fixed_dictionaries({"role": st.just("user"), "content": st.text(max_size=40)}), min_size=1)
SCHEMA_WORDS = [
    "type",
    "properties",
    "required",
    "items",
    "enum",
    "const",
    "anyOf",
    "allOf",
    "$ref",
    "minimum",
    "maximum",
    "multipleOf",
    "minItems",
    "maxLength",
    "format",
]
SCHEMAS = st.dictionaries(
    st.sampled_from(SCHEMA_WORDS), JSON | st.sampled_from(["object", "array", "string", "integer", "#", "#/x"])
)
BODIES = st.fixed_dictionaries(
    {"messages": MESSAGES | JSON, "stream": st.booleans()},
    optional={
        "model": st.sampled_from(["sandbox/echo", "openai/gpt-5"]) | JSON,
        "models": JSON,
        "max_tokens": st.integers(1, 20) | JSON,
        "provider": JSON | st.fixed_dictionaries({"max_price": JSON}),
        "reasoning": JSON | st.fixed_dictionaries({"effort": JSON}),
        "response_format": JSON
        | st.fixed_dictionaries(
            {"type": st.just("json_schema"), "json_schema": st.fixed_dictionaries({"schema": SCHEMAS})}
        ),
    },
)


@settings(max_examples=100, deadline=None)
@given(BODIES)
def test_any_json_is_answered_or_refused(address, body):
    data = json.dumps(body).encode()
    raw = exchange_until_closed(address, head(len(data), b"Connection: close") + data)
    assert raw.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 400 ", b"HTTP/1.1 404 ")), raw
    assert raw.endswith((b"\r\n0\r\n\r\n", b"}")), raw
