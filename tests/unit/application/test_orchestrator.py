import contextlib
import inspect
from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import anyio
import pytest

from neuralterm.application.context import TRUNCATION_MARKER
from neuralterm.application.events import Events
from neuralterm.application.orchestrator import ChatOrchestrator
from neuralterm.application.ports import ChatClient
from neuralterm.application.records import SendOptions
from neuralterm.domain.budget import Budget, Scope, Window
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.exceptions import (
    BudgetExceededError,
    ModelUnavailableError,
    NotFoundError,
    ServiceUnreachableError,
    StreamInterruptedError,
    TokenLimitError,
    ValidationError,
)
from neuralterm.domain.models import CostSource, MessageRole, MessageStatus, TokenUsage
from neuralterm.infrastructure.circuit_breaker import CircuitBreaker, CircuitState
from tests.fakes.client import USAGE, FakeChatClient, final
from tests.fakes.counter import WordCounter
from tests.fakes.events import Recorder, loud_bus
from tests.fakes.storage import InMemoryConversationRepository
from tests.fakes.world import MODEL, Lookup, collect, make_world

pytestmark = pytest.mark.anyio


async def test_create_conversation():
    world = make_world()
    conversation = await world.orchestrator.create_conversation("Weather", "test/model", tags=("ci",))
    stored = world.repository.get_by_id(conversation.id)
    assert (stored.title, stored.model_id, stored.tags) == ("Weather", "test/model", ("ci",))
    assert stored.total_cost == 0
    assert world.repository.get_messages(conversation.id) == []


async def test_create_conversation_with_system_prompt():
    world = make_world()
    conversation = await world.orchestrator.create_conversation(system_prompt="Be brief.")
    (system,) = world.repository.get_messages(conversation.id)
    assert (system.role, system.content) == (MessageRole.SYSTEM, "Be brief.")
    assert conversation.model_id == "openai/gpt-4o-mini"


@pytest.mark.parametrize("content", ["", " ", "\n\t "])
async def test_send_message_validates_empty_input(content):
    world = make_world()
    conversation = await world.converse()
    with pytest.raises(ValidationError) as caught:
        await world.ask(content, conversation)
    assert caught.value.code == "EMPTY_INPUT"
    assert world.client.requests == []
    assert world.repository.get_messages(conversation.id) == []
    assert world.ledger.calls == []


async def test_send_message_validates_long_input():
    world = make_world(["ok", final()])
    conversation = await world.converse()
    with pytest.raises(ValidationError) as caught:
        await world.ask("x" * 32_001, conversation)
    assert caught.value.code == "INPUT_TOO_LONG"
    assert world.client.requests == []
    await world.ask("x" * 32_000, conversation)
    assert len(world.client.requests) == 1


async def test_the_length_limit_can_be_left_to_the_window():
    world = make_world(["ok", final()], max_input_chars=None)
    await world.ask("x" * 40_000)
    assert len(world.client.requests[0]["messages"][-1]["content"]) == 40_000


async def test_send_message_validates_conversation_exists():
    world = make_world()
    with pytest.raises(NotFoundError):
        await anext(world.orchestrator.send_message(uuid4(), "hello"))
    assert world.client.requests == []


async def test_a_conversation_that_is_deleted_meanwhile_is_not_found():
    """Another process may delete it after it was found, and before anything is stored in it."""

    class Deleting(Lookup):
        def cached(self, model_id):
            world.repository.delete(conversation.id)
            return super().cached(model_id)

    world = make_world(lookup=Deleting(MODEL))
    conversation = await world.converse()
    with pytest.raises(NotFoundError):
        await world.ask("hello", conversation)
    assert world.client.requests == []
    assert world.ledger.calls == []


