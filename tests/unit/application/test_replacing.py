from decimal import Decimal
from uuid import uuid4

import pytest

from neuralterm.application.records import SendOptions
from neuralterm.application.replacing import last_exchange, without_exchange
from neuralterm.domain.budget import Budget, Window
from neuralterm.domain.exceptions import BudgetExceededError, ValidationError
from neuralterm.domain.models import Message, MessageRole
from tests.fakes.world import make_world

USER, ASSISTANT = MessageRole.USER, MessageRole.ASSISTANT


def spoken(world, conversation, **arguments):
    return [message.content for message in world.repository.get_messages(conversation.id, **arguments)]


@pytest.mark.anyio
class TestSending:
    async def test_the_last_exchange_is_replaced_and_kept(self):
        world = make_world(["better"])
        conversation = await world.converse("first", "second")
        question = last_exchange(world.repository.get_messages(conversation.id))[0]
        await world.ask("second again", conversation, options=SendOptions(replaces=question.id))
        assert [message["content"] for message in world.client.requests[0]["messages"]] == [
            "first",
            "ok",
            "second again",
        ]
        assert spoken(world, conversation) == ["first", "ok", "second again", "better"]
        assert spoken(world, conversation, withdrawn=True) == ["first", "ok", "second", "ok", "second again", "better"]

    async def test_what_is_refused_leaves_it_where_it_was(self):
        world = make_world(["never"], budgets=[Budget("day", Decimal("0.0000001"), Window.DAY)])
        conversation = await world.converse("first")
        question = last_exchange(world.repository.get_messages(conversation.id))[0]
        with pytest.raises(BudgetExceededError):
            await world.ask("again", conversation, options=SendOptions(replaces=question.id))
        assert spoken(world, conversation) == ["first", "ok"]

    async def test_a_conversation_that_has_gone_on_is_left_alone(self):
        world = make_world(["never"])
        conversation = await world.converse("first")
        question = last_exchange(world.repository.get_messages(conversation.id))[0]
        world.repository.add_message(Message(conversation_id=conversation.id, content="from elsewhere"))
        with pytest.raises(ValidationError, match="has gone on meanwhile"):
            await world.ask("again", conversation, options=SendOptions(replaces=question.id))
        assert spoken(world, conversation) == ["first", "ok", "from elsewhere"]
        assert world.client.requests == []


def test_without_an_exchange():
    system = Message(role=MessageRole.SYSTEM, content="be brief")
    asked, answered = Message(role=USER, content="a"), Message(role=ASSISTANT, content="b")
    assert without_exchange([system, asked, answered], asked.id) == [system]
    assert list(last_exchange([system])) == []
    with pytest.raises(ValidationError):
        without_exchange([system, asked], uuid4())
    with pytest.raises(ValidationError):
        without_exchange([], asked.id)
