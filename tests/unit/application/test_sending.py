from decimal import Decimal
from uuid import uuid4

import pytest

from neuralterm.application.records import SendOptions
from neuralterm.application.sending import SendRequest, send, title_of
from neuralterm.domain import exceptions as exc
from neuralterm.domain.budget import Budget, Window
from neuralterm.domain.models import MessageStatus
from tests.fakes.client import final
from tests.fakes.storage import InMemoryConversationRepository
from tests.fakes.world import MODEL, make_world

pytestmark = pytest.mark.anyio

OK = ["o", "k", final()]


async def run(world, show=lambda text: None, prompt="hello there", options=None, **arguments):
    arguments.setdefault("default_model", MODEL.id)
    request = SendRequest(prompt, options or SendOptions(), **arguments)
    return await send(request, world.orchestrator, world.repository, show)


async def test_a_prompt_begins_a_conversation_of_its_own():
    world, shown = make_world(OK), []
    answer = await run(world, shown.append, prompt="\n  First line \nsecond", options=SendOptions(tags=("ci",)))
    assert shown == ["o", "k"]
    assert (answer.content, answer.status) == ("ok", MessageStatus.COMPLETE)
    conversation = world.repository.get_by_id(answer.conversation_id)
    assert (conversation.title, conversation.model_id, conversation.tags) == ("First line", MODEL.id, ("ci",))
    assert world.client.requests[0]["temperature"] is None


async def test_model_title_and_temperature_are_the_users():
    world = make_world(OK)
    answer = await run(world, options=SendOptions(model="other/model"), title="Mine", temperature=0.1)
    conversation = world.repository.get_by_id(answer.conversation_id)
    assert (conversation.title, conversation.model_id) == ("Mine", "other/model")
    assert (world.client.requests[0]["model"], world.client.requests[0]["temperature"]) == ("other/model", 0.1)


async def test_the_last_conversation_goes_on():
    world = make_world(OK, OK)
    first = await run(world, prompt="one")
    second = await run(world, prompt="two", continue_last=True, title="Renamed")
    assert second.conversation_id == first.conversation_id
    assert [message["content"] for message in world.client.requests[1]["messages"]] == ["one", "ok", "two"]
    assert world.repository.get_by_id(first.conversation_id).title == "Renamed"


async def test_a_conversation_that_another_process_is_just_beginning_is_not_the_last_one():
    world = make_world(OK, OK)
    first = await run(world, prompt="one")
    world.clock.advance(1)
    await world.orchestrator.create_conversation("about to ask", system_prompt="be brief")
    assert (await run(world, prompt="two", continue_last=True)).conversation_id == first.conversation_id


async def test_a_conversation_is_found_by_the_beginning_of_its_id():
    world = make_world(OK)
    conversation = await world.converse("before")
    answer = await run(world, conversation=str(conversation.id)[:8].upper())
    assert answer.conversation_id == conversation.id


async def test_a_conversation_that_is_not_there():
    world = make_world()
    with pytest.raises(exc.NotFoundError):
        await run(world, conversation=str(uuid4()))
    with pytest.raises(exc.NotFoundError):
        await run(world, continue_last=True)
    assert world.store.tables.conversations == {}


@pytest.mark.parametrize(
    ("prompt", "error"), [(" ", exc.ValidationError), ("word " * 100, exc.BudgetExceededError)], ids=["empty", "budget"]
)
async def test_a_prompt_that_is_refused_leaves_no_empty_conversation(prompt, error):
    world = make_world(budgets=[Budget("ceiling", Decimal("0.00001"), Window.CALL)])
    with pytest.raises(error):
        await run(world, prompt=prompt)
    assert world.store.tables.conversations == {}


async def test_a_database_that_fails_does_not_hide_what_went_wrong_before():
    class Unreadable(InMemoryConversationRepository):
        def get_messages(self, conversation_id, **options):
            if world.client.requests:
                raise exc.StorageError("the database is locked")
            return super().get_messages(conversation_id, **options)

    world = make_world(OK, [exc.RateLimitError()], repository=Unreadable())
    assert (await run(world)).content == "ok"
    world.client.requests.clear()
    with pytest.raises(exc.RateLimitError):
        await run(world)


async def test_a_conversation_that_was_there_stays():
    world = make_world(budgets=[Budget("ceiling", Decimal("0.00001"), Window.CALL)])
    conversation = await world.converse()
    with pytest.raises(exc.BudgetExceededError):
        await run(world, conversation=str(conversation.id))
    assert world.repository.get_by_id(conversation.id) is not None


async def test_a_failed_answer_keeps_its_question():
    world = make_world([exc.RateLimitError()])
    with pytest.raises(exc.RateLimitError):
        await run(world)
    (conversation,) = world.store.tables.conversations
    assert [message.content for message in world.repository.get_messages(conversation)] == ["hello there", ""]


async def test_a_reader_that_breaks_stops_the_answer():
    """A closed pipe raises where the text is shown; what came until then is kept."""

    def show(text):
        raise BrokenPipeError

    world = make_world(OK)
    with pytest.raises(BrokenPipeError):
        await run(world, show)
    assert (world.answer().content, world.answer().status) == ("o", MessageStatus.INTERRUPTED)
    assert world.client.closed == 1


@pytest.mark.parametrize(
    ("prompt", "title"),
    [("short", "short"), ("\n\n  a\nb", "a"), ("x" * 60, "x" * 60), ("x" * 61, "x" * 59 + "…"), (" ", ""), ("", "")],
)
def test_titles(prompt, title):
    assert title_of(prompt) == title


@pytest.mark.parametrize(
    ("prompt", "title"),
    [
        ("---\n***\nThe plan", "The plan"),
        ("# A heading\n\ntext", "A heading"),
        ("- an item\n- another", "an item"),
        ("```python\nprint(1)\n```\n\nWhat does it print?", "What does it print?"),
        ("```python\nprint(1)\n```\nWhat does it print?", "What does it print?"),
        ("```\nleft open", "left open"),
        ("```\ncode\n```" + " " * 2000, "code"),
        ("notes.md:\nOur notes\n \nSum this up", "Sum this up"),
        ("notes.md:\nOur notes\n\nSum this up", "Sum this up"),
        ("src/a/b:\nfirst\n\nsecond line\nthird", "first"),
        ("~~~\ncode\n~~~", "code"),
        ("```\n```", "```"),
        ("notes.md:\nOur notes", "Our notes"),
        ("Hello: a question", "Hello: a question"),
        ("What is this?\n\nnotes.md:\ntext", "What is this?"),
        ("!!!", "!!!"),
        ("#", "#"),
        ("a log\n" * 9 + "\nwhy", "a log"),
        ("word " * 11 + "overlong word", "word " * 10 + "word…"),
        ("ab " + "x" * 80, "ab " + "x" * 56 + "…"),
        ("天气" * 40, "天气" * 29 + "天…"),
        ("x" * 58 + "e\u0301" * 5, "x" * 58 + "…"),
        ("x" * 57 + "👨\u200d👩\u200d👧" + "yyy", "x" * 57 + "…"),
    ],
)
def test_a_title_says_what_the_prompt_is_about(prompt, title):
    assert title_of(prompt) == title
