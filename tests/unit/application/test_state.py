import json
from decimal import Decimal
from uuid import uuid4

import pytest

from neuralterm.application.events import DomainEvent, Events
from neuralterm.application.state import SessionState
from neuralterm.domain.models import Conversation, Message, MessageRole, MessageStatus, TokenUsage
from tests.fakes.client import final
from tests.fakes.storage import InMemoryConversationRepository
from tests.fakes.world import MODEL, make_world

CONVERSATION_ID = uuid4()


def emit(state, event_type, **payload):
    state.on_event(DomainEvent(event_type, CONVERSATION_ID, payload))


def complete(state, cost, tokens=30):
    usage = None if tokens is None else TokenUsage(10, tokens - 10, tokens)
    emit(state, Events.MESSAGE_COMPLETED, usage=usage, cost=cost and Decimal(cost), answer=None)


def test_it_follows_an_answer():
    state = SessionState()
    emit(state, Events.MESSAGE_STARTED, model="a/b")
    assert (state.conversation_id, state.model_id, state.is_streaming) == (CONVERSATION_ID, "a/b", True)
    emit(state, Events.TOKEN_GENERATED, delta="x")
    complete(state, "0.0000001")
    assert (state.is_streaming, state.answers, state.total_tokens) == (False, 1, 30)
    assert state.known_cost == Decimal("0.0000001")


def test_what_is_not_known_is_counted_apart():
    state = SessionState()
    complete(state, "0.25")
    complete(state, None, tokens=None)
    complete(state, "0")
    assert (state.known_cost, state.unknown_costs, state.answers, state.total_tokens) == (Decimal("0.25"), 1, 3, 60)


def test_an_error_ends_the_answer_and_the_next_one_forgets_it():
    state = SessionState()
    emit(state, Events.MESSAGE_STARTED, model="a/b")
    state.note_error("it broke")
    assert (state.is_streaming, state.last_error) == (False, "it broke")
    emit(state, Events.MESSAGE_STARTED, model=None)
    assert (state.is_streaming, state.last_error, state.model_id) == (True, None, "a/b")


def test_it_survives_as_json():
    state = SessionState(
        conversation_id=CONVERSATION_ID,
        model_id="a/b",
        known_cost=Decimal("1E-7"),
        unknown_costs=2,
        total_tokens=5,
        answers=3,
        is_streaming=True,
        last_error="x",
    )
    stored = json.loads(json.dumps(state.to_dict()))
    assert stored["known_cost"] == "0.0000001"
    again = SessionState.from_dict(stored)
    assert not again.is_streaming, "what streamed then does not stream now"
    state.is_streaming = False
    assert again == state


def test_nothing_stored_is_a_fresh_state():
    assert SessionState.from_dict({}) == SessionState()
    assert SessionState.from_dict(SessionState().to_dict()) == SessionState()


def test_it_resumes_with_the_conversation_that_was_changed_last():
    repository = InMemoryConversationRepository()
    assert SessionState.resume(repository) == SessionState()
    for model_id in ("a/old", "a/newer"):
        conversation = Conversation(model_id=model_id)
        repository.save(conversation)
    answer = Message(conversation_id=conversation.id, role=MessageRole.ASSISTANT, status=MessageStatus.PENDING)
    repository.add_message(answer)
    answer.cost, answer.token_usage = Decimal("0.5"), TokenUsage(1, 2, 3)
    repository.finish_message(answer)
    assert SessionState.resume(repository) == SessionState(
        conversation_id=conversation.id, model_id="a/newer", known_cost=Decimal("0.5"), total_tokens=3
    )


@pytest.mark.anyio
async def test_it_is_fed_by_the_orchestrator():
    world, state = make_world(["ok", final()]), SessionState()
    world.bus.subscribe_all(state)
    _, metadata = await world.ask()
    assert state.model_id == MODEL.id
    assert (state.known_cost, state.total_tokens) == (metadata["cost"], 30)
    assert state.last_answer is metadata["answer"]
