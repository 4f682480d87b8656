"""Whatever a service writes, split and broken off anywhere: what must hold of the answer, from the socket to the records."""

import json
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

import anyio
from hypothesis import example, given, settings
from hypothesis import strategies as st

from neuralterm.domain.exceptions import NeuralTermError
from neuralterm.domain.models import CostSource, MessageStatus
from tests.fakes.storage import InMemoryConversationRepository, InMemoryLedger, MemoryStore

from .wire_doubles import HEAD, chunk, raw_server
from .wire_house import WireHouse

DONE, COMMENT, BLANK = "[DONE]", ": ping", ""
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


def paid(cost):
    return chunk("", finish="stop", usage={"prompt_tokens": 3, "completion_tokens": 2, "cost": cost})


STEPS = st.one_of(
    st.builds(chunk, TEXT),
    st.builds(lambda text: chunk(delta={"reasoning": text}), TEXT),
    st.builds(paid, st.integers(0, 9)),
    st.sampled_from([chunk(""), {"choices": []}, chunk(finish="length"), COMMENT, BLANK, "nonsense line"]),
)
ENDS = st.sampled_from(
    [
        DONE,
        DONE,
        DONE,
        None,
        {"error": {"code": 502, "message": "lost"}},
        chunk("x", error={"message": "lost"}),
        "{garbage",
    ]
)


@dataclass(frozen=True)
class Script:
    """What the service does. `steps` are chunks or lines, `end` ends them; `kept` of its bytes are sent, None: all."""

    steps: list
    end: object
    after: list
    newline: str
    ascii: bool
    chunked: bool
    kept: int | None
    cuts: list

    def bytes(self):
        lines = []
        for step in (*self.steps, *([] if self.end is None else [self.end, *self.after])):
            is_data = not isinstance(step, str) or step in (DONE, "{garbage")
            data = step if isinstance(step, str) else json.dumps(step, ensure_ascii=self.ascii)
            lines += [f"data: {data}", ""] if is_data else [step]
        return "".join(line + self.newline for line in lines).encode()

    def is_whole(self):
        """Say whether all that belongs to a complete answer is sent, up to the line of its end."""
        whole = Script(self.steps, self.end, [], self.newline, self.ascii, self.chunked, None, [])
        needed = len(whole.bytes()) - 2 * len(self.newline)
        return self.end == DONE and self.has_choice() and (self.kept is None or self.kept >= needed)

    def has_choice(self):
        return any(isinstance(step, dict) and step["choices"] for step in self.steps)

    def text(self):
        return "".join(
            step["choices"][0]["delta"].get("content") or ""
            for step in (*self.steps, self.end)
            if isinstance(step, dict) and step.get("choices")
        )

    def costs(self):
        return [step["usage"]["cost"] for step in self.steps if isinstance(step, dict) and "usage" in step]

    def writes(self):
        body = self.bytes()[: self.kept]
        borders = [0, *sorted({min(cut, len(body)) for cut in self.cuts} - {0, len(body)}), len(body)]
        blocks = [body[start:end] for start, end in pairwise(borders) if start < end]
        if self.chunked:
            blocks = [b"%x\r\n%s\r\n" % (len(block), block) for block in blocks]
        framing = b"Transfer-Encoding: chunked\r\n\r\n" if self.chunked else b"Connection: close\r\n\r\n"
        return [HEAD + framing, *blocks, *([b"0\r\n\r\n"] if self.chunked and self.kept is None else [])]


SCRIPTS = st.builds(
    Script,
    steps=st.lists(STEPS, max_size=8),
    end=ENDS,
    after=st.lists(STEPS, max_size=2),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    ascii=st.booleans(),
    chunked=st.booleans(),
    kept=st.none() | st.integers(0, 900),
    cuts=st.lists(st.integers(0, 900), max_size=6),
)


@settings(max_examples=100)
@given(script=SCRIPTS)
@example(Script([chunk("a"), paid(2)], DONE, [chunk("b")], "\r", True, True, None, [1, 2, 3]))
@example(Script([chunk("😀")], None, [], "\n", False, False, None, list(range(300))))
def test_any_script(script):
    anyio.run(play, script)


async def play(script):
    store = MemoryStore()
    # An answer that ends by itself, well or badly, is not waited for: we hang up.
    ends_itself = script.end is not None and script.kept is None
    async with raw_server(*script.writes(), then="hold" if ends_itself else "close") as server:
        house = WireHouse(InMemoryConversationRepository(store), InMemoryLedger(store), server.url)
        with anyio.fail_after(20):
            outcome = await house.ask()
            if ends_itself:
                await server.gone.wait()
    check_delivery(script, outcome)
    check_records(script, outcome)


def check_delivery(script, outcome):
    """What was delivered is a beginning of what was sent, and an end is told exactly when there was one."""
    assert script.text().startswith(outcome.delivered)
    assert (outcome.error is None) == script.is_whole(), outcome.error
    assert len(outcome.finals) == script.is_whole()
    if outcome.error is None:
        assert outcome.delivered == script.text()
        (final,) = outcome.finals
        assert final["usage"] is None or final["usage"].cost == script.costs()[-1]
    else:
        assert isinstance(outcome.error, NeuralTermError)
        assert outcome.error.__cause__ is None or isinstance(outcome.error.__cause__, Exception)


def check_records(script, outcome):
    """What is stored is what was delivered; nothing stays pending, and no amount is made up."""
    message, answer = outcome.message, outcome.answer
    (call,) = outcome.house.ledger.calls
    assert message.content == answer.content == outcome.delivered
    assert call.status is message.status is answer.status
    assert call.cost == answer.cost
    assert outcome.house.ledger.running() == []
    if outcome.error is None:
        assert message.status in (MessageStatus.COMPLETE, MessageStatus.TRUNCATED)
    else:
        has_text = bool(outcome.delivered or message.reasoning)
        assert message.status is (MessageStatus.CUT if has_text else MessageStatus.FAILED)
    if call.cost.source is CostSource.BILLED:
        assert call.cost.usd in map(Decimal, script.costs())
    elif outcome.error is None:
        assert script.costs() == []
    assert answer.generation_id == "gen-head"
