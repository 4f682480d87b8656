"""What becomes of an answer when things go wrong: retries, journal, storage, budgets."""

from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

import anyio
import pytest

from neuralterm.application.answering import Answering
from neuralterm.application.context import prompt_messages
from neuralterm.application.cost_tracker import CostTracker
from neuralterm.application.events import Events
from neuralterm.application.journal import MemoryJournal
from neuralterm.application.records import Call, KeyReport, SendOptions
from neuralterm.domain import exceptions as exc
from neuralterm.domain.budget import Budget, Window
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.models import Cost, CostSource, MessageStatus, TokenUsage
from neuralterm.infrastructure.circuit_breaker import CircuitBreaker
from tests.fakes.client import FOREVER, USAGE, WAIT, FakeChatClient, FullChatClient, final, known, reasoning
from tests.fakes.processes import FakeProcesses
from tests.fakes.storage import InMemoryConversationRepository, InMemoryLedger, MemoryStore
from tests.fakes.world import MODEL, Breaker, Lookup, collect, make_world

pytestmark = pytest.mark.anyio

PATIENT = SendOptions(retry_for=60.0)
OK = ["ok", final()]


DAY = Budget("day", Decimal("0.002"), Window.DAY)


def ceiling(limit):
    return Budget("ceiling", Decimal(limit), Window.CALL)


class TestRetries:
    async def test_each_try_has_its_own_row(self):
        world = make_world([exc.RateLimitError()], [exc.ModelUnavailableError()], OK)
        deltas, metadata = await world.ask(options=PATIENT)
        assert deltas == ["ok"]
        assert metadata["cost"] == Decimal("0.00005")
        assert [(call.status, call.error_code, call.cost.usd) for call in world.ledger.calls] == [
            (MessageStatus.FAILED, "RATE_LIMITED", Decimal(0)),
            (MessageStatus.FAILED, "MODEL_UNAVAILABLE", Decimal(0)),
            (MessageStatus.COMPLETE, None, Decimal("0.00005")),
        ]
        assert len({call.id for call in world.ledger.calls}) == 3
        assert {call.message_id for call in world.ledger.calls} == {metadata["message_id"]}
        assert world.answer().status is MessageStatus.COMPLETE

    async def test_the_wait_that_the_service_asks_for_is_kept(self):
        world = make_world([exc.RateLimitError(retry_after=7.5)], OK)
        await world.ask(options=PATIENT)
        assert world.clock.slept == [7.5]
        (retried,) = world.events.of(Events.REQUEST_RETRIED)
        assert (retried["attempt"], retried["delay"], type(retried["error"])) == (1, 7.5, exc.RateLimitError)

    async def test_there_is_an_end_to_patience(self):
        world = make_world(*([exc.RateLimitError(retry_after=25.0)] for _ in range(5)))
        with pytest.raises(exc.RateLimitError):
            await world.ask(options=PATIENT)
        assert world.clock.slept == [25.0, 25.0]
        assert len(world.client.requests) == 3

    async def test_a_wait_that_is_too_long_is_not_begun(self):
        world = make_world([exc.RateLimitError(retry_after=61.0)])
        with pytest.raises(exc.RateLimitError):
            await world.ask(options=PATIENT)
        assert world.clock.slept == []

    async def test_none_unless_it_is_asked_for(self):
        world = make_world([exc.RateLimitError(retry_after=0.0)])
        with pytest.raises(exc.RateLimitError):
            await world.ask()
        assert len(world.client.requests) == 1

    @pytest.mark.parametrize("first", ["text", reasoning("hm")], ids=["text", "reasoning"])
    async def test_none_after_the_first_delta(self, first):
        world = make_world([first, exc.RateLimitError()])
        with pytest.raises(exc.RateLimitError):
            await world.ask(options=PATIENT)
        assert len(world.client.requests) == 1
        assert world.answer().status is MessageStatus.CUT

    @pytest.mark.parametrize("error", [exc.OpenRouterAPIError("no", 400), exc.AuthenticationError("no", 401)])
    async def test_none_for_a_refusal(self, error):
        world = make_world([error])
        with pytest.raises(type(error)):
            await world.ask(options=PATIENT)
        assert len(world.client.requests) == 1

    async def test_none_while_the_circuit_is_open(self):
        breaker = Breaker(exc.CircuitOpenError("left alone", retry_after=1.0))
        world = make_world(circuit_breaker=breaker)
        with pytest.raises(exc.CircuitOpenError):
            await world.ask(options=PATIENT)
        assert world.client.requests == []
        assert world.ledger.calls[0].cost.usd == 0

    async def test_none_that_no_longer_fits_the_budget(self):
        """What the first try did cost is not known, so it counts as much as it may have: a refusal would deny that."""
        world = make_world([known(generation_id="gen-1"), exc.RateLimitError(retry_after=1.0)], OK, budgets=[DAY])
        conversation = await world.converse()
        with pytest.raises(exc.RateLimitError):
            await world.ask("hello", conversation, options=PATIENT)
        assert len(world.client.requests) == 1
        (call,) = world.ledger.calls
        assert (call.status, call.error_code) == (MessageStatus.FAILED, "RATE_LIMITED")
        assert call.cost == Cost.unsettled(call.cost.at_most_usd)
        assert world.committed() == call.cost.at_most_usd > Decimal("0.001")
        assert (world.answer().status, world.answer().cost) == (MessageStatus.FAILED, None)

    async def test_one_that_can_not_be_stored_was_never_made(self):
        class FullLedger(InMemoryLedger):
            def open_call(self, call):
                if self.calls:
                    raise exc.StorageError("the disk is full")
                super().open_call(call)

        store = MemoryStore()
        repository, ledger = InMemoryConversationRepository(store), FullLedger(store)
        world = make_world([exc.ModelUnavailableError()], OK, repository=repository, ledger=ledger)
        with pytest.raises(exc.StorageError):
            await world.ask(options=PATIENT)
        assert len(world.client.requests) == 1
        (call,) = world.ledger.calls
        assert (call.status, call.cost.usd) == (MessageStatus.FAILED, 0)
        assert (world.answer().status, world.answer().cost) == (MessageStatus.FAILED, 0)

    @pytest.mark.parametrize(
        "usage", [{"cost": Decimal("0.01")}, {"cost": Decimal(0), "upstream_cost": Decimal("0.01")}]
    )
    async def test_none_for_what_was_charged_although_it_failed(self, usage):
        world = make_world([known(usage=TokenUsage(10, 0, 10, **usage)), exc.ModelUnavailableError()])
        with pytest.raises(exc.ModelUnavailableError):
            await world.ask(options=PATIENT)
        assert len(world.client.requests) == 1

    @pytest.mark.parametrize(
        ("script", "requests"),
        [
            ([known(generation_id="gen-1"), exc.ModelUnavailableError()], 1),
            ([exc.ModelUnavailableError()], 2),
        ],
        ids=["begun", "refused"],
    )
    async def test_searches_are_not_bought_twice(self, script, requests):
        world = make_world(script, OK)
        with suppress(exc.ModelUnavailableError):
            await world.ask(options=replace(PATIENT, extra={"plugins": [{"id": "web"}]}))
        assert len(world.client.requests) == requests

    async def test_a_masked_fault_is_tried_once_more(self):
        world = make_world(*([exc.OpenRouterAPIError("oops", 500, retryable=True)] for _ in range(3)))
        with pytest.raises(exc.OpenRouterAPIError):
            await world.ask(options=PATIENT)
        assert len(world.client.requests) == 2

    async def test_leaving_during_the_wait_costs_nothing(self):
        world = make_world([exc.RateLimitError()], budgets=[ceiling("1")])
        with anyio.CancelScope() as scope:
            world.clock.advance = lambda seconds: scope.cancel()
            await world.ask(options=PATIENT)
        assert scope.cancelled_caught
        (call,) = world.ledger.calls
        assert (call.status, call.cost.usd, call.cost.source) == (MessageStatus.FAILED, Decimal(0), CostSource.COMPUTED)
        assert (world.answer().status, world.answer().cost) == (MessageStatus.INTERRUPTED, Decimal(0))
        assert world.committed() == 0

    async def test_a_budget_refusal_is_final(self):
        world = make_world(budgets=[ceiling("0.0000001")])
        with pytest.raises(exc.BudgetExceededError):
            await world.ask(options=PATIENT)
        assert world.client.requests == []
        assert world.clock.slept == []


