from decimal import Decimal

import pytest

from neuralterm.application.estimates import TokenEstimates
from neuralterm.application.preparing import Preparing
from neuralterm.application.preview import KnownFirst, Previewing
from neuralterm.application.records import Call, SendOptions
from neuralterm.application.spending import SpendingGate
from neuralterm.domain.budget import Budget, Window
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.exceptions import BudgetExceededError, ServiceUnreachableError
from neuralterm.domain.models import Conversation, Cost, Message, MessageRole
from tests.fakes.clock import FakeClock
from tests.fakes.counter import WordCounter
from tests.fakes.processes import FakeProcesses
from tests.fakes.storage import InMemoryConversationRepository, InMemoryLedger
from tests.fakes.world import MODEL, Lookup

pytestmark = pytest.mark.anyio


class Desk:
    def __init__(self, *budgets, lookup=None, processes=None):
        clock, counter = FakeClock(), WordCounter()
        self.repository = InMemoryConversationRepository()
        self.ledger = InMemoryLedger(self.repository.store)
        self.lookup = lookup or Lookup(MODEL)
        preparing = Preparing(
            repository=self.repository,
            counter=counter,
            spending=SpendingGate(clock, self.ledger, budgets, processes=processes),
            lookup=KnownFirst(self.lookup),
        )
        self.previewing = Previewing(preparing, TokenEstimates(counter), clock)

    async def look(self, text="hello there", conversation=None, **options):
        conversation = conversation or Conversation(model_id=MODEL.id)
        return await self.previewing.preview(conversation, text, SendOptions(**options))

    async def at_most(self, threshold, **options):
        return await self.previewing.at_most(
            Conversation(model_id=MODEL.id), "hello there", SendOptions(**options), Decimal(threshold)
        )


def budget(limit):
    return Budget("day", Decimal(limit), Window.DAY)


async def test_a_price_range_and_its_bound():
    desk = Desk()
    preview = await desk.look(max_tokens=100)
    # Three tokens at $1 a million, give or take what is uncertain of an unknown family; $2 a million out.
    assert (preview.prompt.low, preview.prompt.tokens, preview.prompt.high) == (1, 3, 3)
    assert (preview.prompt_at_most, preview.answer_tokens) == (3, 100)
    assert (preview.low_usd, preview.high_usd) == (Decimal("0.000003"), Decimal("0.000203"))
    assert preview.at_most_usd == Decimal("0.000203")
    assert desk.ledger.calls == []
    assert desk.repository.latest() is None


async def test_what_is_known_here_is_not_asked_for():
    desk = Desk()
    await desk.look()
    assert desk.lookup.asked == []


async def test_the_history_has_its_share():
    desk = Desk()
    conversation = Conversation(model_id=MODEL.id)
    desk.repository.save(conversation)
    for role, text in ((MessageRole.USER, "one two"), (MessageRole.ASSISTANT, "three four five six")):
        desk.repository.add_message(Message(conversation_id=conversation.id, role=role, content=text))
    preview = await desk.look("seven", conversation)
    assert preview.history_share == pytest.approx(8 / 10)
    assert preview.messages == 3
    assert len(desk.repository.get_messages(conversation.id)) == 2


class TestWhatIsNotKnown:
    @pytest.mark.parametrize("lookup", [Lookup(), Lookup(error=ServiceUnreachableError("away"))])
    async def test_a_model_that_is_in_no_list(self, lookup):
        preview = await Desk(lookup=lookup).look()
        assert lookup.asked
        assert (preview.model, preview.low_usd, preview.high_usd, preview.at_most_usd) == (None, None, None, None)
        assert "not known" in preview.unbounded

    async def test_a_price_that_depends_on_routing(self):
        router = OpenRouterModel(MODEL.id, pricing={"prompt": "-1", "completion": "-1"})
        preview = await Desk(lookup=Lookup(router)).look()
        assert (preview.low_usd, preview.at_most_usd) == (None, None)
        assert "routing" in preview.unbounded

    async def test_an_answer_of_any_length(self):
        preview = await Desk(lookup=Lookup(OpenRouterModel(MODEL.id, pricing=MODEL.pricing))).look()
        assert (preview.low_usd, preview.high_usd, preview.answer_tokens) == (Decimal("0.000003"), None, None)


class TestBudgets:
    async def test_the_cap_that_a_budget_would_set(self):
        preview = await Desk(budget("0.000203")).look()
        assert (preview.answer_tokens, preview.cap_by_budget) == (100, True)
        assert preview.at_most_usd == Decimal("0.000203")
        assert [status.budget.name for status in preview.budgets] == ["day"]

    async def test_a_refusal_is_told_and_not_raised(self):
        preview = await Desk(budget("0.000001")).look()
        assert "refused by the budget day" in preview.refusal.message
        assert preview.high_usd is not None
        assert preview.at_most_usd == Decimal("0.002003")


class TestTheMostItCanCost:
    async def test_the_quick_bound_will_do_where_it_is_below_the_threshold(self):
        assert await Desk().at_most("1", max_tokens=100) == Decimal("0.000206")

    async def test_the_closer_one_decides_where_it_is_not(self):
        assert await Desk().at_most("0.0002", max_tokens=100) == Decimal("0.000203")

    async def test_without_a_bound_there_is_none(self):
        assert await Desk(lookup=Lookup()).at_most("1") is None

    async def test_a_call_that_will_wait_for_money_may_have_all_it_wants(self):
        desk = Desk(budget("0.003"), processes=FakeProcesses())
        desk.ledger.open_call(
            Call(MODEL.id, Cost.unsettled(Decimal("0.003")), owner="other", started_at=FakeClock().now())
        )
        assert await desk.at_most("1", max_tokens=100) == Decimal("0.000203")

    async def test_a_budget_refuses_here_too(self):
        with pytest.raises(BudgetExceededError):
            await Desk(budget("0.000001")).at_most("1")
