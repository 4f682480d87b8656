"""Orchestrator, client and SQLite together, against the sandbox over HTTP."""

from decimal import Decimal

import pytest

from neuralterm.application.clock import SystemClock
from neuralterm.application.cost_tracker import CostTracker
from neuralterm.application.events import Events
from neuralterm.application.orchestrator import ChatOrchestrator
from neuralterm.application.records import CallFilter
from neuralterm.application.spending import SpendingGate
from neuralterm.domain.budget import Budget, Window
from neuralterm.domain.exceptions import StreamInterruptedError
from neuralterm.domain.models import CostSource, MessageRole, MessageStatus
from neuralterm.infrastructure.circuit_breaker import CircuitBreaker
from neuralterm.infrastructure.database import Database
from neuralterm.infrastructure.ledger import SQLiteLedger
from neuralterm.infrastructure.openrouter import OpenRouterClient
from neuralterm.infrastructure.repositories import SQLiteConversationRepository
from neuralterm.infrastructure.token_counter import TokenCounter
from neuralterm.sandbox import running_sandbox
from neuralterm.sandbox.server import SandboxServer
from tests.fakes.events import Recorder, loud_bus
from tests.fakes.world import collect

pytestmark = pytest.mark.anyio


class House:
    def __init__(self, path, url):
        database = Database(path)
        self.close_database = database.close
        self.repository, self.ledger = SQLiteConversationRepository(database), SQLiteLedger(database)
        self.client = OpenRouterClient("sk-any", url)
        self.bus, self.events = loud_bus(), Recorder()
        self.tracker = CostTracker(self.bus, Decimal(1))
        self.bus.subscribe_all(self.tracker)
        self.bus.subscribe_all(self.events)
        self.orchestrator = ChatOrchestrator(
            self.repository,
            self.client,
            self.bus,
            TokenCounter(),
            CircuitBreaker(),
            spending=SpendingGate(SystemClock(), self.ledger, [Budget("day budget", Decimal(1), Window.DAY)]),
            cost_tracker=self.tracker,
        )


@pytest.fixture
async def house(tmp_path):
    server = SandboxServer(delay=0)
    with running_sandbox(server) as url:
        house = House(tmp_path / "neuralterm.db", url)
        house.server = server
        await house.orchestrator.load_models()
        try:
            yield house
        finally:
            await house.client.close()
            house.close_database()


async def test_end_to_end_streaming_flow(house, tmp_path):
    conversation = await house.orchestrator.create_conversation("Sky", "openai/gpt-4o-mini", "Be brief.")
    deltas = []
    metadata = await collect(house.orchestrator.send_message(conversation.id, "Why is the sky blue?"), deltas)

    text = "".join(deltas)
    assert len(deltas) > 3
    assert text
    charged = house.server.bill[metadata["answer"].generation_id]
    assert metadata["cost"] == charged > 0
    assert metadata["usage"].cost == charged
    assert house.tracker.accumulated_cost == charged
    assert house.events.types[0] == Events.MESSAGE_STARTED
    assert house.events.types[-1] == Events.MESSAGE_COMPLETED
    assert house.ledger.committed(CallFilter()).usd == charged

    elsewhere = Database(tmp_path / "neuralterm.db")
    stored = SQLiteConversationRepository(elsewhere).get_messages(conversation.id)
    elsewhere.close()
    assert [message.role for message in stored] == [MessageRole.SYSTEM, MessageRole.USER, MessageRole.ASSISTANT]
    answer = stored[-1]
    assert answer.id == metadata["message_id"]
    assert (answer.content, answer.status) == (text, MessageStatus.COMPLETE)
    assert (answer.cost, answer.cost_source) == (charged, CostSource.BILLED)


async def test_a_cut_stream_leaves_its_partial_and_an_estimate(house):
    conversation = await house.orchestrator.create_conversation(model_id="sandbox/cut")
    deltas = []
    with pytest.raises(StreamInterruptedError):
        await collect(house.orchestrator.send_message(conversation.id, "Tell me"), deltas)
    answer = house.repository.get_messages(conversation.id)[-1]
    assert (answer.content, answer.status) == ("".join(deltas), MessageStatus.CUT)
    assert answer.cost_source is CostSource.ESTIMATED