def journalled(world):
    """What the journal has of the answer that runs."""
    return world.repository.journal.read(world.answer().id)


class TestGenerations:
    async def test_the_id_is_noted_at_the_first_delta(self):
        world, seen = make_world(), []
        world.client.scripts.append(
            [known(generation_id="gen-1"), "a", lambda: seen.append(journalled(world).generation_id), "b", final()]
        )
        _, metadata = await world.ask()
        assert seen == ["gen-1"]
        assert metadata["answer"].generation_id == "gen-1"
        assert world.ledger.calls[0].generation_id == "gen-1"

    async def test_the_id_of_an_answer_that_broke_is_kept(self):
        world = make_world([known(generation_id="gen-2"), "a", exc.StreamInterruptedError("cut")])
        with pytest.raises(exc.StreamInterruptedError):
            await world.ask()
        assert world.ledger.calls[0].generation_id == "gen-2"

    async def test_a_stream_that_tells_nothing_will_do(self):
        world = make_world(client=FakeChatClient(["a", exc.StreamInterruptedError("cut")]))
        with pytest.raises(exc.StreamInterruptedError):
            await world.ask()
        assert world.ledger.calls[0].generation_id is None

    async def test_the_id_in_the_head_is_noted_before_anything_is_said(self):
        world, seen = make_world(client=HeadClient("gen-3")), []
        world.client.scripts.append([lambda: seen.append(journalled(world).generation_id), "a", final()])
        await world.ask()
        assert seen == ["gen-3"]


