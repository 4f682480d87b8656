"""Starting and stopping, in the process and as a process."""

import signal
import socket
import subprocess
import sys
import threading
import time

import anyio
import httpx
import pytest

from neuralterm.sandbox import running_sandbox
from neuralterm.sandbox.server import SandboxServer


def start_process(*arguments):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "neuralterm.sandbox", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_nothing_is_left_after_the_block():
    before = set(threading.enumerate())
    with running_sandbox(delay=0) as url:
        assert httpx.get(f"{url}/models", trust_env=False).status_code == 200
        assert set(threading.enumerate()) != before
    assert set(threading.enumerate()) == before
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/models", trust_env=False)


def test_stops_at_once_also_unused_or_with_an_idle_connection():
    started = time.monotonic()
    with running_sandbox():
        pass
    with running_sandbox() as url, httpx.Client(trust_env=False) as client:
        client.get(f"{url}/models")
    assert time.monotonic() - started < 2


def test_the_block_begins_at_once():
    times = []
    for _ in range(3):
        started = time.perf_counter()
        with running_sandbox():
            times.append(time.perf_counter() - started)
    assert min(times) < 0.06


class BrokenServer(SandboxServer):
    async def serve_on(self, listener):
        raise RuntimeError("out of order")


def test_a_fault_of_the_server_reaches_the_owner_of_the_block():
    with (
        pytest.raises(ExceptionGroup) as caught,
        running_sandbox(BrokenServer()) as url,
        pytest.raises(httpx.TransportError),
    ):
        httpx.get(f"{url}/models", trust_env=False)
    assert str(caught.value.exceptions[0]) == "out of order"


def test_an_error_in_the_block_stops_the_server_and_passes():
    before = set(threading.enumerate())
    with pytest.raises(KeyError), running_sandbox():
        raise KeyError("mine")
    assert set(threading.enumerate()) == before


def test_two_sandboxes_do_not_meet():
    body = {"model": "sandbox/echo", "messages": [{"role": "user", "content": "x"}]}
    one, two = SandboxServer(delay=0), SandboxServer(delay=0)
    with running_sandbox(one) as url, running_sandbox(two) as other:
        assert url != other
        httpx.post(f"{url}/chat/completions", json=body, headers={"Authorization": "Bearer x"}, trust_env=False)
    assert len(one.bill) == 1
    assert two.bill == {}


def test_a_server_can_be_run_again():
    server = SandboxServer(delay=0)
    for _ in range(2):
        with running_sandbox(server) as url:
            assert httpx.get(f"{url}/models", trust_env=False).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "::", "example.com"])
def test_only_loopback_is_served(host):
    with pytest.raises(ValueError), running_sandbox(host=host):
        pytest.fail("it must not start")


def test_localhost_is_loopback():
    with running_sandbox(host="localhost") as url:
        assert url.startswith("http://127.0.0.1:")


def test_a_fault_in_one_answer_is_a_500_and_leaves_the_server_running(caplog):
    with running_sandbox(SandboxServer(delay=None)) as url:
        body = {"messages": [{"role": "user", "content": "x"}]}
        reply = httpx.post(f"{url}/chat/completions", json=body, headers={"Authorization": "Bearer x"}, trust_env=False)
        assert httpx.get(f"{url}/models", trust_env=False).status_code == 200
    assert reply.status_code == 500
    assert reply.json() == {"error": {"message": "Internal Server Error", "code": 500}}
    assert "the sandbox failed to answer" in caplog.text


@pytest.mark.anyio
async def test_serves_in_a_task_group():
    async with anyio.create_task_group() as group:
        url = await group.start(SandboxServer(delay=0).serve)
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"{url}/models")).status_code == 200
        group.cancel_scope.cancel()


def test_importing_the_package_loads_nothing_heavy():
    heavy = ["anyio", "h11", "httpx", "asyncio", "pydantic", "click"]
    program = f"import sys, neuralterm.sandbox; print(set({heavy!r}) & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_process_prints_its_url_and_ends_cleanly(stop):
    with start_process("--delay", "0", "--settle-delay", "0") as process:
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        assert httpx.get(f"{url}/models", timeout=20, trust_env=False).status_code == 200
        process.send_signal(stop)
        rest, errors = process.communicate(timeout=20)
    assert (process.returncode, rest, errors) == (0, "", "")


def test_process_serves_on_the_wanted_port_and_refuses_a_taken_one():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with start_process("--port", str(port)) as process:
            out, errors = process.communicate(timeout=20)
    assert (process.returncode, out) == (2, "")
    assert errors.startswith("error: ")
    with start_process("--port", str(port)) as process:
        assert process.stdout.readline() == f"http://127.0.0.1:{port}/api/v1\n"
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0


@pytest.mark.parametrize("arguments", [["--host", "0.0.0.0"], ["--port", "99999"]])
def test_process_refuses_what_it_cannot_serve(arguments):
    with start_process(*arguments) as process:
        out, errors = process.communicate(timeout=20)
    assert (process.returncode, out) == (2, "")
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