async def test_send_message_truncates_context():
    small = OpenRouterModel(id=MODEL.id, pricing=MODEL.pricing, context_length=60)
    world = make_world(["ok", final()], lookup=Lookup(small))
    conversation = await world.converse(*(f"question {number} of many words indeed" for number in range(10)))
    await world.ask("the newest question", conversation)

    sent = [message["content"] for message in world.client.requests[0]["messages"]]
    assert sent[0] == TRUNCATION_MARKER
    assert sent[-1] == "the newest question"
    (event,) = world.events.of(Events.CONTEXT_TRUNCATED)
    assert event["original_count"] == 21
    assert event["new_count"] == len(sent)
    assert event["dropped"] == 21 - (len(sent) - 1)
    stored = [message.content for message in world.repository.get_messages(conversation.id)]
    assert TRUNCATION_MARKER not in stored
    assert len(stored) == 22


async def test_one_message_that_does_not_fit_is_refused_not_cut():
    small = OpenRouterModel(id=MODEL.id, pricing=MODEL.pricing, context_length=60)
    world = make_world(lookup=Lookup(small))
    conversation = await world.converse()
    with pytest.raises(TokenLimitError):
        await world.ask("word " * 70, conversation)
    assert world.client.requests == []
    assert world.repository.get_messages(conversation.id) == []


async def test_send_message_emits_events():
    world = make_world(["Hel", "lo", final()])
    conversation = await world.converse()
    await world.ask("hi", conversation)
    assert world.events.types == [
        Events.MESSAGE_STARTED,
        Events.TOKEN_GENERATED,
        Events.TOKEN_GENERATED,
        Events.MESSAGE_COMPLETED,
    ]
    assert {event.conversation_id for event in world.events.events} == {conversation.id}
    assert [payload["delta"] for payload in world.events.of(Events.TOKEN_GENERATED)] == ["Hel", "lo"]
    (completed,) = world.events.of(Events.MESSAGE_COMPLETED)
    assert completed["usage"] == USAGE
    assert completed["status"] is MessageStatus.COMPLETE
    assert completed["answer"].content == "Hello"


async def test_deltas_come_first_and_metadata_last():
    world = make_world(["Hel", "lo", final(model="test/model-2026", provider="P")])
    deltas, metadata = await world.ask()
    assert deltas == ["Hel", "lo"]
    assert metadata["usage"] == USAGE
    assert metadata["cost"] == Decimal("0.00005")
    assert metadata["latency"] == 0
    assert metadata["message_id"] == world.answer().id
    assert metadata["answer"].model == "test/model-2026"
    assert metadata["answer"].requested_model == "test/model"


async def test_deltas_pass_while_the_answer_is_still_coming():
    """The first delta is delivered, and journalled, before the second is asked for."""
    world = make_world()
    conversation = await world.converse()
    seen = []

    def look():
        seen.append(world.repository.get_messages(conversation.id)[-1])

    world.client.scripts.append(["one ", look, "two", final()])
    stream = world.orchestrator.send_message(conversation.id, "count")
    assert await anext(stream) == ("one ", None)
    assert seen == []
    await stream.aclose()

    world.client.scripts.append(["one ", look, "two", final()])
    await world.ask("count", conversation)
    assert (seen[0].content, seen[0].status) == ("one ", MessageStatus.PENDING)


async def test_question_and_pending_answer_are_stored_before_the_request():
    world = make_world()
    conversation = await world.converse()
    seen = []

    def look():
        seen.extend(world.repository.get_messages(conversation.id))
        seen.extend(world.ledger.calls)

    world.client.scripts.append([look, "ok", final()])
    await world.ask("hi", conversation)
    question, answer, call = seen
    assert (question.role, question.content) == (MessageRole.USER, "hi")
    assert (answer.role, answer.status, answer.cost) == (MessageRole.ASSISTANT, MessageStatus.PENDING, None)
    assert (call.status, call.message_id, call.cost.usd) == (MessageStatus.PENDING, answer.id, None)


