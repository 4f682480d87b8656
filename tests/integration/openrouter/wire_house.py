"""Orchestrator and client over real storage or fakes of it, for tests that look at what a fault at the wire leaves behind."""

from neuralterm.application.clock import SystemClock
from neuralterm.application.events import Events
from neuralterm.application.orchestrator import ChatOrchestrator
from neuralterm.application.spending import SpendingGate
from neuralterm.cli.exit_codes import exit_code_of, exit_code_of_answer
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.exceptions import NeuralTermError
from neuralterm.infrastructure.circuit_breaker import CircuitBreaker
from tests.fakes.counter import WordCounter
from tests.fakes.events import Recorder, loud_bus
from tests.fakes.world import Lookup

from .wire_doubles import a_client

MODEL = OpenRouterModel(
    id="acme/large",
    pricing={"prompt": "0.000001", "completion": "0.000002"},
    context_length=8000,
    max_completion_tokens=1000,
)


class WireHouse:
    """`ask` sends one prompt and returns an `Outcome`; nothing is retried unless `retry_for` says so."""

    def __init__(self, repository, ledger, url, **limits):
        self.repository, self.ledger = repository, ledger
        self.client = a_client("sk-or-v1-0123456789abcdef", url, **limits)
        self.events = Recorder()
        bus = loud_bus()
        bus.subscribe_all(self.events)
        self.orchestrator = ChatOrchestrator(
            repository,
            self.client,
            bus,
            WordCounter(),
            CircuitBreaker(),
            spending=SpendingGate(SystemClock(), ledger, []),
            models=Lookup(MODEL),
        )

    async def ask(self):
        conversation = await self.orchestrator.create_conversation(model_id=MODEL.id)
        outcome = Outcome(self, conversation)
        try:
            async for delta, metadata in self.orchestrator.send_message(conversation.id, "Hello"):
                outcome.texts.append(delta)
                if metadata is not None:
                    outcome.finals.append(metadata)
        except NeuralTermError as error:
            outcome.error = error
        await self.client.close()
        return outcome


class Outcome:
    """What one prompt came to: what was delivered, and what is stored."""

    def __init__(self, house, conversation):
        self.house, self.conversation = house, conversation
        self.texts, self.finals, self.error = [], [], None

    @property
    def delivered(self):
        return "".join(self.texts)

    @property
    def message(self):
        return self.house.repository.get_messages(self.conversation.id)[-1]

    @property
    def answer(self):
        """The record of the answer that everybody was told of."""
        (payload,) = self.house.events.of(Events.MESSAGE_COMPLETED)
        return payload["answer"]

    @property
    def exit_code(self):
        return exit_code_of_answer(self.message.status) if self.error is None else exit_code_of(self.error)
