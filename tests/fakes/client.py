"""Chat clients that follow a script.

A script is a list of what happens in one stream: a text is a delta, a dictionary is yielded as it is, an exception is
raised, a function is called, and `FOREVER` waits until cancelled. `known` and `final` make the common dictionaries. The
streams of a `FullChatClient` tell of a wait at each `WAIT`.
"""

from collections.abc import AsyncIterator

import anyio

from neuralterm.application.deltas import Deltas
from neuralterm.domain.models import TokenUsage

FOREVER = object()
WAIT = object()
USAGE = TokenUsage(prompt_tokens=10, completion_tokens=20, total_tokens=30)


def reasoning(text):
    return {"type": "delta", "content": "", "reasoning": text}


def known(**facts):
    """What the stream learns without yielding anything."""
    return {"type": "known", **facts}


def final(usage=USAGE, finish_reason="stop", **facts):
    return {"type": "final", "usage": usage, "finish_reason": finish_reason, **facts}


class FakeChatClient:
    """Has the methods and parameters of the public contract and not one more; its streams are bare generators."""

    def __init__(self, *scripts, models=()):
        self.scripts = list(scripts)
        self.models = list(models)
        self.requests = []
        self.closed = 0

    async def get_available_models(self):
        return list(self.models)

    async def chat_completion_stream(self, messages, model, temperature=0.7, max_tokens=None):
        request = {"messages": messages, "model": model, "temperature": temperature, "max_tokens": max_tokens}
        self.requests.append(request)
        try:
            async for item in play(self.scripts.pop(0), {}):
                yield item
        finally:
            self.closed += 1


class FullChatClient(FakeChatClient):
    """Takes the further keywords of the adapter too; its streams tell what they know."""

    def chat_completion_stream(self, messages, model, temperature=0.7, max_tokens=None, **further):
        self.requests.append(
            {"messages": messages, "model": model, "temperature": temperature, "max_tokens": max_tokens, **further}
        )
        return FakeStream(self, self.scripts.pop(0))


class FakeStream:
    def __init__(self, client, script):
        self._client = client
        self.on_wait = None
        self._facts = {}
        self._items = play(script, self._facts, lambda: self.on_wait())

    def __aiter__(self):
        return self

    def __anext__(self):
        return self._items.__anext__()

    def snapshot(self):
        return dict(self._facts)

    async def aclose(self):
        self._client.closed += 1
        await self._items.aclose()


async def play(script, facts, tell_wait=None) -> AsyncIterator[dict]:
    for item in script:
        await anyio.lowlevel.checkpoint()
        if isinstance(item, str):
            yield {"type": "delta", "content": item, "reasoning": ""}
        elif isinstance(item, dict) and item["type"] == "known":
            facts.update(item)
        elif isinstance(item, dict):
            if item["type"] == "final":
                facts.update(item)
            yield item
        elif isinstance(item, BaseException):
            raise item
        elif item is WAIT:
            tell_wait()
        elif item is FOREVER:
            await anyio.sleep_forever()
        else:
            item()


class ReadingChatClient(FullChatClient):
    """Its streams hand out their deltas in reads of the network, which end where a script has `WAIT`, a failure or its end."""

    def chat_completion_stream(self, *arguments, **further):
        return ReadingStream(super().chat_completion_stream(*arguments, **further))


class ReadingStream:
    def __init__(self, stream):
        self._stream = stream
        self._read = Deltas()
        self.on_wait = None
        stream.on_wait = self._end_read
        self._ended = []
        self.snapshot, self.aclose = stream.snapshot, stream.aclose

    def _end_read(self):
        if self._read:
            self._ended.append(self._read)
            self._read = Deltas()
        self._ended.append(None)

    def _told(self):
        """What has been read, and the waits between."""
        ended, self._ended = self._ended, []
        for deltas in ended:
            if deltas is None:
                self.on_wait()
            else:
                yield deltas

    async def batches(self):
        try:
            async for item in self._stream:
                for deltas in self._told():
                    yield deltas
                if item["type"] == "delta":
                    self._read.add(item["content"], item["reasoning"])
        except Exception as error:
            failure = error
        else:
            failure = None
        self._end_read()
        for deltas in self._told():
            yield deltas
        if failure is not None:
            raise failure
