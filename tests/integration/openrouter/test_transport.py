import asyncio
import gc
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.domain.exceptions import (
    ConfigurationError,
    OpenRouterAPIError,
    ServiceUnreachableError,
    StreamInterruptedError,
    StreamStalledError,
)
from neuralterm.domain.loopback import is_loopback
from neuralterm.infrastructure.openrouter.exchange import Timeouts
from neuralterm.infrastructure.openrouter.httpx_transport import HttpxTransport
from neuralterm.infrastructure.openrouter.tls import tls_context
from neuralterm.setting_values import checked_base_url

from .wire_doubles import HEAD, HELLO, a_client, chunk, collect, failure_of, raw_server, sse

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("every_way")]

ANSWER = sse(chunk("Grüß"), chunk(" Gott 👋"), chunk(finish="stop"), "[DONE]")
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
UNTIL_CLOSE = HEAD + b"Connection: close\r\n\r\n"


def framed(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def ask(client, **options):
    return client.chat_completion_stream(HELLO, "acme/large", **options)


async def test_an_answer_in_one_write():
    async with (
        raw_server(CHUNKED + framed(ANSWER) + b"0\r\n\r\n") as server,
        a_client(None, server.url) as client,
    ):
        items = await collect(ask(client))
    assert [item["content"] for item in items] == ["Grüß", " Gott 👋", "Grüß Gott 👋"]
    assert items[-1]["generation_id"] == "gen-head"
    assert server.requests[0].startswith(b"POST /api/v1/chat/completions HTTP/1.1\r\n")
    assert b"ccept-encoding: identity" in server.requests[0].lower()


async def test_an_answer_byte_by_byte():
    writes = [UNTIL_CLOSE, *(bytes([byte]) for byte in ANSWER)]
    async with raw_server(*writes) as server, a_client(None, server.url) as client:
        items = await collect(ask(client))
    assert items[-1]["content"] == "Grüß Gott 👋"


async def test_after_the_end_nothing_more_is_waited_for():
    async with raw_server(UNTIL_CLOSE + ANSWER, then="hold") as server, a_client(None, server.url) as client:
        items = await collect(ask(client))
        with anyio.fail_after(5):
            await server.gone.wait()
    assert items[-1]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("head", "then"),
    [
        (UNTIL_CLOSE, "close"),
        (CHUNKED, "close"),
        (UNTIL_CLOSE, "reset"),
        (HEAD + b"Content-Length: 9999\r\n\r\n", "close"),
    ],
)
async def test_a_cut_connection_keeps_what_came(head, then):
    body = sse(chunk("Be"))
    body = framed(body) if head is CHUNKED else body
    async with raw_server(head, body, then=then) as server, a_client(None, server.url) as client:
        stream = ask(client)
        _, error = await failure_of(stream, StreamInterruptedError)
    assert type(error) is StreamInterruptedError
    snapshot = stream.snapshot()
    assert snapshot["generation_id"] == "gen-head"
    # A reset may overtake the text that was sent before it.
    assert snapshot["content"] == "Be" or then == "reset"


async def test_silence_is_a_stall():
    async with (
        raw_server(UNTIL_CLOSE + sse(chunk("Be")), then="hold") as server,
        a_client(None, server.url, idle_timeout=0.1) as client,
    ):
        stream = ask(client)
        items, error = await failure_of(stream, StreamStalledError)
    assert [item["content"] for item in items] == ["Be"]
    assert "nothing for 0.1 seconds" in error.message


async def test_silence_after_the_head_is_a_stall_too():
    async with (
        raw_server(UNTIL_CLOSE, then="hold") as server,
        a_client(None, server.url, idle_timeout=0.1) as client,
    ):
        stream = ask(client)
        await failure_of(stream, StreamStalledError)
    assert stream.snapshot()["generation_id"] == "gen-head"


async def test_the_time_for_the_whole_call_is_limited():
    async with (
        raw_server(UNTIL_CLOSE + sse(chunk("Be")), then="hold") as server,
        a_client(None, server.url, timeout=0.3) as client,
    ):
        items, error = await failure_of(ask(client), StreamStalledError)
    assert [item["content"] for item in items] == ["Be"]
    assert "after 0.3 seconds" in error.message


@pytest.mark.parametrize("limit", [{"timeout": 0.1}, {"idle_timeout": 0.1}])
async def test_no_reply_in_time(limit):
    async with raw_server(then="hold") as server, a_client(None, server.url, **limit) as client:
        _, error = await failure_of(ask(client), ServiceUnreachableError)
    assert error.request_sent
    assert not error.retryable
    assert "within 0.1 seconds" in error.message