async def test_send_message_handles_streaming_errors():
    error = ModelUnavailableError("overloaded", retryable=True)
    world = make_world([error])
    conversation = await world.converse()
    with pytest.raises(ModelUnavailableError) as caught:
        await world.ask("hi", conversation)
    assert caught.value is error
    question, answer = world.repository.get_messages(conversation.id)
    assert question.content == "hi"
    assert (answer.status, answer.content, answer.cost) == (MessageStatus.FAILED, "", Decimal(0))
    (call,) = world.ledger.calls
    assert (call.status, call.error_code) == (MessageStatus.FAILED, "MODEL_UNAVAILABLE")
    assert world.events.types[-1] == Events.MESSAGE_COMPLETED


async def test_send_message_saves_partial_on_error():
    world = make_world(["Half an ", "answer", StreamInterruptedError("the stream ended early")])
    conversation = await world.converse()
    stream = world.orchestrator.send_message(conversation.id, "hi")
    got = []
    with pytest.raises(StreamInterruptedError):
        await collect(stream, got)
    assert got == ["Half an ", "answer"]
    answer = world.repository.get_messages(conversation.id)[-1]
    assert (answer.content, answer.status) == ("Half an answer", MessageStatus.CUT)
    (completed,) = world.events.of(Events.MESSAGE_COMPLETED)
    assert completed["status"] is MessageStatus.CUT
    assert completed["cost"] == answer.cost > 0


async def test_a_partial_answer_is_fed_back_as_what_it_is():
    world = make_world(["Half", StreamInterruptedError("cut")], ["whole", final()])
    conversation = await world.converse()
    with pytest.raises(StreamInterruptedError):
        await world.ask("first", conversation)
    await world.ask("go on", conversation)
    sent = [(message["role"], message["content"]) for message in world.client.requests[1]["messages"]]
    assert sent[:2] == [("user", "first"), ("assistant", "Half")]
    assert sent[2][0] == "system"
    assert "incomplete" in sent[2][1]
    assert sent[3:] == [("user", "go on")]


async def test_a_failed_question_is_not_sent_again_with_the_next():
    world = make_world([ModelUnavailableError()], ["ok", final()])
    conversation = await world.converse()
    with pytest.raises(ModelUnavailableError):
        await world.ask("first", conversation)
    await world.ask("second", conversation)
    assert [message["content"] for message in world.client.requests[1]["messages"]] == ["second"]


@pytest.mark.parametrize("after", [0, 1, 2])
async def test_closing_early_keeps_the_partial(after):
    world = make_world(["a", "b", "c", final()])
    conversation = await world.converse()
    stream = world.orchestrator.send_message(conversation.id, "hi")
    for _ in range(after):
        await anext(stream)
    await stream.aclose()
    answers = world.repository.get_messages(conversation.id)
    if after == 0:  # a generator that was never started does nothing
        assert answers == []
        assert world.client.requests == []
        return
    assert (answers[-1].content, answers[-1].status) == ("abc"[:after], MessageStatus.INTERRUPTED)
    assert answers[-1].cost > 0
    (call,) = world.ledger.calls
    assert call.status is MessageStatus.INTERRUPTED
    assert world.client.closed == 1
    assert world.events.types.count(Events.MESSAGE_COMPLETED) == 1


async def test_cancellation_keeps_the_partial():
    world = make_world()
    conversation = await world.converse()
    with anyio.CancelScope() as scope:
        world.client.scripts.append(["paid ", "for", scope.cancel, "never"])
        await world.ask("hi", conversation)
    assert scope.cancelled_caught
    answer = world.repository.get_messages(conversation.id)[-1]
    assert (answer.content, answer.status) == ("paid for", MessageStatus.INTERRUPTED)
    (call,) = world.ledger.calls
    assert call.cost.usd == answer.cost > 0
    assert world.events.types[-1] == Events.MESSAGE_COMPLETED


async def test_cancellation_before_any_text_leaves_the_cost_unknown():
    world = make_world()
    with anyio.CancelScope() as scope:
        world.client.scripts.append([scope.cancel, "never"])
        await world.ask()
    (call,) = world.ledger.calls
    assert call.cost.usd is None
    assert call.cost.at_most_usd > 0
    assert world.answer().status is MessageStatus.INTERRUPTED