class HeadClient(FullChatClient):
    """Its streams tell the generation's id when the head of the reply is there."""

    def __init__(self, generation_id):
        super().__init__()
        self._generation_id = generation_id

    def chat_completion_stream(self, *args, **further):
        stream = super().chat_completion_stream(*args, **further)
        stream.on_generation = None
        items, generation_id = stream._items, self._generation_id

        async def with_head():
            stream.on_generation(generation_id)
            async for item in items:
                yield item

        stream._items = with_head()
        return stream


class TestTooLargeACap:
    """A 402 that a shorter answer avoids: the cap is lowered once, within what the user finds worth paying for."""

    def refusal(self, affordable):
        return exc.OutputCapTooLargeError("can only afford less", 402, affordable_tokens=affordable)

    async def test_it_is_lowered_once(self):
        world = make_world([self.refusal(300)], OK)
        await world.ask(options=SendOptions(max_tokens=1000))
        assert [request["max_tokens"] for request in world.client.requests] == [1000, 300]
        assert [call.status for call in world.ledger.calls] == [MessageStatus.FAILED, MessageStatus.COMPLETE]
        (retried,) = world.events.of(Events.REQUEST_RETRIED)
        assert (retried["lowered_to"], retried["delay"]) == (300, 0.0)

    async def test_a_request_without_a_cap_gets_one(self):
        world = make_world([self.refusal(300)], OK)
        await world.ask()
        assert [request["max_tokens"] for request in world.client.requests] == [None, 300]

    async def test_a_second_refusal_is_final(self):
        world = make_world([self.refusal(300)], [self.refusal(200)])
        with pytest.raises(exc.OutputCapTooLargeError):
            await world.ask(options=PATIENT)
        assert len(world.client.requests) == 2

    @pytest.mark.parametrize("affordable", [None, 0, 15, 1000, 2000])
    async def test_where_that_does_not_help_the_first_is_final(self, affordable):
        world = make_world([self.refusal(affordable)])
        with pytest.raises(exc.OutputCapTooLargeError):
            await world.ask(options=SendOptions(max_tokens=1000))
        assert len(world.client.requests) == 1

    async def test_what_the_key_has_left_is_said(self):
        class Client(FullChatClient):
            async def get_key(self):
                return KeyReport(limit_usd=Decimal(5), limit_remaining_usd=Decimal("0.5"))

        world = make_world([exc.InsufficientCreditsError("no credit", 402)], client=Client())
        with pytest.raises(exc.InsufficientCreditsError) as caught:
            await world.ask()
        assert "$0.50 left" in caught.value.hint
        assert world.answer().status is MessageStatus.FAILED


class TestWaitingForMoney:
    """Calls of other processes hold the money of a budget that they may not need."""

    def world(self, **arguments):
        day = Budget("day", Decimal("0.003"), Window.DAY)
        world = make_world(OK, budgets=[day], processes=FakeProcesses("here"), **arguments)
        self.call = Call(MODEL.id, Cost.unsettled(Decimal("0.003")), started_at=world.clock.now(), owner="other")
        world.ledger.open_call(self.call)
        return world

    def settle(self, world):
        self.call.cost = Cost(Decimal("0.0001"), CostSource.BILLED)
        world.ledger.settle_call(self.call)

    async def test_the_call_is_made_when_they_are_done(self):
        world = self.world()
        world.clock.at(1.0, lambda: self.settle(world))
        await world.ask(options=SendOptions(budget_wait=10.0))
        assert 1.0 <= sum(world.clock.slept) < 1.6
        (waited,) = world.events.of(Events.BUDGET_WAITING)
        assert waited == {"name": "budget day", "held_usd": Decimal("0.003"), "seconds": 10.0}

    async def test_there_is_an_end_to_waiting(self):
        world = self.world()
        with pytest.raises(exc.BudgetExceededError, match="held by calls that run"):
            await world.ask(options=SendOptions(budget_wait=3.0))
        assert sum(world.clock.slept) == pytest.approx(3.0)
        assert world.client.requests == []

    async def test_who_does_not_want_to_wait_does_not(self):
        world = self.world()
        with pytest.raises(exc.BudgetExceededError):
            await world.ask()
        assert world.clock.slept == []

    async def test_before_a_refusal_earlier_calls_are_settled(self):
        settled = []

        async def settle():
            self.settle(world)
            settled.append(True)

        world = self.world(settle_open_calls=settle)
        world.processes.ended.add("other")
        await world.ask()
        assert settled == [True]
        assert len(world.client.requests) == 1

    async def test_that_is_tried_once_and_its_failures_are_nobodys(self):
        tried = []

        async def settle():
            tried.append(True)
            raise exc.ServiceUnreachableError("away")

        world = self.world(settle_open_calls=settle)
        with pytest.raises(exc.BudgetExceededError):
            await world.ask()
        assert tried == [True]

    async def test_what_has_no_bound_is_refused_without_it(self):
        async def settle():
            raise AssertionError("it would not help")

        world = make_world(lookup=Lookup(), budgets=[ceiling("1")], settle_open_calls=settle)
        with pytest.raises(exc.BudgetExceededError, match="bounded"):
            await world.ask()

    async def test_the_dead_are_not_waited_for(self):
        world = self.world()
        world.processes.ended.add("other")
        with pytest.raises(exc.BudgetExceededError):
            await world.ask(options=SendOptions(budget_wait=3.0))
        assert world.clock.slept == []