@contextmanager
def nobody_picks_up():
    """The address of a server that is there and takes no connection: its queue is full, and no more are answered."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, ExitStack() as waiting:
        for _ in range(64):
            caller = waiting.enter_context(socket.socket())
            caller.settimeout(0.05)
            if caller.connect_ex(server.getsockname()):
                break
        yield f"http://127.0.0.1:{server.getsockname()[1]}/api/v1"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse connections when the queue is full")
async def test_before_there_is_a_connection_nothing_is_sent():
    with nobody_picks_up() as url:
        async with a_client(None, url, timeout=0.1) as client:
            stream = ask(client)
            _, error = await failure_of(stream, ServiceUnreachableError)
        assert (error.request_sent, stream.snapshot()["request_sent"]) == (False, False)
        assert await is_sent_when_given_up(url) is False


async def test_what_goes_out_and_is_not_answered_was_sent():
    async with raw_server(then="hold") as server:
        assert await is_sent_when_given_up(server.url) is True


async def is_sent_when_given_up(url):
    async with a_client(None, url) as client:
        stream = ask(client)
        with anyio.move_on_after(0.2):
            await anext(aiter(stream))
        return stream.snapshot()["request_sent"]


@pytest.mark.parametrize("then", ["close", "reset"])
async def test_a_connection_that_ends_before_the_status_line(then):
    async with raw_server(then=then) as server, a_client(None, server.url) as client:
        _, error = await failure_of(ask(client), ServiceUnreachableError)
    assert error.request_sent
    assert not error.retryable
    assert error.message == error.message.rstrip(": ")


async def test_nobody_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://user:secret@127.0.0.1:{free.getsockname()[1]}"
        async with a_client(None, url) as client:
            _, error = await failure_of(ask(client), ServiceUnreachableError)
    assert not error.request_sent
    assert error.retryable
    assert "can't connect to 127.0.0.1:" in error.message
    assert "secret" not in error.message


async def test_what_is_no_http():
    async with raw_server(b"SSH-2.0-OpenSSH_9.2\r\n") as server, a_client(None, server.url) as client:
        await failure_of(ask(client), ServiceUnreachableError)


async def test_the_status_counts_when_its_body_is_cut():
    head = b"HTTP/1.1 503 Busy\r\nContent-Length: 99\r\nRetry-After: 4\r\n\r\n{"
    async with raw_server(head) as server, a_client(None, server.url) as client:
        _, error = await failure_of(ask(client), OpenRouterAPIError)
    assert (error.status_code, error.retry_after) == (503, 4.0)


async def test_an_endless_error_body_is_not_read_to_its_end():
    head = b"HTTP/1.1 500 Oops\r\nContent-Length: 999999999\r\n\r\n" + b"x" * 100_000
    async with raw_server(head, then="hold") as server, a_client(None, server.url) as client:
        _, error = await failure_of(ask(client), OpenRouterAPIError)
    assert len(error.response_body) == 4096


async def test_closing_early_hangs_up():
    async with (
        raw_server(UNTIL_CLOSE + sse(chunk("Be")), then="hold") as server,
        a_client(None, server.url) as client,
    ):
        stream = ask(client)
        assert (await anext(stream))["content"] == "Be"
        await stream.aclose()
        with anyio.fail_after(5):
            await server.gone.wait()
        assert stream.snapshot()["content"] == "Be"
        assert [item async for item in stream] == []


async def test_a_reply_that_is_still_held_hangs_up_when_it_is_closed():
    async with raw_server(UNTIL_CLOSE + b"x", then="hold") as server:
        transport = HttpxTransport(server.url, {}, Timeouts(connect=5, idle=5, total=None))
        reply = await transport.send("GET", "/models")
        assert await reply.read_block() == b"x"
        await reply.aclose()
        with anyio.fail_after(5):
            await server.gone.wait()
        await transport.close()


async def test_cancelling_hangs_up_and_stays_a_cancellation():
    async with (
        raw_server(UNTIL_CLOSE + sse(chunk("Be")), then="hold") as server,
        a_client(None, server.url) as client,
    ):
        stream = ask(client)
        assert (await anext(stream))["content"] == "Be"
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with anyio.fail_after(5):
            await server.gone.wait()
    assert stream.snapshot()["content"] == "Be"


async def test_close_may_be_called_twice_and_requests_open_again():
    async with raw_server(UNTIL_CLOSE + ANSWER) as server:
        client = a_client(None, server.url)
        await client.close()
        await collect(ask(client))
        await client.close()
        await client.close()
        await collect(ask(client))
        await client.close()
    assert len(server.requests) == 2


async def test_loopback_is_reached_without_the_proxy_of_the_environment(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with raw_server(UNTIL_CLOSE + ANSWER) as server, a_client(None, server.url) as client:
        assert (await collect(ask(client)))[-1]["content"] == "Grüß Gott 👋"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTPS_PROXY", "gopher://user:secret@host"),
        ("HTTPS_PROXY", "socks5://user:secret@host"),
        ("SSL_CERT_FILE", None),
    ],
)
async def test_settings_of_the_environment_that_can_not_be_used(monkeypatch, tmp_path, name, value):
    (tmp_path / "empty.pem").touch()
    monkeypatch.setenv(name, value or str(tmp_path / "empty.pem"))
    async with a_client(None, "https://openrouter.invalid/api/v1") as client:
        _, error = await failure_of(ask(client), ConfigurationError)
    assert name in error.hint
    assert "secret" not in error.message


async def test_a_server_that_does_not_speak_tls():
    async with raw_server() as server:
        url = server.url.replace("http://", "https://")
        async with a_client(None, url, connect_timeout=0.2) as client:
            _, error = await failure_of(ask(client), ServiceUnreachableError)
    assert not error.request_sent


async def test_a_list_cut_short_may_be_asked_for_again():
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
    async with raw_server(head) as server, a_client(None, server.url) as client:
        with pytest.raises(ServiceUnreachableError) as caught:
            await client.get_available_models()
    assert caught.value.retryable


class KeepAlive(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b'{"data":[{"id":"a/b"}]}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_one_client_serves_one_loop_after_the_other():
    """A script that runs each call in a loop of its own leaves a kept connection behind, which must not be used again."""
    with ThreadingHTTPServer(("127.0.0.1", 0), KeepAlive) as server:
        threading.Thread(target=server.serve_forever).start()
        client = a_client(None, f"http://127.0.0.1:{server.server_port}")
        try:
            lists = [anyio.run(client.get_available_models) for _ in range(3)]
        finally:
            del client
            gc.collect()
            server.shutdown()
    assert [model.id for models in lists for model in models] == ["a/b"] * 3


def test_https_verifies_certificates_and_http_loads_none(monkeypatch, tmp_path):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    context = tls_context("https")
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(broken))
    with pytest.raises(ConfigurationError, match="certificates"):
        tls_context("https")
    assert tls_context("http").cert_store_stats()["x509"] == 0


def test_importing_the_client_loads_nothing_heavy():
    code = (
        "import sys; import neuralterm.infrastructure.openrouter as o; o.OpenRouterClient('k');"
        "print([m for m in ('httpx', 'pydantic', 'anyio', 'asyncio', 'ssl') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_through_a_proxy_the_key_goes_in_a_tunnel_only(monkeypatch):
    async with raw_server(b"HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n") as proxy:
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url.removesuffix("/api/v1"))
        async with a_client("sk-a-key-of-ours", "https://openrouter.invalid/api/v1") as client:
            await failure_of(ask(client), ServiceUnreachableError)
        (request,) = proxy.requests
    assert request.startswith(b"CONNECT openrouter.invalid:443 ")
    assert b"sk-a-key-of-ours" not in request


async def test_plain_http_goes_past_the_proxy_which_would_see_the_key(monkeypatch):
    async with raw_server() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.removesuffix("/api/v1"))
        async with a_client("sk-a-key-of-ours", "http://openrouter.invalid/v1", connect_timeout=0.5) as client:
            await failure_of(ask(client), ServiceUnreachableError)
    assert proxy.requests == []


@given(
    st.lists(
        st.sampled_from(
            [
                *(
                    "127.0.0.1",
                    "localhost",
                    "evil.example",
                    "[::1]",
                    "::1",
                    "[",
                    "]",
                    "80",
                    ".",
                    "\u3002",
                    "\uff4c",
                    " ",
                    "\t",
                ),
                *("@", ":", "/", "\\", "#", "?", "%2f", "%40"),
            ]
        ),
        max_size=6,
    )
)
def test_what_passes_for_this_machine_is_this_machine_to_the_transport(parts):
    try:
        url = checked_base_url("http://" + "".join(parts), allow_insecure_http=False)
        transport = HttpxTransport(url, {}, Timeouts(1, 1, 1))
    except ConfigurationError:
        return
    assert is_loopback(transport.host)
