"""Whatever a price list, a prompt, a cap and the budgets are: what is charged was reserved, and what is reserved was left."""

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from uuid import uuid4

import anyio
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from neuralterm.application.clock import SystemClock
from neuralterm.application.cost_tracker import CostTracker
from neuralterm.application.estimates import TokenEstimates
from neuralterm.application.events import EventBus
from neuralterm.application.orchestrator import ChatOrchestrator
from neuralterm.application.reconciling import reconcile
from neuralterm.application.records import CallFilter, SendOptions
from neuralterm.application.spending import SpendingGate
from neuralterm.domain.budget import Budget, Window
from neuralterm.domain.exceptions import (
    BudgetExceededError,
    OpenRouterAPIError,
    StreamInterruptedError,
    TokenLimitError,
)
from neuralterm.domain.models import CERTAIN_SOURCES, Cost, CostSource, Message, MessageRole, MessageStatus
from neuralterm.domain.pricing import PriceList, Span, worst_case
from neuralterm.infrastructure.database import Database
from neuralterm.infrastructure.ledger import SQLiteLedger
from neuralterm.infrastructure.openrouter import OpenRouterClient
from neuralterm.infrastructure.repositories import SQLiteConversationRepository
from neuralterm.infrastructure.token_counter import TokenCounter
from neuralterm.sandbox.catalogue import served
from neuralterm.sandbox.server import SandboxServer
from neuralterm.sandbox.tokens import count_prompt
from tests.integration.sqlite.samples import call
from tests.unit.domain.listings import LISTINGS, MOMENTS, USAGES

WIDE = Context(prec=80)
PICO = Decimal(10) ** 12
COUNTER = TokenCounter()

# What models do here; any other id than those of the sandbox answers in its own words. `sandbox/long` ignores caps.
MODEL_IDS = (
    *("maker/model", "openai/gpt-4o-mini", "sandbox/echo", "sandbox/reasoning", "sandbox/length"),
    *("sandbox/cut", "sandbox/error-midstream", "sandbox/no-cost", "sandbox/rate-limited"),
)
_NOW = datetime.now(UTC)
_HERE = st.builds(
    lambda hours, minutes: int(f"{(_NOW + timedelta(hours=hours)).hour}{minutes:02d}"),
    st.integers(-12, 12),
    st.integers(0, 59),
)
_PRICES = st.builds(
    lambda digits, places: f"{digits * Decimal(10) ** -places:f}", st.integers(0, 9999), st.integers(6, 22)
)
_PARTS = dict.fromkeys(("input_cache_read", "input_cache_write", "internal_reasoning", "image"), _PRICES)
_OVERRIDES = st.fixed_dictionaries(
    {},
    optional={"min_prompt_tokens": st.integers(0, 400), "prompt": _PRICES, "completion": _PRICES, **_PARTS},
) | st.fixed_dictionaries(
    {"utc_start": _HERE, "utc_end": _HERE}, optional={"prompt": _PRICES, "completion": _PRICES, "request": _PRICES}
).filter(lambda entry: entry["utc_start"] != entry["utc_end"])
PRICING = st.fixed_dictionaries(
    {"prompt": _PRICES, "completion": _PRICES},
    optional={
        "request": _PRICES,
        "discount": st.sampled_from([0, Decimal("0.25"), Decimal("-0.5")]),
        "overrides": st.lists(_OVERRIDES, max_size=3),
        **_PARTS,
    },
)
_OTHER_FACTS = {
    "name": "A model",
    "provider": "Maker",
    "inputs": ["text"],
    "tokenizer": "Other",
    "knowledge_cutoff": None,
    "description": "",
    "created": 0,
}
FACTS = st.fixed_dictionaries(
    {
        "id": st.sampled_from(MODEL_IDS),
        "kind": st.sampled_from(["chat", "reasoning", "openai-reasoning"]),
        "pricing": PRICING,
        "context_length": st.integers(1000, 200_000),
        "max_completion_tokens": st.none() | st.integers(1, 2000),
    }
).map(lambda known: {"slug": known["id"], **_OTHER_FACTS, **known})
# Lone surrogates too, which a terminal makes of bytes that are no UTF-8.
_ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=[]), min_size=1, max_size=100)
PROMPTS = st.lists((_ANY_TEXT | st.text(min_size=1)).filter(str.strip), min_size=1, max_size=4)
# In parts of what an ordinary call costs, so that some calls fit, some are shortened and some refused.
LIMITS = st.decimals("0.3", 20, places=3)
BUDGETS = st.lists(st.tuples(LIMITS, st.sampled_from(Window)), min_size=1, max_size=2)
OPTIONS = st.builds(SendOptions, max_tokens=st.none() | st.integers(1, 300), stream=st.booleans())

EXPECTED = (BudgetExceededError, StreamInterruptedError, TokenLimitError, OpenRouterAPIError)


@dataclass
class Opened:
    """A call as it was written down before it was made, and what each budget that counts it had left then."""

    at_most_usd: Decimal | None
    left: list[Decimal]


