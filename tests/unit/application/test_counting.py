import pytest

from neuralterm.application.counting import with_bounds
from neuralterm.application.orchestrator import ChatOrchestrator
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.exceptions import TokenLimitError
from neuralterm.domain.models import Message, MessageRole
from tests.fakes.client import FakeChatClient, final
from tests.fakes.counter import PlainWordCounter, WordCounter
from tests.fakes.events import loud_bus
from tests.fakes.storage import InMemoryConversationRepository
from tests.fakes.world import MODEL


def message(content):
    return Message(conversation_id=None, role=MessageRole.USER, content=content)


def test_a_counter_with_bounds_stays_as_it_is():
    counter = WordCounter()
    assert with_bounds(counter) is counter


@pytest.mark.parametrize("content", ["", "plain words", "naïve ✓ 日本語", "\ud800"])
def test_the_bound_is_at_least_the_bytes_of_the_texts(content):
    size = len(content.encode("utf-8", "surrogatepass"))
    bound = with_bounds(PlainWordCounter()).upper_bound([message(content)] * 2)
    assert 2 * size < bound <= 2 * size + 200


def test_what_fits_is_told_by_the_count():
    counter = with_bounds(PlainWordCounter())
    assert counter.fits([message("one two")], "m", 3)
    assert not counter.fits([message("one two three")], "m", 3)


@pytest.mark.anyio
async def test_the_orchestrator_works_with_a_counter_that_only_counts():
    client = FakeChatClient(["Hel", "lo", final()], models=[MODEL])
    orchestrator = ChatOrchestrator(InMemoryConversationRepository(), client, loud_bus(), PlainWordCounter())
    await orchestrator.load_models()
    conversation = await orchestrator.create_conversation(model_id=MODEL.id)
    items = [item async for item in orchestrator.send_message(conversation.id, "hello there")]
    assert "".join(delta for delta, _ in items) == "Hello"
    assert items[-1][1]["usage"] is not None


@pytest.mark.anyio
async def test_it_still_refuses_what_the_window_does_not_hold():
    tiny = OpenRouterModel("test/tiny", context_length=3)
    orchestrator = ChatOrchestrator(
        InMemoryConversationRepository(), FakeChatClient(models=[tiny]), loud_bus(), PlainWordCounter()
    )
    await orchestrator.load_models()
    conversation = await orchestrator.create_conversation(model_id=tiny.id)
    with pytest.raises(TokenLimitError):
        await anext(orchestrator.send_message(conversation.id, "one two three"))