class TestCosts:
    async def test_billed(self):
        usage = TokenUsage(10, 20, 30, cost=Decimal("0.0007"), upstream_cost=Decimal("0.01"), is_byok=True)
        world = make_world(["ok", final(usage)])
        _, metadata = await world.ask()
        (call,) = world.ledger.calls
        assert call.cost == Cost(Decimal("0.0007"), CostSource.BILLED, Decimal("0.0007"), Decimal("0.01"))
        assert metadata["cost"] == world.answer().cost == Decimal("0.0007")

    async def test_without_usage_it_is_estimated_and_the_usage_stays_unknown(self):
        world = make_world(["one two three", final(usage=None)])
        _, metadata = await world.ask("hello there")
        (call,) = world.ledger.calls
        # Three words and a message for the prompt, three words for the answer.
        assert (call.cost.usd, call.cost.source) == (Decimal("0.000009"), CostSource.ESTIMATED)
        assert call.cost.at_most_usd > call.cost.usd
        assert metadata["usage"] is call.usage is None

    @pytest.mark.parametrize("models", [(), (OpenRouterModel(MODEL.id, pricing={"prompt": "-1", "completion": "-1"}),)])
    async def test_without_prices_it_is_not_known_and_never_nothing(self, models):
        world = make_world(["ok", final()], lookup=Lookup(*models))
        conversation = await world.converse()
        _, metadata = await world.ask("hi", conversation)
        (call,) = world.ledger.calls
        assert metadata["cost"] is call.cost.usd is world.answer().cost is None
        assert call.cost.source is world.answer().cost_source is CostSource.UNSETTLED
        assert call.usage == USAGE
        assert world.repository.get_by_id(conversation.id).total_cost == 0

    async def test_reasoning_is_estimated_as_output(self):
        world = make_world([reasoning("well well"), "ok ", final(usage=None)])
        await world.ask("hello there")
        assert world.ledger.calls[0].cost.usd == Decimal("0.000009")
        assert (world.answer().content, world.answer().reasoning) == ("ok ", "well well")

    async def test_a_request_that_could_not_be_written_costs_nothing(self):
        class Picky(FakeChatClient):
            def chat_completion_stream(self, *args, **kwargs):
                raise exc.ValidationError("this can't be written as JSON")

        world = make_world(client=Picky(), budgets=[ceiling("1")])
        with pytest.raises(exc.ValidationError):
            await world.ask()
        assert world.committed() == 0


