"""Deltas that come together: one read of the network brings many."""

from decimal import Decimal

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.application.cost_tracker import CostTracker
from neuralterm.application.deltas import Deltas
from neuralterm.application.events import EventBus, Events
from neuralterm.application.journal import MemoryJournal
from neuralterm.application.orchestrator import ChatOrchestrator
from neuralterm.domain import exceptions as exc
from neuralterm.domain.models import Conversation, MessageStatus
from tests.fakes.client import WAIT, ReadingChatClient, final, known, reasoning
from tests.fakes.counter import WordCounter
from tests.fakes.events import Recorder
from tests.fakes.storage import InMemoryConversationRepository
from tests.fakes.world import MODEL, Lookup, make_world

pytestmark = pytest.mark.anyio


class CountingBus(EventBus):
    def __init__(self):
        super().__init__()
        self.emitted = []

    def emit(self, event):
        self.emitted.append(event.event_type)
        super().emit(event)


class CountingJournal(MemoryJournal):
    def __init__(self):
        super().__init__()
        self.written = []

    def append(self, message_id, text="", reasoning=""):
        self.written.append((text, reasoning))
        super().append(message_id, text, reasoning)


def joining(*scripts, **arguments):
    return make_world(*scripts, client=ReadingChatClient(), joins_reads=True, **arguments)


def unwatched(*scripts, limit=None):
    """An answer of an orchestrator that joins reads, to whom nobody listens but perhaps a budget; its bus and journal."""
    repository, bus = InMemoryConversationRepository(), CountingBus()
    repository.journal = CountingJournal()
    tracker = None
    if limit is not None:
        bus.subscribe_all(tracker := CostTracker(bus, limit))
        tracker.set_model(MODEL)
    orchestrator = ChatOrchestrator(
        repository, ReadingChatClient(*scripts), bus, WordCounter(), cost_tracker=tracker, joins_reads=True
    )
    repository.save(conversation := Conversation())
    return orchestrator.send_message(conversation.id, "hello"), bus, repository.journal


async def shown(stream, texts):
    """Read to the end or a failure, which is returned."""
    try:
        async for text, metadata in stream:
            if metadata is None:
                texts.append(text)
    except exc.NeuralTermError as error:
        return error
    return None


async def test_the_text_of_one_read_is_one_piece():
    world = joining([WAIT, "Hel", "lo", reasoning("hm"), WAIT, reasoning("so"), WAIT, " you", final()])
    deltas, metadata = await world.ask()
    assert deltas == ["Hello", " you"]
    assert metadata["answer"].content == "Hello you"
    assert metadata["answer"].reasoning == "hmso"
    assert [payload["delta"] for payload in world.events.of(Events.TOKEN_GENERATED)] == ["Hel", "lo", " you"]
    assert [payload["delta"] for payload in world.events.of(Events.REASONING_GENERATED)] == ["hm", "so"]


async def test_without_being_asked_to_each_delta_is_a_piece():
    world = make_world(["Hel", "lo", WAIT, " you", final()], client=ReadingChatClient())
    deltas, _ = await world.ask()
    assert deltas == ["Hel", "lo", " you"]


async def test_who_leaves_in_the_middle_of_a_read_keeps_what_was_handed_over():
    world = make_world(["Hel", "lo", final()], client=ReadingChatClient())
    conversation = await world.converse()
    stream = world.orchestrator.send_message(conversation.id, "hello")
    assert await anext(stream) == ("Hel", None)
    await stream.aclose()
    assert (world.answer().content, world.answer().status) == ("Hel", MessageStatus.INTERRUPTED)


async def test_nobody_listens_so_no_event_is_made_and_a_read_is_written_down_once():
    reads = [[f"{number} ", reasoning("."), "word "] * 50 for number in range(4)]
    stream, bus, journal = unwatched([item for read in reads for item in (WAIT, *read)] + [final()])
    texts = []
    assert await shown(stream, texts) is None
    assert texts == [f"{number} word " * 50 for number in range(4)]
    assert bus.emitted == [Events.MESSAGE_STARTED, Events.MESSAGE_COMPLETED]
    assert journal.written == [(text, "." * 50) for text in texts]


