"""An orchestrator with fakes all round it."""

from dataclasses import dataclass
from typing import Any

import anyio

from neuralterm.application.cost_tracker import CostTracker
from neuralterm.application.events import EventBus
from neuralterm.application.orchestrator import ChatOrchestrator
from neuralterm.application.spending import SpendingGate
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.models import Conversation, Message
from tests.fakes.client import FakeChatClient, FullChatClient
from tests.fakes.clock import FakeClock
from tests.fakes.counter import WordCounter
from tests.fakes.events import Recorder, loud_bus
from tests.fakes.processes import FakeProcesses
from tests.fakes.storage import InMemoryConversationRepository, InMemoryLedger, MemoryStore

# Round prices: $1 a million prompt tokens, $2 a million output tokens.
MODEL = OpenRouterModel(
    id="test/model",
    pricing={"prompt": "0.000001", "completion": "0.000002"},
    context_length=8000,
    max_completion_tokens=1000,
)


class Breaker:
    """Notes what it is told; refuses with `error` when it has one."""

    def __init__(self, error=None):
        self.error = error
        self.log = []

    def check(self):
        self.log.append("check")
        if self.error is not None:
            raise self.error

    def record_success(self):
        self.log.append("success")

    def record_failure(self):
        self.log.append("failure")


class Lookup:
    """Finds models; `asked` are the ids for which the service would have been asked."""

    def __init__(self, *models, error=None, hangs=False):
        self._models = {model.id: model for model in models}
        self._error = error
        self._hangs = hangs
        self.asked = []

    def cached(self, model_id):
        return self._models.get(model_id)

    async def find(self, model_id):
        self.asked.append(model_id)
        if self._hangs:
            await anyio.sleep_forever()
        if self._error is not None:
            raise self._error
        return self._models.get(model_id)


@dataclass
class World:
    orchestrator: ChatOrchestrator
    repository: InMemoryConversationRepository
    ledger: InMemoryLedger
    client: FakeChatClient
    bus: EventBus
    events: Recorder
    clock: FakeClock
    spending: SpendingGate
    tracker: CostTracker | None
    processes: FakeProcesses | None = None
    counter: Any = None

    @property
    def store(self) -> MemoryStore:
        return self.ledger.store

    async def converse(self, *texts: str, **options: Any) -> Conversation:
        """A conversation with the model of the tests; each text is a question that was answered with "ok"."""
        from neuralterm.domain.models import MessageRole

        options.setdefault("model_id", MODEL.id)
        conversation = await self.orchestrator.create_conversation(**options)
        for text in texts:
            for role, content in ((MessageRole.USER, text), (MessageRole.ASSISTANT, "ok")):
                self.repository.add_message(Message(conversation_id=conversation.id, role=role, content=content))
        return conversation

    async def ask(self, content="hello there", conversation=None, **arguments: Any):
        """Send one message; return the deltas and the metadata."""
        conversation = conversation or await self.converse()
        pairs = [pair async for pair in self.orchestrator.send_message(conversation.id, content, **arguments)]
        assert all(metadata is None for _, metadata in pairs[:-1])
        assert pairs[-1][0] == ""
        return [delta for delta, _ in pairs[:-1]], pairs[-1][1]

    def committed(self):
        """What of the first budget is spent or reserved."""
        return self.spending.status(self.spending.budgets[0]).committed_usd

    def answer(self) -> Message:
        """The message that was stored last."""
        return list(self.store.tables.messages.values())[-1]


def make_world(
    *scripts,
    budgets=(),
    lookup: Lookup | None = None,
    client: FakeChatClient | None = None,
    tracker_limit=None,
    is_watched=False,
    repository=None,
    ledger=None,
    processes=None,
    counter=None,
    **arguments: Any,
) -> World:
    store = MemoryStore()
    repository = repository or InMemoryConversationRepository(store)
    ledger = ledger or InMemoryLedger(getattr(repository, "store", store))
    counter = counter or WordCounter()
    clock, bus, events = FakeClock(), loud_bus(), Recorder()
    client = client or FullChatClient()
    client.scripts.extend(scripts)
    spending = SpendingGate(clock, ledger, budgets, processes=processes)
    tracker = None if tracker_limit is None and not is_watched else CostTracker(bus, tracker_limit)
    if tracker is not None:
        bus.subscribe_all(tracker)
    bus.subscribe_all(events)
    orchestrator = ChatOrchestrator(
        repository,
        client,
        bus,
        counter,
        clock=clock,
        spending=spending,
        cost_tracker=tracker,
        models=lookup or Lookup(MODEL),
        **arguments,
    )
    return World(orchestrator, repository, ledger, client, bus, events, clock, spending, tracker, processes, counter)


async def collect(stream, deltas: list[str]) -> dict[str, Any] | None:
    """Read a stream to its end, putting its text into `deltas` as it comes; return the metadata."""
    metadata = None
    async for delta, metadata in stream:  # noqa: B007 - the last one is wanted
        deltas.append(delta)
    return metadata