class TestBudgets:
    async def test_the_request_carries_the_cap_and_the_prices(self):
        world = make_world(OK, budgets=[ceiling("0.0005")])
        options = SendOptions(extra={"provider": {"sort": "price", "max_price": {"prompt": "0.5", "completion": "99"}}})
        await world.ask("hello there", options=options)
        (request,) = world.client.requests
        # The closer bound of the prompt is 3 tokens of $1 a million; output is $2 a million.
        assert request["max_tokens"] == 248
        assert request["extra"] == {
            "provider": {"sort": "price", "max_price": {"prompt": "0.5", "completion": "2", "request": "0"}},
        }
        assert world.events.of(Events.MESSAGE_STARTED)[0]["max_tokens"] == 248

    async def test_a_provider_field_that_is_no_object_is_refused(self):
        world = make_world(OK, budgets=[ceiling("1")])
        with pytest.raises(exc.ValidationError, match="provider"):
            await world.ask(options=SendOptions(extra={"provider": "openai"}))
        assert world.client.requests == []
        assert world.ledger.calls[0].cost.usd == 0

    async def test_the_bound_is_reserved_while_the_answer_runs(self):
        world, seen = make_world(budgets=[ceiling("1")]), []
        world.client.scripts.append([lambda: seen.append(world.committed()), "ok", final()])
        await world.ask("hello there")
        assert seen == [Decimal("0.002006")]
        assert world.committed() == Decimal("0.00005")

    async def test_a_refusal_stores_nothing(self):
        world = make_world(budgets=[ceiling("0.00001")])
        conversation = await world.converse()
        with pytest.raises(exc.BudgetExceededError):
            await world.ask("hi", conversation)
        assert world.repository.get_messages(conversation.id) == []
        assert world.ledger.calls == []
        assert world.events.types == []

    async def test_the_closer_bound_decides_before_anything_is_refused(self):
        """Twice the count would not fit, the count does."""
        world = make_world(OK, budgets=[ceiling("0.00024")])
        await world.ask("word " * 199)
        assert world.client.requests[0]["max_tokens"] == 20

    async def test_an_answer_cut_by_a_smaller_cap_was_stopped_by_the_budget(self):
        whole = TokenUsage(10, 248, 258)
        world = make_world(["ok", final(whole, finish_reason="length")], budgets=[ceiling("0.0005")])
        _, metadata = await world.ask("hello there")
        assert metadata["answer"].status is MessageStatus.STOPPED

    async def test_an_answer_that_ended_long_before_that_cap_was_not(self):
        world = make_world(["ok", final(finish_reason="length")], budgets=[ceiling("0.0005")])
        _, metadata = await world.ask("hello there")
        assert metadata["answer"].status is MessageStatus.TRUNCATED

    async def test_without_a_usage_the_cap_is_to_blame(self):
        world = make_world(["ok", final(None, finish_reason="length")], budgets=[ceiling("0.0005")])
        _, metadata = await world.ask("hello there")
        assert metadata["answer"].status is MessageStatus.STOPPED

    async def test_an_answer_cut_by_the_users_own_cap_was_not(self):
        world = make_world(["ok", final(finish_reason="length")], budgets=[ceiling("1")])
        _, metadata = await world.ask(options=SendOptions(max_tokens=20))
        assert metadata["answer"].status is MessageStatus.TRUNCATED

    async def test_no_call_takes_more_of_a_shared_budget_than_was_reserved_for_it(self):
        """The provider does not keep the cap of five tokens; others may have reserved the rest of the day's money."""
        day = Budget("day", Decimal(1), Window.DAY)
        world = make_world([*["word "] * 50, final()], budgets=[day], is_watched=True)
        with pytest.raises(exc.BudgetExceededError, match="at 5 tokens, which is what was reserved") as caught:
            await world.ask(options=SendOptions(max_tokens=5))
        assert caught.value.mid_answer
        assert world.answer().content == "word " * 5
        (call,) = world.ledger.calls
        # What it went on to generate unseen is bounded by the model's own limit, 1000 tokens, not by the cap.
        assert call.cost.source is CostSource.ESTIMATED
        assert call.cost.at_most_usd == Decimal("0.002006")

    async def test_an_answer_that_ends_where_its_money_ends_is_whole(self):
        day = Budget("day", Decimal(1), Window.DAY)
        world = make_world([*["word "] * 5, final()], budgets=[day], is_watched=True)
        await world.ask(options=SendOptions(max_tokens=5))
        assert world.answer().status is MessageStatus.COMPLETE
        assert world.ledger.calls[0].cost.source is CostSource.COMPUTED

    async def test_what_nobody_shares_may_be_used_up(self):
        world = make_world([*["word "] * 50, final()], budgets=[ceiling("1")], is_watched=True)
        await world.ask(options=SendOptions(max_tokens=5))
        assert world.answer().status is MessageStatus.COMPLETE

    async def test_an_answer_that_crosses_the_limit_is_stopped(self):
        """The provider does not keep the cap. By four bytes a token, a delta is $0.00025."""
        world = make_world(["word " * 100] * 10, tracker_limit=Decimal("0.0005"))
        stream = world.orchestrator.send_message((await world.converse()).id, "hello there")
        deltas = []
        with pytest.raises(exc.BudgetExceededError) as caught:
            await collect(stream, deltas)
        assert caught.value.mid_answer
        assert len(deltas) == 2
        answer = world.answer()
        assert (answer.status, answer.content) == (MessageStatus.STOPPED, "word " * 200)
        assert answer.cost == Decimal("0.000403")
        assert world.client.closed == 1
        assert world.events.types.count(Events.BUDGET_EXCEEDED) == 1

    @pytest.mark.parametrize("cap", [0, -5, 10.5])
    async def test_a_cap_that_makes_no_sense_is_refused(self, cap):
        world = make_world(budgets=[ceiling("1")])
        with pytest.raises(exc.ValidationError):
            await world.ask(options=SendOptions(max_tokens=cap))
        assert world.ledger.calls == []

    async def test_two_answers_at_once_share_the_budget(self):
        """The second is admitted to what the first leaves, not to the whole."""
        world = make_world(budgets=[ceiling("0.0005")])
        first, second = await world.converse(), await world.converse()
        world.client.scripts.append(["a", FOREVER])
        running = world.orchestrator.send_message(first.id, "hello there", options=SendOptions(max_tokens=200))
        await anext(running)
        world.client.scripts.append(OK)
        await world.ask("hello there", second)
        assert world.client.requests[1]["max_tokens"] == 45
        await running.aclose()


