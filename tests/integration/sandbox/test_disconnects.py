"""What is billed when an answer does not reach its end."""

import itertools
import time
from decimal import Decimal

import httpx
import pytest

from neuralterm.sandbox import running_sandbox
from neuralterm.sandbox.server import SandboxServer

from .conftest import Sandbox, exact

KEY = {"Authorization": "Bearer x"}
STALL_TOKENS = 8
SLOW = {"model": "sandbox/slow", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
STALL = {**SLOW, "model": "sandbox/stall"}


def record_of(sandbox, generation_id):
    """The bill's line, once the server has noticed that the client is gone."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        reply = sandbox.get("/generation", id=generation_id)
        if reply.status_code == 200:
            return exact(reply.text)["data"]
    pytest.fail("the server has not noticed that the client is gone")


def read(reply, count):
    """Read that many deltas of a stream; return the rest, which must be kept: losing it closes the connection."""
    lines = (line for line in reply.iter_lines() if line.startswith("data: "))
    assert len(list(itertools.islice(lines, count))) == count
    return lines


def price(record):
    return record["native_tokens_prompt"] * Decimal("0.0000025") + record["native_tokens_completion"] * Decimal(
        "0.00001"
    )


def test_stall_bills_exactly_what_was_sent(sandbox):
    with sandbox.client.stream("POST", "/chat/completions", json=STALL) as reply:
        rest = read(reply, STALL_TOKENS)
        generation_id = reply.headers["x-generation-id"]
        assert sandbox.get("/generation", id=generation_id).status_code == 404
        rest.close()
    record = record_of(sandbox, generation_id)
    assert record["cancelled"] is True
    assert record["finish_reason"] is None
    assert record["native_tokens_completion"] == STALL_TOKENS
    assert record["total_cost"] == price(record)
    assert sandbox.server.bill == {generation_id: price(record)}


def test_leaving_a_slow_stream_bills_the_part_that_was_sent():
    server = SandboxServer(delay=0.001, settle_delay=0)
    with running_sandbox(server) as url, httpx.Client(base_url=url, headers=KEY, trust_env=False) as client:
        with client.stream("POST", "/chat/completions", json=SLOW) as reply:
            read(reply, 3)
        record = record_of(Sandbox(server, url, client), reply.headers["x-generation-id"])
    assert 3 <= record["native_tokens_completion"] < 150
    assert record["total_cost"] == price(record)
    assert record["cancelled"] is True


def test_whole_answer_is_billed_in_full_when_the_client_leaves(sandbox):
    with sandbox.client.stream("POST", "/chat/completions", json={**STALL, "stream": False}) as reply:
        generation_id = reply.headers["x-generation-id"]
    record = record_of(sandbox, generation_id)
    assert record["native_tokens_completion"] == STALL_TOKENS
    assert record["total_cost"] == price(record)


def test_stopping_the_server_ends_streams_and_bills_them():
    server = SandboxServer(delay=0)
    with httpx.Client(headers=KEY, trust_env=False) as client:
        with running_sandbox(server) as url:
            request = client.build_request("POST", f"{url}/chat/completions", json=STALL)
            reply = client.send(request, stream=True)
            rest = read(reply, STALL_TOKENS)
            assert server.bill == {}
        rest.close()
        reply.close()
    generation_id = reply.headers["x-generation-id"]
    assert list(server.bill) == [generation_id]
    assert server.bill[generation_id] > STALL_TOKENS * Decimal("0.00001")