@dataclass
class House:
    """All the parts that a prompt passes, and the sandbox at the other end."""

    server: SandboxServer
    repository: SQLiteConversationRepository
    ledger: SQLiteLedger
    client: OpenRouterClient
    gate: SpendingGate
    orchestrator: ChatOrchestrator
    opened: dict = field(default_factory=dict)

    async def ask(self, prompt, model_id, options):
        conversation = await self.orchestrator.create_conversation(model_id=model_id)
        try:
            async for _ in self.orchestrator.send_message(conversation.id, prompt, None, options):
                pass
        except EXPECTED:
            return

    async def settle(self):
        return await reconcile(self.ledger, self.repository, self.client, SystemClock(), "here", patience=10, limit=100)

    def calls(self):
        """The calls that the service has an id for, as the ledger has them now, each with how it was opened."""
        rows = self.ledger.database.query("SELECT generation_id FROM calls WHERE generation_id IS NOT NULL")
        return [(one, self.opened[one.id]) for (identity,) in rows for one in self.ledger.calls_of(identity)]


class WatchedLedger(SQLiteLedger):
    """A ledger that says what is written down."""

    on_open = None

    def open_call(self, call):
        self.on_open(call)
        super().open_call(call)


@asynccontextmanager
async def house(fact, budgets):
    server = SandboxServer(delay=0, settle_delay=0, models=[served(fact)])
    database = Database(":memory:")
    repository, ledger = SQLiteConversationRepository(database), WatchedLedger(database)
    bus, estimates = EventBus(), TokenEstimates(COUNTER)
    gate = SpendingGate(SystemClock(), ledger, budgets, service="here")
    tracker = CostTracker(bus, count_tokens=estimates.count_tokens)
    bus.subscribe_all(tracker)
    async with anyio.create_task_group() as group:
        client = OpenRouterClient("sk-any", await group.start(server.serve))
        orchestrator = ChatOrchestrator(
            repository, client, bus, COUNTER, spending=gate, cost_tracker=tracker, estimates=estimates
        )
        here = House(server, repository, ledger, client, gate, orchestrator)
        ledger.on_open = lambda one: here.opened.update({one.id: _opened(gate, one)})
        await orchestrator.load_models()
        try:
            yield here
        finally:
            await client.close()
            database.close()
            group.cancel_scope.cancel()


def _opened(gate, one):
    return Opened(one.cost.at_most_usd, [gate.status(budget).remaining_usd for budget in gate.budgets])


def rounded(usd):
    """An amount to the pico-dollar, half to even."""
    pico = WIDE.multiply(usd, PICO).to_integral_value(ROUND_HALF_EVEN)
    return WIDE.divide(pico, PICO)


def total(amounts):
    result = Decimal(0)
    for amount in amounts:
        result = WIDE.add(result, amount)
    return result