class TestJournal:
    async def test_what_came_is_written_down_before_anything_is_waited_for(self):
        world, seen = make_world(), []
        look = lambda: seen.append(journalled(world).text)  # noqa: E731 - an entry of a script
        soon = lambda: world.clock.advance(0.005)  # noqa: E731
        later = lambda: world.clock.advance(0.02)  # noqa: E731
        world.client.scripts.append(
            [WAIT, "a", look, soon, "b", look, "c", WAIT, look, soon, "d", later, "e", look, "f", WAIT, final()]
        )
        await world.ask()
        assert seen == ["a", "a", "abc", "abcde"]
        assert world.answer().content == "abcdef"

    async def test_where_waits_are_not_told_each_piece_is_written_down_at_once(self):
        world, seen = make_world(client=FakeChatClient()), []
        world.client.scripts.append(["a", "b", lambda: seen.append(journalled(world).text), final()])
        await world.ask()
        assert seen == ["ab"]

    async def test_reasoning_is_written_down_too(self):
        world, seen = make_world(), []
        world.client.scripts.append([reasoning("hm"), WAIT, lambda: seen.append(journalled(world)), "ok", final()])
        await world.ask()
        assert [(entry.text, entry.reasoning) for entry in seen] == [("", "hm")]

    async def test_nothing_is_left_when_the_database_has_it(self):
        world = make_world(OK)
        await world.ask()
        assert world.repository.journal.left() == []

    async def test_it_holds_the_request_that_was_made_last(self):
        world = make_world([exc.RateLimitError()])
        world.client.scripts.append(["a", lambda: seen.append(journalled(world).call.id), final()])
        seen = []
        await world.ask(options=PATIENT)
        assert seen == [world.ledger.calls[1].id]

    async def test_reasoning_alone_is_no_text(self):
        world = make_world([reasoning("hm"), "ok", final()])
        deltas, metadata = await world.ask()
        assert deltas == ["ok"]
        assert metadata["answer"].reasoning == "hm"
        assert world.events.types[1] == Events.REASONING_GENERATED

    async def test_latencies(self):
        world = make_world()
        second = lambda: world.clock.advance(1.0)  # noqa: E731 - an entry of a script
        world.client.scripts.append([second, "a", second, final()])
        _, metadata = await world.ask()
        assert (metadata["latency"], metadata["answer"].first_token_ms) == (2000, 1000)


class BreakingRepository(InMemoryConversationRepository):
    """Fails in the methods of `broken`, which may be those of its journal."""

    def __init__(self, *broken):
        super().__init__()
        self.broken = set(broken)
        self.journal = BreakingJournal(self)

    def finish_message(self, message):
        self.perhaps_fail("finish_message")
        super().finish_message(message)

    def perhaps_fail(self, name):
        if name in self.broken:
            raise exc.StorageError("the disk is full")


class BreakingJournal(MemoryJournal):
    def __init__(self, repository):
        super().__init__()
        self._repository = repository

    def open(self, message_id, call, conversation):
        self._repository.perhaps_fail("open")
        super().open(message_id, call, conversation)

    def append(self, message_id, text="", reasoning=""):
        self._repository.perhaps_fail("append")
        super().append(message_id, text, reasoning)

    def keep(self, message_id, unsaved):
        self._repository.perhaps_fail("keep")
        super().keep(message_id, unsaved)


class BreakingLedger(InMemoryLedger):
    def settle_call(self, call):
        raise exc.StorageError("the database is locked")


