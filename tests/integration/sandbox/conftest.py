"""A sandbox that does not dawdle, and a client for it."""

import json
from decimal import Decimal

import httpx
import pytest

from neuralterm.sandbox import running_sandbox
from neuralterm.sandbox.server import SandboxServer


class Sandbox:
    """A running server with a keyed HTTP client; replies are parsed with exact numbers."""

    def __init__(self, server, url, client):
        self.server, self.url, self.client = server, url, client

    def post(self, model=None, text="Hello there", **body):
        if model is not None:
            body["model"] = model
        body.setdefault("messages", [{"role": "user", "content": text}])
        return self.client.post("/chat/completions", json=body)

    def stream(self, model=None, text="Hello there", **body):
        reply = self.post(model, text, stream=True, **body)
        assert reply.status_code == 200, reply.text
        return events(reply.text)

    def get(self, path, **params):
        return self.client.get(path, params=params)


def exact(text):
    return json.loads(text, parse_float=Decimal)


def events(text):
    """The JSON of each event; "[DONE]" stays a string."""
    data = [block[6:] for block in text.split("\n\n") if block.startswith("data: ")]
    return [item if item == "[DONE]" else exact(item) for item in data]


def content(chunks):
    return "".join(deltas(chunks))


def deltas(chunks, key="content"):
    found = [chunk["choices"][0]["delta"].get(key) for chunk in chunks if chunk != "[DONE]"]
    return [piece for piece in found if piece]


@pytest.fixture
def sandbox():
    server = SandboxServer(delay=0, settle_delay=0)
    with (
        running_sandbox(server) as url,
        httpx.Client(base_url=url, headers={"Authorization": "Bearer sk-any"}, timeout=20, trust_env=False) as client,
    ):
        yield Sandbox(server, url, client)
