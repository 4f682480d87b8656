"""Asking afterwards what calls cost, against fakes."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import anyio
import pytest

from neuralterm.application.reconciling import AT_A_TIME, keep_report, reconcile, reconcile_some
from neuralterm.application.records import Call, GenerationReport, Uncertain
from neuralterm.domain.exceptions import OpenRouterAPIError, RateLimitError, StorageError
from neuralterm.domain.models import Conversation, Cost, CostSource, Message, MessageRole, MessageStatus, TokenUsage
from tests.fakes.account import FakeAccountClient
from tests.fakes.clock import MONDAY_NOON, FakeClock
from tests.fakes.storage import InMemoryConversationRepository, InMemoryLedger

pytestmark = pytest.mark.anyio

HERE, ELSEWHERE = "https://here.example/v1", "https://elsewhere.example/v1"
UNKNOWN = Cost.unsettled(Decimal("0.5"))
GUESS = Cost(Decimal("0.2"), CostSource.ESTIMATED, Decimal("0.5"))
BILLED = Cost(Decimal("0.1"), CostSource.BILLED, Decimal("0.1"))
LATE_USAGE = TokenUsage(10, 20, 30, cost=Decimal("0.25"))


class Books:
    """A ledger and a repository that share a store, and a clock."""

    def __init__(self):
        self.ledger = InMemoryLedger()
        self.repository = InMemoryConversationRepository(self.ledger.store)
        self.clock = FakeClock()

    def add(self, generation_id="gen-1", cost=UNKNOWN, **facts):
        facts = {"status": MessageStatus.INTERRUPTED, "service": HERE, "started_at": self.clock.now()} | facts
        call = Call(requested_model="a/b", cost=cost, generation_id=generation_id, **facts)
        self.ledger.open_call(call)
        return call

    def add_answer(self, **facts):
        """A call with its message in a conversation; both unsettled."""
        thread = Conversation()
        answer = Message(
            conversation_id=thread.id,
            role=MessageRole.ASSISTANT,
            content="so far",
            status=MessageStatus.INTERRUPTED,
            cost_source=CostSource.UNSETTLED,
        )
        self.repository.save(thread)
        self.repository.add_message(answer)
        return self.add(message_id=answer.id, conversation_id=thread.id, **facts), answer

    def stored(self, call):
        return self.ledger.store.tables.calls[call.id]

    async def reconcile(self, client, patience=15.0, limit=100, **more):
        return await reconcile(
            self.ledger, self.repository, client, self.clock, HERE, patience=patience, limit=limit, **more
        )

    async def reconcile_some(self, client):
        return await reconcile_some(self.ledger, self.repository, client, self.clock, HERE)


@pytest.fixture
def books():
    return Books()


async def test_what_the_service_knows_is_written_to_the_call_and_its_message(books):
    call, answer = books.add_answer()
    report = GenerationReport("gen-1", Decimal("0.25"), None, "a/b-2026", "Acme", LATE_USAGE, "stop")

    result = await books.reconcile(FakeAccountClient(gen_1=[report]))

    cost = Cost(Decimal("0.25"), CostSource.RECONCILED, Decimal("0.25"))
    stored = books.stored(call)
    assert (stored.cost, stored.usage, stored.model, stored.provider, stored.finish_reason) == (
        cost,
        LATE_USAGE,
        "a/b-2026",
        "Acme",
        "stop",
    )
    assert stored.status is MessageStatus.INTERRUPTED
    (message,) = books.repository.get_messages(answer.conversation_id)
    assert (message.cost, message.cost_source, message.token_usage) == (cost.usd, cost.source, LATE_USAGE)
    assert (message.content, message.status) == ("so far", MessageStatus.INTERRUPTED)
    assert books.repository.get_by_id(answer.conversation_id).total_cost == Decimal("0.25")
    assert (result.found_calls, result.found_usd, result.is_complete) == (1, Decimal("0.25"), True)


async def test_what_is_known_already_stays_where_the_service_says_nothing(books):
    usage = TokenUsage(1, 2, 3)
    call = books.add(model="m", provider="p", finish_reason="length", usage=usage, cost=GUESS)
    await books.reconcile(FakeAccountClient(gen_1=["0.3"]))
    stored = books.stored(call)
    assert (stored.model, stored.provider, stored.finish_reason, stored.usage) == ("m", "p", "length", usage)
    assert stored.cost == Cost(Decimal("0.3"), CostSource.RECONCILED, Decimal("0.3"))


async def test_a_key_of_the_users_own_shows_the_providers_part_apart(books):
    call = books.add()
    report = GenerationReport("gen-1", Decimal(0), Decimal("0.75"))
    result = await books.reconcile(FakeAccountClient(gen_1=[report]))
    assert books.stored(call).cost.upstream_usd == Decimal("0.75")
    assert (result.found_usd, result.found_upstream_usd) == (0, Decimal("0.75"))


async def test_the_service_needs_time_and_gets_it_in_growing_pauses(books):
    books.add()
    progress = []
    result = await books.reconcile(
        FakeAccountClient(gen_1=[None] * 4 + ["0.1"]), on_progress=lambda *state: progress.append(state)
    )
    assert books.clock.slept == [0.5, 1.0, 2.0, 4.0]
    assert progress == [(1, 0.5), (1, 1.0), (1, 2.0), (1, 4.0)]
    assert result.found_calls == 1


@pytest.mark.parametrize(
    ("patience", "slept"),
    [(0, []), (0.2, [0.2]), (1, [0.5, 0.5]), (15, [0.5, 1, 2, 4, 7.5]), (30, [0.5, 1, 2, 4, 8, 8, 6.5])],
)
async def test_patience_ends(books, patience, slept):
    books.add(), books.add("gen-2", GUESS)
    client = FakeAccountClient()
    result = await books.reconcile(client, patience=patience)
    assert books.clock.slept == slept
    assert client.asked == ["gen-2", "gen-1"] * (len(slept) + 1)
    assert (result.found_calls, result.unknown, result.error) == (0, Uncertain(2, Decimal(1)), None)
    assert not result.is_complete


async def test_only_what_is_still_unknown_is_asked_for_again(books):
    books.add(), books.add("gen-2")
    client = FakeAccountClient(gen_1=[None, "0.1"], gen_2=["0.2"])
    result = await books.reconcile(client)
    assert client.asked == ["gen-2", "gen-1", "gen-1"]
    assert (result.found_calls, result.found_usd) == (2, Decimal("0.3"))


async def test_which_calls_are_asked_about(books):
    books.add("gen-running", owner="host/1")
    books.add("gen-pending", status=MessageStatus.PENDING)
    books.add("gen-billed", BILLED)
    books.add("gen-elsewhere", service=ELSEWHERE)
    books.add(None)
    client = FakeAccountClient()
    result = await books.reconcile(client)
    assert client.asked == []
    assert (result.unknown, result.unaskable) == (Uncertain(), Uncertain(1, Decimal("0.5")))
    assert books.clock.slept == []


class TestComputed:
    """Amounts by list prices: another endpoint may have served, so that the service knows better, where it tells."""

    COMPUTED = replace(BILLED, source=CostSource.COMPUTED)

    async def test_the_service_is_asked_once_and_its_word_holds(self, books):
        call = books.add("gen-1", self.COMPUTED)
        books.add("gen-2", self.COMPUTED)
        client = FakeAccountClient(gen_1=["0.125"])
        result = await books.reconcile(client)
        assert sorted(client.asked) == ["gen-1", "gen-2"]
        assert (result.found_calls, result.is_complete, books.clock.slept) == (1, True, [])
        assert books.stored(call).cost == Cost(Decimal("0.125"), CostSource.RECONCILED, Decimal("0.125"))

    async def test_one_that_tells_nothing_is_not_asked_about_all(self, books):
        for number in range(20):
            books.add(f"gen-{number}", self.COMPUTED)
        client = FakeAccountClient()
        await books.reconcile(client)
        assert len(client.asked) == AT_A_TIME

    async def test_declared_prices_are_nobody_elses_business(self, books):
        books.add("gen-1", self.COMPUTED)
        client = FakeAccountClient(gen_1=["0.125"])
        await books.reconcile(client, price_of=lambda call: Decimal("0.1"))
        assert client.asked == []

    async def test_open_calls_are_priced_by_them_without_a_question(self, books):
        call = books.add("gen-1")
        client = FakeAccountClient()
        result = await books.reconcile(client, price_of=lambda call: Decimal("0.1"))
        assert (client.asked, result.found_calls) == ([], 1)
        assert books.stored(call).cost == self.COMPUTED

    async def test_beside_an_answer_they_are_left_alone(self, books):
        books.add("gen-1", self.COMPUTED)
        client = FakeAccountClient(gen_1=["0.125"])
        assert await books.reconcile_some(client) == 0
        assert client.asked == []


async def test_the_limit_counts_calls_newest_first_and_the_rest_is_told(books):
    for number in range(5):
        books.add(f"gen-{number}", started_at=MONDAY_NOON + timedelta(minutes=number))
    client = FakeAccountClient(gen_4=["0.1"], gen_3=["0.1"])
    result = await books.reconcile(client, limit=2)
    assert client.asked == ["gen-4", "gen-3"]
    assert (result.found_calls, result.unknown.calls) == (2, 3)


async def test_questions_are_put_a_few_at_a_time(books):
    scripts = {f"gen_{number}": ["0.001"] for number in range(20)}
    for name in scripts:
        books.add(name.replace("_", "-"))
    client = FakeAccountClient(**scripts)
    result = await books.reconcile(client)
    assert client.open_at_once == AT_A_TIME
    assert (result.found_calls, result.found_usd) == (20, Decimal("0.020"))
    assert sorted(client.asked) == sorted(name.replace("_", "-") for name in scripts)


@pytest.mark.parametrize("error", [OpenRouterAPIError("no", 500), RateLimitError(retry_after=9), StorageError("full")])
async def test_an_error_ends_the_asking_and_what_was_found_stays(books, error):
    for number in range(12):
        books.add(f"gen-{number}", started_at=MONDAY_NOON + timedelta(minutes=number))
    client = FakeAccountClient(gen_11=["0.1"], gen_9=[error])
    result = await books.reconcile(client)
    assert result.error is error
    assert (result.found_calls, result.unknown.calls) == (1, 11)
    assert len(client.asked) < 12
    assert books.clock.slept == []
    assert not result.is_complete


async def test_a_call_without_a_bound_leaves_the_rest_without_one(books):
    books.add("gen-2", Cost.unsettled())
    books.add()
    assert (await books.reconcile(FakeAccountClient(), patience=0)).unknown == Uncertain(2, None)


@pytest.mark.parametrize(
    "meanwhile",
    [
        {"cost": BILLED},
        {"cost": replace(BILLED, source=CostSource.RECONCILED)},
        {"status": MessageStatus.PENDING},
        {"owner": "host/7"},
    ],
)
async def test_what_became_known_meanwhile_is_not_touched(books, meanwhile):
    call = books.add()

    def change():
        books.ledger.store.tables.calls[call.id] = replace(call, **meanwhile)
        return "0.9"

    result = await books.reconcile(FakeAccountClient(gen_1=[change]))
    assert books.stored(call) == replace(call, **meanwhile)
    assert (result.found_calls, result.found_usd) == (0, 0)


async def test_a_call_that_is_gone_is_no_error(books):
    call = books.add()
    report = GenerationReport("gen-1", Decimal("0.1"))
    del books.ledger.store.tables.calls[call.id]
    assert keep_report(books.ledger, books.repository, HERE, call, report) is None


async def test_a_message_that_was_deleted_does_not_keep_the_amount_away(books):
    call, answer = books.add_answer()
    books.repository.delete(answer.conversation_id)
    await books.reconcile(FakeAccountClient(gen_1=["0.1"]))
    assert books.stored(call).cost.usd == Decimal("0.1")


async def test_one_generation_is_charged_once(books):
    first, again, elsewhere = books.add(), books.add(), books.add(service=ELSEWHERE)
    await books.reconcile(FakeAccountClient(gen_1=["0.1"]))
    assert sorted(books.stored(each).cost.usd for each in (first, again)) == [0, Decimal("0.1")]
    assert books.stored(elsewhere) == elsewhere


@pytest.mark.parametrize(("where", "amount"), [(HERE, "0"), (None, "0"), (ELSEWHERE, "0.4")])
async def test_what_was_billed_for_the_same_generation_is_not_charged_again(books, where, amount):
    billed, again = books.add(cost=BILLED, service=where), books.add()
    await books.reconcile(FakeAccountClient(gen_1=["0.4"]))
    assert books.stored(again).cost == Cost(Decimal(amount), CostSource.RECONCILED, Decimal(amount))
    assert books.stored(billed) == billed


async def test_a_failing_message_leaves_the_call_open(books):
    call, _ = books.add_answer()

    class Broken(InMemoryConversationRepository):
        def price_message(self, *_):
            raise StorageError("the disk is full")

    books.repository = Broken(books.ledger.store)
    result = await books.reconcile(FakeAccountClient(gen_1=["0.1"]))
    assert isinstance(result.error, StorageError)
    assert books.stored(call).cost == UNKNOWN


async def test_calls_of_no_known_service_become_those_of_the_one_that_knows_them(books):
    call = books.add(service=None)
    await books.reconcile(FakeAccountClient(gen_1=["0.1"]))
    assert (books.stored(call).service, books.stored(call).cost.usd) == (HERE, Decimal("0.1"))


async def test_beside_something_else_a_few_calls_are_asked_about_once(books):
    for number in range(7):
        books.add(f"gen-{number}", started_at=MONDAY_NOON + timedelta(minutes=number))
    client = FakeAccountClient(gen_6=["0.1"], gen_2=["0.2"], gen_1=["0.3"])
    assert await books.reconcile_some(client) == 2
    assert client.asked == [f"gen-{number}" for number in (6, 5, 4, 3, 2)]
    assert books.clock.slept == []


async def test_beside_something_else_old_calls_are_left_alone(books):
    books.add(started_at=MONDAY_NOON - timedelta(days=1, seconds=1))
    books.add("gen-2", started_at=MONDAY_NOON - timedelta(days=1))
    client = FakeAccountClient()
    assert await books.reconcile_some(client) == 0
    assert client.asked == ["gen-2"]


@pytest.mark.parametrize("error", [OpenRouterAPIError("no", 401), StorageError("locked")])
async def test_beside_something_else_errors_are_swallowed(books, error):
    books.add(), books.add("gen-2")
    client = FakeAccountClient(gen_2=["0.1"], gen_1=[error])
    assert await books.reconcile_some(client) == 1


async def test_it_may_be_cancelled(books):
    call = books.add()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await books.reconcile_some(FakeAccountClient(gen_1=["0.1"]))
    assert scope.cancelled_caught
    assert books.stored(call).cost == UNKNOWN
