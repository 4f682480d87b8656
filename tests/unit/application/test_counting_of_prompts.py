"""Which prompts are counted, and when: loading a vocabulary takes longer than all else that a short call does."""

from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from uuid import uuid4

import pytest

from neuralterm.application.admission import is_worth_counting
from neuralterm.application.estimates import BYTES, TOKENS, TokenEstimates
from neuralterm.application.events import Events
from neuralterm.application.records import Committed, SendOptions
from neuralterm.application.spending import SpendingGate
from neuralterm.application.turn import Prompt
from neuralterm.domain import exceptions as exc
from neuralterm.domain.budget import Budget, Scope, Window
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.models import Message, TokenUsage
from neuralterm.domain.ratios import Ratio
from tests.fakes.client import final
from tests.fakes.clock import FakeClock
from tests.fakes.counter import WordCounter
from tests.fakes.ratios import InMemoryRatioStore
from tests.fakes.storage import InMemoryConversationRepository, InMemoryLedger, MemoryStore
from tests.fakes.world import MODEL, make_world

OK = ["ok", final()]
LONG = "some words " * 20  # 220 bytes, 41 tokens by the counter
FREE = OpenRouterModel(
    MODEL.id, pricing={"prompt": "0", "completion": "0"}, context_length=8000, max_completion_tokens=9
)
# Without a limit of its own an answer may fill the window.
WIDE = OpenRouterModel(MODEL.id, pricing=MODEL.pricing, context_length=8000)
PLAIN = SendOptions()
PLUGIN = SendOptions(extra={"plugins": [{"id": "web"}]})


def ceiling(limit, **fields):
    return Budget("ceiling", Decimal(limit), Window.CALL, **fields)


def samples(tokens, sizes):
    """A store with so many lessons of each basis."""
    store = InMemoryRatioStore()
    store.kept = {("test", TOKENS): Ratio(tokens, 1.0), ("test", BYTES): Ratio(sizes, 0.25)}
    return store


@dataclass(frozen=True)
class Case:
    """A call and whether its prompt is counted. "hi" may cost $0.002004: 4 tokens by the quick bound, 1000 of the answer."""

    name: str
    is_counted: bool
    budgets: tuple[Budget, ...] = (ceiling(1),)
    text: str = "hi"
    model: OpenRouterModel | None = MODEL
    options: SendOptions = PLAIN
    ratios: InMemoryRatioStore | None = None