class TestStorageFailures:
    async def test_what_the_database_does_not_take_is_kept_beside_it(self):
        world = make_world(["Hel", reasoning("hm"), "lo", final()], repository=BreakingRepository("finish_message"))
        deltas, metadata = await world.ask()
        assert "".join(deltas) == metadata["answer"].content == "Hello"
        (failed,) = world.events.of(Events.STORAGE_FAILED)
        assert ("disk is full" in failed["error"].message, failed["lost"]) == (True, None)
        assert world.events.types[-1] == Events.MESSAGE_COMPLETED
        entry = journalled(world)
        assert (entry.text, entry.reasoning) == ("Hello", "hm")
        assert (entry.unsaved.call.status, entry.unsaved.call.cost.usd) == (MessageStatus.COMPLETE, Decimal("0.00005"))
        assert [message.content for message in entry.unsaved.messages] == ["hello there", "Hello"]

    async def test_a_ledger_that_fails_is_no_other_case(self):
        repository = InMemoryConversationRepository()
        world = make_world(OK, repository=repository, ledger=BreakingLedger(repository.store), budgets=[ceiling("1")])
        _, metadata = await world.ask()
        assert metadata["cost"] == Decimal("0.00005")
        assert world.events.types.count(Events.STORAGE_FAILED) == 1
        assert world.committed() == Decimal("0.00005")
        assert journalled(world).unsaved is not None

    @pytest.mark.parametrize("broken", ["append", "keep"])
    async def test_where_nothing_can_be_written_the_answer_is_delivered_all_the_same(self, broken):
        world = make_world(["Hel", "lo", final()], repository=BreakingRepository(broken, "finish_message"))
        deltas, metadata = await world.ask()
        assert "".join(deltas) == metadata["answer"].content == "Hello"
        (failed,) = world.events.of(Events.STORAGE_FAILED)
        assert "disk is full" in failed["lost"].message

    async def test_a_journal_that_fails_is_not_worth_a_word_when_the_database_has_the_answer(self):
        world = make_world(["Hel", "lo", final()], repository=BreakingRepository("append"))
        await world.ask()
        assert world.answer().content == "Hello"
        assert Events.STORAGE_FAILED not in world.events.types

    async def test_text_that_could_not_be_written_is_written_later(self):
        repository = BreakingRepository("append")
        world = make_world(repository=repository)
        seen = []
        world.client.scripts.append(
            ["a", "b", WAIT, repository.broken.clear, "c", WAIT, lambda: seen.append(journalled(world).text), final()]
        )
        await world.ask()
        assert seen == ["abc"]

    async def test_of_a_conversation_that_was_deleted_meanwhile_the_cost_is_kept(self):
        world = make_world(budgets=[ceiling("1")])
        conversation = await world.converse()
        world.client.scripts.append(["a", lambda: world.repository.delete(conversation.id), final()])
        await world.ask("hi", conversation)
        (call,) = world.ledger.calls
        assert (call.status, call.cost.usd) == (MessageStatus.COMPLETE, Decimal("0.00005"))
        assert world.repository.journal.left() == []
        assert Events.STORAGE_FAILED not in world.events.types

    async def test_without_a_journal_nothing_is_sent(self):
        world = make_world(OK, repository=BreakingRepository("open"))
        with pytest.raises(exc.StorageError):
            await world.ask()
        assert world.client.requests == []
        assert world.ledger.calls == []

    async def test_before_the_request_it_is_raised_and_nothing_is_sent(self):
        class Full(InMemoryConversationRepository):
            def add_message(self, message):
                raise exc.StorageError("the disk is full")

        world = make_world(OK, repository=Full())
        with pytest.raises(exc.StorageError):
            await world.ask()
        assert world.client.requests == []
        assert world.ledger.calls == []


class TestBreaker:
    @pytest.mark.parametrize(
        ("script", "told"),
        [
            (["a", final()], ["check", "success"]),
            ([exc.ServiceUnreachableError("x")], ["check", "failure"]),
            ([exc.ModelUnavailableError("x", 503)], ["check", "failure"]),
            ([exc.OpenRouterAPIError("x", 500)], ["check", "failure"]),
            (["a", exc.StreamInterruptedError("x")], ["check", "failure"]),
            ([exc.StreamStalledError("x")], ["check", "failure"]),
            ([exc.OpenRouterAPIError("x", 400)], ["check"]),
            ([exc.RateLimitError("x")], ["check"]),
            ([exc.ModelUnavailableError("x", 404)], ["check"]),
            ([RuntimeError("a bug of ours")], ["check"]),
        ],
        ids=lambda value: type(value[-1]).__name__ if isinstance(value, list) else None,
    )
    async def test_only_faults_of_the_service_count(self, script, told):
        breaker = Breaker()
        world = make_world(script, circuit_breaker=breaker)
        with suppress(exc.NeuralTermError, RuntimeError):
            await world.ask()
        assert breaker.log == told

    @pytest.mark.parametrize("error", [exc.AuthenticationError("x", 401), exc.TokenLimitError("x", 400)])
    async def test_a_clear_refusal_shows_that_the_service_is_there(self, error):
        breaker = Breaker()
        world = make_world([error], circuit_breaker=breaker)
        with pytest.raises(type(error)):
            await world.ask()
        assert breaker.log == ["check", "success"]

    async def test_a_reader_who_leaves_is_no_failure(self):
        breaker = Breaker()
        world = make_world(["a", "b"], circuit_breaker=breaker)
        stream = world.orchestrator.send_message((await world.converse()).id, "hi")
        await anext(stream)
        await stream.aclose()
        assert breaker.log == ["check"]

    async def test_an_open_circuit_is_not_asked(self):
        breaker = CircuitBreaker(failure_threshold=1, clock=lambda: 0.0)
        breaker.record_failure()
        world = make_world(OK, circuit_breaker=breaker)
        with pytest.raises(exc.CircuitOpenError):
            await world.ask()
        assert world.client.requests == []
        assert world.answer().status is MessageStatus.FAILED


class FakeCircuit:
    """Refuses as often as it has errors for; notes what it is told."""

    def __init__(self, *refusals, wait=0.0):
        self.refusals = list(refusals)
        self.wait = wait
        self.log = []

    def check(self):
        self.log.append("check")
        refusal = self.refusals.pop(0) if self.refusals else None
        if refusal is not None:
            raise refusal

    def record(self, error):
        self.log.append(type(error).__name__)


def asked_to_wait(seconds):
    return exc.CircuitOpenError("asked to be left alone", "ASKED_TO_WAIT", retry_after=seconds, may_wait=True)