async def test_streaming_not_wrapped_in_circuit():
    """The stream is an async generator: the breaker is asked before it and told after it, and never awaits it."""
    breaker = CircuitBreaker(failure_threshold=2, clock=lambda: 0.0)
    world = make_world(["one ", "two", final()], circuit_breaker=breaker)
    deltas, _ = await world.ask()
    assert deltas == ["one ", "two"]
    assert breaker.state is CircuitState.CLOSED
    assert inspect.isasyncgenfunction(ChatOrchestrator.send_message)

    conversation = await world.converse()
    for _ in range(2):
        world.client.scripts.append([ServiceUnreachableError("no route")])
        with pytest.raises(ServiceUnreachableError):
            await world.ask("hi", conversation)
    assert breaker.state is CircuitState.OPEN


async def test_an_orchestrator_needs_only_four_things():
    """The client has the parameters of the contract and no more: others are passed only when they are set."""
    repository, client = InMemoryConversationRepository(), FakeChatClient(["hi", final()], models=[MODEL])
    assert inspect.signature(client.chat_completion_stream).parameters.keys() == (
        inspect.signature(ChatClient.chat_completion_stream).parameters.keys() - {"self"}
    )
    events, bus = Recorder(), loud_bus()
    bus.subscribe_all(events)
    orchestrator = ChatOrchestrator(repository, client, bus, WordCounter())
    assert orchestrator.get_model_config(MODEL.id) is None
    assert await orchestrator.load_models() == [MODEL]
    assert orchestrator.get_model_config(MODEL.id) is MODEL
    conversation = await orchestrator.create_conversation(model_id=MODEL.id)
    pairs = [pair async for pair in orchestrator.send_message(conversation.id, "hello", temperature=0.2)]
    assert pairs[0] == ("hi", None)
    assert pairs[-1][1]["cost"] == Decimal("0.00005")
    assert client.requests == [
        {
            "messages": [{"role": "user", "content": "hello"}],
            "model": MODEL.id,
            "temperature": 0.2,
            "max_tokens": None,
        }
    ]


async def test_a_bare_client_is_closed_when_the_reader_leaves():
    client = FakeChatClient(["a", "b", final()])
    world = make_world(client=client)
    conversation = await world.converse()
    async with contextlib.aclosing(world.orchestrator.send_message(conversation.id, "hi")) as stream:
        await anext(stream)
    assert client.closed == 1


async def test_options_reach_the_request():
    world = make_world(["ok", final()], lookup=Lookup(MODEL, OpenRouterModel(id="other/model")))
    conversation = await world.converse()
    options = SendOptions(
        max_tokens=7,
        extra={"seed": 3},
        fallbacks=("other/model",),
        stream=False,
        system_prompt="Be brief.",
        tags=("ci",),
        run_id="job-1",
    )
    await world.ask("hi", conversation, temperature=None, options=options)
    (request,) = world.client.requests
    assert request["messages"][0] == {"role": "system", "content": "Be brief."}
    assert request["max_tokens"] == 7
    assert request["temperature"] is None
    assert request["extra"] == {"seed": 3, "models": [MODEL.id, "other/model"]}
    assert request["stream"] is False
    (call,) = world.ledger.calls
    assert (call.tags, call.run_id) == (("ci",), "job-1")
    assert world.repository.get_by_id(conversation.id).tags == ("ci",)


async def test_a_system_prompt_is_stored_only_where_it_differs():
    world = make_world(*(["ok", final()] for _ in range(3)))
    conversation = await world.converse()
    for prompt in ("Be brief.", "Be brief.", "Be long."):
        await world.ask("hi", conversation, options=SendOptions(system_prompt=prompt))
    systems = [m for m in world.repository.get_messages(conversation.id) if m.role is MessageRole.SYSTEM]
    assert [message.content for message in systems] == ["Be brief.", "Be long."]