CASES = [
    Case("no budget", False, budgets=()),
    Case("no budget, somebody asks", False, budgets=(), options=SendOptions(tells_prompt_tokens=True)),
    Case("a budget for others", False, budgets=(ceiling("0.001", scope=Scope(tag="ci")),)),
    Case("far away", False),
    Case("far away, somebody asks", True, options=SendOptions(tells_prompt_tokens=True)),
    Case("exactly a quarter of what is left", False, budgets=(ceiling("0.008016"),)),
    Case("more than a quarter of what is left", True, budgets=(ceiling("0.008015"),)),
    Case("more than all that is left", True, budgets=(ceiling("0.00001"),)),
    Case("nothing left", True, budgets=(ceiling(0),)),
    Case("a short answer", False, budgets=(ceiling("0.00006"),), options=SendOptions(max_tokens=5)),
    Case("the tightest decides", True, budgets=(ceiling(1), Budget("day", Decimal("0.005"), Window.DAY))),
    Case("free", False, budgets=(ceiling(0),), model=FREE),
    Case("no bound", True, model=None),
    Case("a field without bound", True, options=PLUGIN),
    Case("the window limits the answer", True, model=WIDE),
    Case("the window, but the user less", False, model=WIDE, options=SendOptions(max_tokens=100)),
    Case("no lessons yet", True, text=LONG, ratios=InMemoryRatioStore()),
    Case("no lessons yet, short", False, ratios=InMemoryRatioStore()),
    Case("no lessons, nowhere to keep any", False, text=LONG),
    Case("too few lessons", True, text=LONG, ratios=samples(2, 2)),
    Case("enough lessons", False, text=LONG, ratios=samples(3, 23)),
    Case("every eighth", True, text=LONG, ratios=samples(3, 24)),
    Case("every eighth, just taken", False, text=LONG, ratios=samples(4, 25)),
    Case(
        "a schema teaches nothing",
        False,
        text=LONG,
        ratios=InMemoryRatioStore(),
        options=SendOptions(extra={"response_format": {"type": "json_object"}}),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_prompt_is_counted_where_it_matters(case):
    sent = [Message(content=case.text)]
    prompt = Prompt(uuid4(), MODEL.id, case.model, sent, sent)
    estimates = TokenEstimates(WordCounter(), case.ratios)
    gate = SpendingGate(FakeClock(), InMemoryLedger(), case.budgets)
    assert is_worth_counting(prompt, case.options, estimates, gate) is case.is_counted


class Vocabulary(WordCounter):
    """Notes for each count whether the store is locked; its quick bound needs none."""

    def __init__(self, store):
        self._store = store
        self.locked = []

    def count_messages(self, messages, model_id):
        self.locked.append(self._store.is_locked)
        return super().count_messages(messages, model_id)

    def upper_bound(self, messages, model_id=None):
        if model_id is not None:
            return self.count_messages(messages, model_id)
        return 2 * super().count_messages(messages, "")

    def fits(self, messages, model_id, max_tokens):
        return True


class LockedStore(MemoryStore):
    """Tells whether a transaction is open."""

    is_locked = False

    @contextmanager
    def transaction(self):
        before, self.is_locked = self.is_locked, True
        try:
            with super().transaction():
                yield
        finally:
            self.is_locked = before


class ShrinkingLedger(InMemoryLedger):
    """Others take $0.0067 when the budget has been looked at so often."""

    def __init__(self, store, looks):
        super().__init__(store)
        self._looks = looks

    def committed(self, filter):
        self._looks -= 1
        return Committed(Decimal("0.0067")) if self._looks < 0 else super().committed(filter)


def shrinking_world(looks, *scripts):
    store = LockedStore()
    return make_world(
        *scripts,
        budgets=[Budget("day", Decimal("0.0088"), Window.DAY)],
        repository=InMemoryConversationRepository(store),
        ledger=ShrinkingLedger(store, looks),
        counter=Vocabulary(store),
    )


@pytest.mark.anyio
class TestMoneyThatGoesMeanwhile:
    """With $0.0021 left, 99 words leave 950 tokens for an answer by the quick bound, and exactly 1000 by the count."""

    async def test_between_the_look_and_the_gate(self):
        world = shrinking_world(1, OK)
        await world.ask("word " * 99)
        assert world.client.requests[0]["max_tokens"] == 1000
        assert world.events.of(Events.MESSAGE_STARTED)[0]["prompt_tokens"] == 100
        assert world.counter.locked[0] is False
        assert len(world.ledger.calls) == 1

    async def test_between_two_tries(self):
        world = shrinking_world(2, [exc.ModelUnavailableError()], OK)
        await world.ask("word " * 99, options=SendOptions(retry_for=60.0))
        assert world.events.of(Events.MESSAGE_STARTED)[0]["prompt_tokens"] is None
        assert [request["max_tokens"] for request in world.client.requests] == [1000, 1000]
        assert world.counter.locked[0] is False
        assert len(world.ledger.calls) == 2

    async def test_where_none_goes_nothing_is_counted(self):
        world = shrinking_world(9, OK)
        await world.ask("word " * 99)
        assert world.counter.locked == []
        assert world.ledger.calls[0].cost.usd == Decimal("0.00005")


@pytest.mark.anyio
async def test_a_provider_that_adds_to_prompts_is_found_out_far_from_every_limit():
    store = InMemoryRatioStore()
    estimates = TokenEstimates(WordCounter(), store)
    honest, adding = (["ok", final(TokenUsage(tokens, 5, tokens + 5))] for tokens in (41, 61))
    world = make_world(*[honest] * 8, *[adding] * 40, budgets=[ceiling(1)], estimates=estimates)
    sent = [Message(content=LONG)]
    for _ in range(8):
        await world.ask(LONG)
    assert estimates.close_bound(sent, MODEL.id) == 41
    for _ in range(40):
        await world.ask(LONG)
    counted = [started["prompt_tokens"] for started in world.events.of(Events.MESSAGE_STARTED)]
    assert counted[:8] == [41, 41, 41, None, None, None, None, None]
    assert counted.count(41) == 6
    assert estimates.close_bound(sent, MODEL.id) == 82


@pytest.mark.anyio
async def test_the_running_estimate_goes_by_size_where_nothing_is_counted():
    world = make_world(budgets=[ceiling(1)], is_watched=True)
    seen = []
    world.client.scripts.append([lambda: seen.append(world.tracker.accumulated_cost), "ok", final()])
    await world.ask("x" * 400)
    # 100 tokens for the text, seven that frame a prompt of one message.
    assert seen == [Decimal("0.000107")]
    assert world.events.of(Events.MESSAGE_STARTED)[0]["prompt_tokens"] is None
    assert world.tracker.accumulated_cost == Decimal("0.00005")
