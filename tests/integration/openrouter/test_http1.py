"""The frames of HTTP/1.1, against h11, which is made for nothing else."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.infrastructure.openrouter.http1 import ProtocolError, ReplyHead, request_bytes

blocks = st.lists(st.binary(min_size=1, max_size=40), max_size=8)
cuts = st.lists(st.integers(1, 30), min_size=1, max_size=20)


def cut(data, sizes):
    """Split bytes anywhere, over and over by the given sizes."""
    parts, turn = [], 0
    while data:
        size = sizes[turn % len(sizes)]
        parts, data, turn = [*parts, data[:size]], data[size:], turn + 1
    return parts


def read(parts):
    """Return status, headers, body of a reply that comes in these parts, and whether it is whole."""
    head, body, content = ReplyHead(), None, b""
    for part in parts:
        if body is None:
            part = head.feed(part)
            if part is None:
                continue
            body = head.body()
        content += body.feed(part)
        if body.failure is not None:
            raise body.failure
    if body is None:
        head.feed(b"")
    if not body.finished:
        body.close()
    return head.status, head.headers, content


def read_by_h11(data):
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    connection.receive_data(b"")
    status, headers, content = 0, {}, b""
    while not isinstance(event := connection.next_event(), h11.EndOfMessage | h11.ConnectionClosed):
        if isinstance(event, h11.Response):
            status = event.status_code
            for name, value in event.headers:
                key, text = name.decode(), value.decode("latin-1")
                headers[key] = f"{headers[key]}, {text}" if key in headers else text
        elif isinstance(event, h11.Data):
            content += bytes(event.data)
    return status, headers, content


def chunked(content, extension=b"", trailer=b""):
    framed = b"".join(b"%X%s\r\n%s\r\n" % (len(block), extension, block) for block in content)
    return b"Transfer-Encoding: chunked\r\n\r\n" + framed + b"0\r\n" + trailer + b"\r\n"


def sized(content):
    content = b"".join(content)
    return b"Content-Length: %d\r\n\r\n%s" % (len(content), content)


def until_close(content):
    return b"Connection: close\r\n\r\n" + b"".join(content)


def decorated(content):
    return chunked(content, b";a=b ", b"X-Trailer: 1\r\n")


@given(
    blocks,
    cuts,
    st.sampled_from([chunked, sized, until_close, decorated]),
    st.sampled_from([b"", b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n"]),
)
def test_any_reply_split_anywhere_is_read_as_h11_does(content, sizes, framing, before):
    data = before + b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a:\t2 \r\n" + framing(content)
    assert read(cut(data, sizes)) == read_by_h11(data)


@given(st.binary(max_size=60), st.integers(0, 200), blocks, cuts)
def test_damage_is_a_protocol_error_or_what_h11_makes_of_it(damage, position, content, sizes):
    data = b"HTTP/1.1 200 OK\r\n" + chunked(content)
    data = data[:position] + damage + data[position + len(damage) :]
    try:
        expected = read_by_h11(data)
    except h11.RemoteProtocolError:
        expected = None
    try:
        found = read(cut(data, sizes))
    except ProtocolError:
        return
    # Whoever is more patient with what stands around the body reads the same of it.
    assert expected is None or found[2] == expected[2]


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX: 1\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 20x OK\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 17 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 20_000,
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1" + b" " * 5000,
    ],
)
def test_what_is_no_reply(reply):
    with pytest.raises(ProtocolError):
        read(cut(reply, [4096]))


def test_a_request():
    headers = {"Host": "example.org", "X": "ü"}
    assert request_bytes("POST", "/v1/x", headers, b"{}") == (
        b"POST /v1/x HTTP/1.1\r\nHost: example.org\r\nX: \xfc\r\nContent-Length: 2\r\n\r\n{}"
    )
    assert request_bytes("GET", "/", {}, None) == b"GET / HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "a\0b"])
def test_a_header_stays_one(value):
    with pytest.raises(ValueError, match="line break"):
        request_bytes("GET", "/", {"X": value}, None)
