"""Connections of the direct way: which address answers, and whether the other side is who it says."""

import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from neuralterm.application.alone import Alone
from neuralterm.domain.exceptions import ServiceUnreachableError
from neuralterm.infrastructure.openrouter import OpenRouterClient
from neuralterm.infrastructure.openrouter.connecting import connect, first_to_answer, in_turns


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()


@contextmanager
def full_queue():
    """An address that takes no more connections, and does not refuse them."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        callers = []
        for _ in range(64):
            callers.append(socket.socket())
            callers[-1].settimeout(0.05)
            if callers[-1].connect_ex(server.getsockname()):
                break
        yield server.getsockname()
        for caller in callers:
            caller.close()


def refused():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()


def first(*addresses, seconds=10.0):
    async def work():
        return await first_to_answer([(socket.AF_INET, each) for each in addresses], time.monotonic() + seconds)

    return Alone().run(work)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse connections when the queue is full")
def test_an_address_that_does_not_answer_holds_nobody_up(listening):
    with full_queue() as silent, first(silent, silent, listening) as found:
        assert found.getpeername() == listening


def test_an_address_that_refuses_makes_room_for_the_next(listening):
    with first(refused(), listening) as found:
        assert found.getpeername() == listening


def test_why_none_answers():
    with pytest.raises(ConnectionRefusedError):
        first(refused(), refused())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse connections when the queue is full")
def test_nobody_waits_for_ever():
    with full_queue() as silent, pytest.raises(TimeoutError, match="in time"):
        first(silent, seconds=0.05)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_by_name_and_by_address(listening, host):
    async def work():
        (await connect(host, listening[1], None, 10)).close()

    Alone().run(work)


def test_a_name_that_nobody_has():
    async def work():
        await connect("nobody.invalid", 80, None, 10)

    with pytest.raises(OSError, match=r"."):
        Alone().run(work)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A certificate for `localhost` that is its own authority, and its key, in one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not here to make a certificate")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    more = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(path), "-out", str(path.with_suffix(".crt"))]
    subprocess.run([openssl, *request, *more], check=True, capture_output=True)
    path.write_text(path.read_text() + path.with_suffix(".crt").read_text())
    return path


@contextmanager
def echo_over_tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            raw, _ = server.accept()
            try:
                with context.wrap_socket(raw, server_side=True) as connection:
                    while data := connection.recv(65536):
                        connection.sendall(data)
            except OSError:
                raw.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def test_an_encrypted_connection_carries_more_than_fits_at_once(certificate):
    data = bytes(range(256)) * 1024

    async def work():
        connection = await connect("localhost", port, ssl.create_default_context(cafile=certificate), 10)
        try:
            await connection.write(data[:100_000], 10)
            received = b""
            while len(received) < 100_000:
                received += await connection.read(10)
            assert connection.read_at_once() is None
            return received
        finally:
            connection.close()

    with echo_over_tls(certificate) as port:
        assert Alone().run(work) == data[:100_000]


@pytest.mark.parametrize("trusted", [True, False])
def test_who_is_somebody_else_is_not_spoken_to(certificate, trusted):
    context = ssl.create_default_context(cafile=certificate if trusted else None)
    host = "127.0.0.1" if trusted else "localhost"

    async def work():
        (await connect(host, port, context, 10)).close()

    with echo_over_tls(certificate) as port, pytest.raises(ssl.SSLCertVerificationError):
        Alone().run(work)


def test_a_handshake_that_does_not_come_about(listening):
    async def work():
        await connect("127.0.0.1", listening[1], ssl.create_default_context(), 0.1)

    with pytest.raises(TimeoutError, match="in time"):
        Alone().run(work)


def test_both_families_take_turns():
    four, six = (socket.AF_INET, "4"), (socket.AF_INET6, "6")
    assert in_turns([six, six, six, four]) == [six, four, six, six]
    assert in_turns([four, six, six]) == [four, six, six]
    assert in_turns([four]) == [four]


REPLY = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"data":[]}'


@contextmanager
def service_over_tls(certificate, connections=1):
    """A service that lists no models, and notes each connection and each request."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    seen = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            for _ in range(connections):
                raw, _ = server.accept()
                seen.append("connection")
                with context.wrap_socket(raw, server_side=True) as connection:
                    while data := connection.recv(65536):
                        seen.append(data.split(b"\r\n")[0])
                        connection.sendall(REPLY)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"https://localhost:{server.getsockname()[1]}/v1", seen
        thread.join()


@pytest.mark.parametrize("prepared", [True, False])
def test_a_connection_may_be_begun_before_the_request(certificate, monkeypatch, prepared):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    async def work():
        models = [await client.get_available_models(), await client.get_available_models()]
        await client.close()
        return models

    with service_over_tls(certificate) as (url, seen):
        client = OpenRouterClient("key", url, direct=True)
        if prepared:
            client.prepare()
        assert Alone().run(work) == [[], []]
    assert seen == ["connection", b"GET /v1/models HTTP/1.1", b"GET /v1/models HTTP/1.1"]


def test_a_connection_that_was_begun_for_nothing_is_closed(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with service_over_tls(certificate) as (url, seen):
        client = OpenRouterClient("key", url, direct=True)
        client.prepare()
        Alone().run(client.close)
    assert seen == ["connection"]


def test_what_was_begun_early_and_failed_is_told_when_it_is_needed(monkeypatch):
    client = OpenRouterClient("key", "https://127.0.0.1:1/v1", direct=True)
    client.prepare()
    with pytest.raises(ServiceUnreachableError, match=r"can't connect to 127\.0\.0\.1:1: "):
        Alone().run(client.get_available_models)