@settings(max_examples=35, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(FACTS, PROMPTS, OPTIONS, BUDGETS)
def test_what_is_charged_was_reserved_and_what_is_reserved_was_left(fact, prompts, options, limits):
    ordinary = worst_case(PriceList.from_listing(fact["pricing"]).highest(), 400, 60)
    budgets = [
        Budget(f"budget {number}", rounded(WIDE.multiply(ordinary, share)), window)
        for number, (share, window) in enumerate(limits)
    ]

    async def spend():
        async with house(fact, budgets) as here:
            await here.ask(prompts[0], fact["id"], options)
            async with anyio.create_task_group() as group:
                for prompt in prompts[1:]:
                    group.start_soon(here.ask, prompt, fact["id"], options)
            check(here, budgets)
            result = await here.settle()
            assert result.error is None
            check(here, budgets)
            check_settled(here)

    anyio.run(spend)


def check(here, budgets):
    """Nothing was charged beyond what was reserved for it, and nothing reserved beyond what was left."""
    bill = here.server.bill
    for budget in budgets:
        assert total(bill.values()) <= budget.limit_usd
    for opened in here.opened.values():
        assert opened.at_most_usd is not None
        assert opened.at_most_usd <= min(opened.left)
    named = {one.generation_id: (one, opened) for one, opened in here.calls()}
    assert bill.keys() <= named.keys()  # the sandbox may not have noticed yet that an answer was stopped
    for generation_id, charged in bill.items():
        one, opened = named[generation_id]
        assert charged <= opened.at_most_usd
        counted = one.cost.usd if one.cost.source in CERTAIN_SOURCES else one.cost.at_most_usd
        assert counted >= rounded(charged)
    assert here.ledger.committed(CallFilter()).usd >= total(map(rounded, bill.values()))


def check_settled(here):
    """The ledger is the bill."""
    assert here.server.bill.keys() == {one.generation_id for one, _ in here.calls()}
    (totals,) = here.ledger.totals(CallFilter())
    assert totals.unsettled_calls == 0
    assert total(totals.by_source.values()) == total(map(rounded, here.server.bill.values()))
    for one, _ in here.calls():
        assert one.cost.usd == rounded(here.server.bill[one.generation_id])


@settings(max_examples=120, deadline=None)
@given(LISTINGS, USAGES, MOMENTS, st.integers(0, 600), st.integers(0, 21_600))
def test_the_worst_case_covers_an_independent_price(listing, usage, moment, before, after):
    prices = PriceList.from_listing(listing)
    bound = worst_case(
        prices.highest(
            usage.prompt_tokens, Span(moment - timedelta(seconds=before), moment + timedelta(seconds=after))
        ),
        usage.prompt_tokens,
        usage.completion_tokens,
    )

    charged = independent_price(listing, usage, moment)

    assert charged is None or charged <= bound
    clear = not prices.varies and not any(override.uncertain for override in prices.overrides)
    # Of the two prices for writing to a cache the dearer is taken, also where the list replaces only one of them.
    split = any("input_cache_write" in key for entry in listing.get("overrides", []) for key in entry)
    if charged is not None and clear and not split:
        assert prices.cost_of(usage, moment) == charged


def independent_price(listing, usage, moment):
    """What a service may charge by its own list, worked out again from what the documentation says of it."""
    now = moment.hour * 100 + moment.minute
    prices = dict(listing)
    for entry in listing.get("overrides", []):
        start, end = entry.get("utc_start"), entry.get("utc_end")
        if (start is None) != (end is None):
            return None
        timely = start is None or (start <= now < end if start < end else now >= start or now < end)
        if timely and usage.prompt_tokens > entry.get("min_prompt_tokens", -1):
            prices.update({key: price for key, price in entry.items() if price not in (None, "")})
    prompt, completion = Decimal(prices["prompt"]), Decimal(prices["completion"])

    def price(*keys, otherwise):
        known = [Decimal(prices[key]) for key in keys if prices.get(key) not in (None, "")]
        return max(known, default=otherwise)

    special = [price(key, otherwise=Decimal(0)) for key in prices if key not in ("overrides",)]
    if min(special) < 0:
        return None
    cached = min(usage.cached_tokens, usage.prompt_tokens)
    written = min(usage.cache_write_tokens, usage.prompt_tokens - cached)
    thought = min(usage.reasoning_tokens, usage.completion_tokens)
    parts = (
        (usage.prompt_tokens - cached - written, prompt),
        (cached, price("input_cache_read", otherwise=prompt)),
        (written, price("input_cache_write", "input_cache_write_1h", otherwise=prompt)),
        (usage.completion_tokens - thought, completion),
        (thought, price("internal_reasoning", otherwise=completion)),
        (1, price("request", otherwise=Decimal(0))),
    )
    return total(WIDE.multiply(Decimal(count), each) for count, each in parts)


@settings(max_examples=100, deadline=None)
@given(st.lists(_ANY_TEXT, min_size=1, max_size=4), st.sampled_from([None, "maker/model", "openai/gpt-4o", "gpt-4"]))
@example(["internationalization " * 50], "openai/gpt-4o")
@example(["-" * 5000, "\n" * 500, "x" * 5000], "openai/gpt-4o")
def test_the_sandbox_counts_no_more_than_the_bound(texts, model_id):
    messages = [Message(conversation_id=uuid4(), role=MessageRole.USER, content=text) for text in texts]
    sent = [{"role": "user", "content": text.encode("utf-8", "replace").decode()} for text in texts]

    assert count_prompt(sent) <= COUNTER.upper_bound(messages, model_id)


AMOUNTS = st.integers(0, 10**15).map(lambda pico: Decimal(pico).scaleb(-12))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(AMOUNTS, st.sampled_from(CostSource), st.sampled_from(["a", "b"])), max_size=40))
def test_sums_are_those_of_decimals(rows):
    database = Database(":memory:")
    ledger = SQLiteLedger(database)
    for amount, source, tag in rows:
        one = call(at_most=amount, tags=(tag,))
        ledger.open_call(one)
        usd = None if source is CostSource.UNSETTLED else amount
        one.cost, one.status = Cost(usd, source, amount), MessageStatus.COMPLETE
        ledger.settle_call(one)
    (totals,) = ledger.totals(CallFilter())
    committed = ledger.committed(CallFilter(tag="a"))
    database.close()

    for source in CostSource:
        if source is not CostSource.UNSETTLED:
            wanted = total(amount for amount, each, _ in rows if each is source)
            assert totals.by_source.get(source.value, Decimal(0)) == wanted
    assert totals.unsettled_at_most_usd == total(amount for amount, each, _ in rows if each is CostSource.UNSETTLED)
    assert committed.usd == total(amount for amount, _, tag in rows if tag == "a")


@pytest.mark.parametrize("prompts", [1, 4])
def test_the_property_is_not_empty(prompts):
    """An ordinary case is charged, so that the comparisons above compare something."""
    fact = {"id": "maker/model", "slug": "maker/model", "kind": "chat", **_OTHER_FACTS}
    fact |= {"pricing": {"prompt": "0.000001", "completion": "0.000002"}}
    fact |= {"context_length": 9000, "max_completion_tokens": 500}

    async def spend():
        async with house(fact, [Budget("budget", Decimal(1), Window.DAY)]) as here:
            for number in range(prompts):
                await here.ask(f"hello {number}", fact["id"], SendOptions())
            return list(here.server.bill.values())

    charged = anyio.run(spend)
    assert len(charged) == prompts
    assert min(charged) > 0