async def test_what_came_before_a_failure_is_handed_over_and_kept():
    world = joining(["Hel", "lo", exc.StreamInterruptedError("it broke")])
    conversation, texts = await world.converse(), []
    error = await shown(world.orchestrator.send_message(conversation.id, "hello"), texts)
    assert (texts, error.message, world.answer().content) == (["Hello"], "it broke", "Hello")
    assert world.answer().status is MessageStatus.CUT


async def test_what_the_stream_knows_at_its_end_is_in_the_answer():
    world = joining([known(generation_id="gen-1"), "a", final(provider="Acme")])
    _, metadata = await world.ask()
    assert (metadata["answer"].generation_id, metadata["answer"].provider) == ("gen-1", "Acme")


@given(
    limit=st.sampled_from(["0.00002", "0.00006", "0.0001", "0.0004"]),
    words=st.lists(st.text("ab ", max_size=9), max_size=30),
    waits=st.sets(st.integers(0, 30)),
    is_watched=st.booleans(),
)
def test_a_budget_stops_at_the_same_delta_however_they_come(limit, words, waits, is_watched):
    script = [item for at, word in enumerate(words) for item in ((WAIT, word) if at in waits else (word,))]

    async def run(joins):
        bus, repository, texts = EventBus(), InMemoryConversationRepository(), []
        bus.subscribe_all(tracker := CostTracker(bus, Decimal(limit)))
        if is_watched:
            bus.subscribe_all(Recorder())
        client = ReadingChatClient([*script, final()])
        lookup = Lookup(MODEL)
        orchestrator = ChatOrchestrator(
            repository, client, bus, WordCounter(), cost_tracker=tracker, models=lookup, joins_reads=joins
        )
        repository.save(conversation := Conversation(model_id=MODEL.id))
        error = await shown(orchestrator.send_message(conversation.id, "hello"), texts)
        answer = repository.get_messages(conversation.id)[-1]
        return "".join(texts), type(error), answer.content, answer.status

    assert anyio.run(run, True) == anyio.run(run, False)


async def test_far_from_every_limit_a_budget_does_not_look_at_each_delta():
    words = ["word "] * 400
    stream, bus, _ = unwatched([*words, WAIT, *words, final()], limit=Decimal(1))
    texts = []
    assert await shown(stream, texts) is None
    assert texts == ["word " * 400] * 2
    assert bus.emitted.count(Events.TOKEN_GENERATED) == 2


class _Looking(InMemoryConversationRepository):
    """Notes what the journal has of an answer when its end is about to be stored."""

    def finish_message(self, message):
        self.seen = self.journal.read(message.id).text
        super().finish_message(message)


async def test_all_of_it_is_in_the_journal_before_the_database_may_be_waited_for():
    world = make_world(["a", "b", "c", final()], repository=_Looking())
    await world.ask()
    assert world.repository.seen == "abc"


def test_the_bus_knows_who_listens():
    bus = EventBus()
    assert not bus.is_heard("x")
    bus.subscribe("x", Recorder())
    assert bus.is_heard("x")
    assert not bus.is_heard("y")
    bus.subscribe_all(somebody := Recorder())
    assert bus.is_heard("y")
    assert not bus.is_heard("y", besides=somebody)
    assert bus.is_heard("x", besides=somebody)


def test_deltas_are_kept_in_their_order():
    deltas = Deltas()
    assert not deltas
    deltas.add_contents(["a", "b"])
    deltas.add_reasonings(["hm"])
    deltas.add("c", "so")
    assert list(deltas) == [("a", ""), ("b", ""), ("", "hm"), ("c", "so")]
    assert len(deltas) == 4