class TestCircuits:
    def world(self, circuit, *scripts):
        self.asked = []
        return make_world(*scripts, circuits=lambda model: self.asked.append(model) or circuit)

    async def test_one_for_each_turn_by_what_it_asks_for(self):
        circuit = FakeCircuit()
        world = self.world(circuit, [exc.RateLimitError()], OK, OK)
        conversation = await world.converse()
        await world.ask("hi", conversation, options=PATIENT)
        await world.ask("hi", conversation, options=SendOptions(fallbacks=("a/b",)))
        assert self.asked == ["test/model", "test/model, a/b"]
        assert circuit.log == ["check", "RateLimitError", "check", "NoneType", "check", "NoneType"]

    async def test_what_another_process_was_asked_for_is_waited_for(self):
        world = self.world(FakeCircuit(asked_to_wait(5.0), asked_to_wait(2.0)), OK)
        await world.ask(options=PATIENT)
        assert 7.0 <= sum(world.clock.slept) <= 8.0
        assert [(call.status, call.error_code) for call in world.ledger.calls] == [
            (MessageStatus.FAILED, "ASKED_TO_WAIT"),
            (MessageStatus.FAILED, "ASKED_TO_WAIT"),
            (MessageStatus.COMPLETE, None),
        ]
        assert [call.cost.usd for call in world.ledger.calls[:2]] == [0, 0]
        assert [retried["attempt"] for retried in world.events.of(Events.REQUEST_RETRIED)] == [1, 2]

    async def test_but_no_longer_than_there_is_patience(self):
        world = self.world(FakeCircuit(asked_to_wait(40.0), asked_to_wait(30.0)), OK)
        with pytest.raises(exc.CircuitOpenError) as caught:
            await world.ask(options=PATIENT)
        assert (caught.value.retry_after, world.client.requests) == (30.0, [])
        assert world.clock.monotonic() <= 60

    @pytest.mark.parametrize(("wait", "slept"), [(45.0, [45.0]), (61.0, []), (float("inf"), [])])
    async def test_a_circuit_that_a_failure_has_opened_is_outwaited_or_the_failure_is_the_last(self, wait, slept):
        world = self.world(FakeCircuit(wait=wait), [exc.ModelUnavailableError()], OK)
        with suppress(exc.ModelUnavailableError):
            await world.ask(options=PATIENT)
        assert world.clock.slept == slept
        assert len(world.client.requests) == 1 + len(slept)

    async def test_waiting_takes_nothing_from_a_budget(self):
        circuit = FakeCircuit(asked_to_wait(5.0))
        world = make_world(OK, budgets=[DAY], circuits=lambda _: circuit)
        seen = []
        world.clock.at(5.0, lambda: seen.append(world.committed()))
        await world.ask(options=PATIENT)
        assert seen == [0]


async def test_a_bug_in_the_client_is_stored_as_what_it_was():
    world = make_world(["a", RuntimeError("a bug")])
    with pytest.raises(RuntimeError):
        await world.ask()
    assert (world.answer().content, world.answer().status) == ("a", MessageStatus.CUT)
    assert world.ledger.calls[0].error_code == "RuntimeError"
    assert "a bug" not in world.answer().content


async def test_an_answer_of_nothing_is_complete():
    world = make_world([final(TokenUsage(5, 0, 5))])
    deltas, metadata = await world.ask()
    assert deltas == []
    assert metadata["answer"].status is MessageStatus.COMPLETE
    assert prompt_messages([world.answer()]) == []


async def test_a_tracker_gets_prices_and_prompt_of_the_model_that_answers():
    world = make_world(["one two three four", final(usage=None)], tracker_limit=Decimal(1))
    await world.ask("hello there")
    assert isinstance(world.tracker, CostTracker)
    assert world.events.of(Events.MESSAGE_STARTED)[0]["prompt_tokens"] == 3
    assert world.tracker.accumulated_cost == world.ledger.calls[0].cost.usd == Decimal("0.000011")


def test_the_steps_are_not_open_to_change():
    assert Answering.__dataclass_params__.frozen


class TestTheModelThatServed:
    DEAR = OpenRouterModel("test/dear", canonical_slug="test/dear-2026", pricing={"prompt": "1", "completion": "1"})

    @pytest.mark.parametrize(
        ("served", "usd"),
        [("test/model", "0.00005"), ("test/dear", "30"), ("test/dear-2026", "30"), ("other/model", None)],
    )
    async def test_its_prices_count(self, served, usd):
        world = make_world(["ok", final(model=served)], lookup=Lookup(MODEL, self.DEAR))
        _, metadata = await world.ask(options=SendOptions(fallbacks=("test/dear",)))
        assert metadata["cost"] == (usd and Decimal(usd))

    async def test_without_fallbacks_any_name_is_the_one_that_was_asked(self):
        world = make_world(["ok", final(model="test/model-2026-01")], lookup=Lookup(MODEL))
        _, metadata = await world.ask()
        assert metadata["cost"] == Decimal("0.00005")