async def test_the_conversation_takes_the_model_of_its_last_answer():
    world = make_world(["ok", final()])
    conversation = await world.converse()
    await world.ask("hi", conversation, options=SendOptions(model="other/model"))
    assert world.client.requests[0]["model"] == "other/model"
    assert world.repository.get_by_id(conversation.id).model_id == "other/model"


async def test_a_cap_is_sent_under_the_name_the_model_knows():
    picky = OpenRouterModel(id=MODEL.id, supported_parameters=("max_completion_tokens",))
    world = make_world(["ok", final()], lookup=Lookup(picky))
    await world.ask(options=SendOptions(max_tokens=50))
    (request,) = world.client.requests
    assert request["max_tokens"] is None
    assert request["extra"] == {"max_completion_tokens": 50}


class Unlisted(Lookup):
    """Knows no model before it has asked."""

    def cached(self, model_id):
        return None


class TestWhenTheServiceIsAskedForTheModel:
    async def test_not_for_a_short_prompt_without_a_budget(self):
        lookup = Lookup(MODEL)
        await make_world(["ok", final()], lookup=lookup).ask()
        assert lookup.asked == []

    async def test_where_a_budget_for_models_may_know_it_by_another_name(self):
        entry = replace(MODEL, canonical_slug="other/name")
        lookup = Unlisted(entry)
        world = make_world(
            lookup=lookup, budgets=[Budget("other", Decimal(0), Window.DAY, scope=Scope(model="other/*"))]
        )
        with pytest.raises(BudgetExceededError, match="the budget other of"):
            await world.ask()
        assert lookup.asked == [MODEL.id]

    async def test_under_a_budget_once(self):
        lookup = Lookup(MODEL)
        budgets = [Budget("ceiling", Decimal(1), Window.CALL)]
        world = make_world(["ok", final()], ["ok", final()], lookup=lookup, budgets=budgets)
        await world.ask()
        await world.ask()
        assert lookup.asked == [MODEL.id]

    async def test_for_a_long_prompt_and_never_mind_if_it_does_not_know(self):
        lookup = Lookup(error=ServiceUnreachableError("no route"))
        world = make_world(["ok", final()], lookup=lookup, max_input_chars=None)
        await world.ask("word " * 2000)
        assert lookup.asked == [MODEL.id]

    async def test_not_for_ever(self):
        lookup = Unlisted(hangs=True)
        world = make_world(["ok", final()], lookup=lookup, lookup_patience=0.01)
        deltas, metadata = await world.ask()
        assert (deltas, metadata["cost"]) == (["ok"], None)
        assert lookup.asked == [MODEL.id]

    async def test_after_an_answer_whose_cost_was_not_told(self):
        lookup = Unlisted(MODEL)
        _, metadata = await make_world(["ok", final()], lookup=lookup).ask()
        assert lookup.asked == [MODEL.id]
        assert metadata["answer"].cost.source is CostSource.COMPUTED
        assert metadata["cost"] == Decimal("0.00005")

    async def test_not_after_an_answer_whose_cost_was_told(self):
        lookup = Unlisted(MODEL)
        told = TokenUsage(10, 20, 30, cost=Decimal("0.1"))
        await make_world(["ok", final(told)], lookup=lookup).ask()
        assert lookup.asked == []

    async def test_an_answer_survives_that_nobody_knows_its_price(self):
        lookup = Unlisted(error=ServiceUnreachableError("no route"))
        world = make_world(["ok", final()], ["ok", final()], lookup=lookup)
        for _ in range(2):
            _, metadata = await world.ask()
            assert (metadata["answer"].status, metadata["cost"]) == (MessageStatus.COMPLETE, None)
        assert lookup.asked == [MODEL.id]

    async def test_under_a_budget_not_knowing_is_an_error(self):
        lookup = Lookup(error=ServiceUnreachableError("no route"))
        world = make_world(lookup=lookup, budgets=[Budget("ceiling", Decimal(1), Window.CALL)])
        with pytest.raises(ServiceUnreachableError):
            await world.ask()
        assert world.client.requests == []
