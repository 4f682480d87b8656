"""The listener for a browser that comes back, over real sockets."""

import socket
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from neuralterm.domain.exceptions import ConfigurationError
from neuralterm.infrastructure.callback_listener import LoopbackListener

pytestmark = pytest.mark.anyio


@pytest.fixture
def listener():
    with closing(LoopbackListener(None, "/secret")) as listener:
        yield listener


def port_of(listener):
    return int(listener.url.split(":")[2].split("/")[0])


def fetch(listener, path, method="GET"):
    """Return status, headers and body, as a browser gets them."""
    request = urllib.request.Request(f"http://127.0.0.1:{port_of(listener)}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return reply.status, reply.headers, reply.read()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.headers, refusal.read()


async def test_the_answer_is_taken_and_a_small_page_says_so(listener):
    with ThreadPoolExecutor(1) as others:
        page = others.submit(fetch, listener, "/secret?code=a%2Bb&x=1")
        assert await listener.answer(10) == {"code": "a+b", "x": "1"}
        status, headers, body = page.result()
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert (headers["Referrer-Policy"], headers["Cache-Control"]) == ("no-referrer", "no-store")
    assert b"go back to the terminal" in body
    assert b"a+b" not in body
    assert listener.url == f"http://localhost:{port_of(listener)}/secret"


async def test_whatever_else_comes_gets_nothing_and_changes_nothing(listener):
    def others_first():
        with socket.create_connection(("127.0.0.1", port_of(listener))):
            pass  # gone at once
        with socket.create_connection(("127.0.0.1", port_of(listener))) as strange:
            strange.sendall(b"\xff\xfe\r\n\r\n")
            strange.recv(1000)
        silent = socket.create_connection(("127.0.0.1", port_of(listener)))
        wrong = [
            fetch(listener, "/favicon.ico"), fetch(listener, "/?code=stolen"), fetch(listener, "/secret/?code=stolen"),
            fetch(listener, "/secret?code=posted", method="POST"),
        ]  # fmt: skip
        silent.close()
        return wrong, fetch(listener, "/secret?code=mine")

    with ThreadPoolExecutor(1) as others:
        fetched = others.submit(others_first)
        assert await listener.answer(20) == {"code": "mine"}
        wrong, right = fetched.result()
    assert [(status, body) for status, _, body in wrong] == [(404, b"")] * 4
    assert right[0] == 200


async def test_it_does_not_wait_for_ever(listener):
    with pytest.raises(TimeoutError):
        await listener.answer(0.05)


async def test_a_port_that_was_named_is_not_exchanged_for_another(listener):
    with pytest.raises(ConfigurationError, match=rf"port {port_of(listener)} can't be listened on: [\w ]+$"):
        LoopbackListener(port_of(listener), "/x")


async def test_where_the_usual_port_is_taken_any_other_is_used(listener):
    # Whether it was free for the first or not, it is taken for the second.
    with closing(LoopbackListener(None, "/x")) as second:
        assert port_of(second) not in (3000, port_of(listener))
