from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.application.bounds import CallPlan, Subject
from neuralterm.application.permit import MoneyHeldError
from neuralterm.application.records import Call
from neuralterm.application.spending import SpendingGate, committed_by
from neuralterm.domain.budget import SMALLEST_OUTPUT_CAP, Budget, Scope, Window
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.exceptions import BudgetExceededError
from neuralterm.domain.models import Cost, CostSource, MessageStatus
from neuralterm.domain.pricing import worst_case
from tests.fakes.clock import FakeClock
from tests.fakes.processes import FakeProcesses
from tests.fakes.storage import InMemoryLedger
from tests.fakes.world import MODEL
from tests.unit.domain.listings import LISTINGS

ANY = Subject()


def budget(limit, window=Window.CALL, name="ceiling"):
    return Budget(name, Decimal(limit), window)


def plan(*models, prompt=100, wanted=None, extra=None, ids=None):
    models = models or (MODEL,)
    ids = ids or [model.id if model else "no/model" for model in models]
    return CallPlan(ids, models, prompt, wanted, extra or {})


def gate(*budgets, ledger=None):
    return SpendingGate(FakeClock(), ledger or InMemoryLedger(), budgets)


def spend(gate, usd, source=CostSource.BILLED, at_most=None, **fields):
    """Open and settle a call."""
    call = Call(MODEL.id, Cost.unsettled(Decimal("0.7")), started_at=gate._clock.now(), **fields)
    gate.open_call(call)
    call.status = MessageStatus.COMPLETE
    call.cost = Cost(usd and Decimal(usd), source, at_most and Decimal(at_most))
    gate.settle_call(call)


class TestWithoutBudgets:
    def test_nothing_is_asked_of_the_request(self):
        permit = gate().admit(plan(extra={"tools": []}))
        assert (permit.output_cap, permit.max_price_per_million, permit.cap_by_budget) == (None, None, False)

    def test_the_bound_is_by_the_models_own_limit(self):
        assert gate().admit(plan()).at_most_usd == Decimal("0.0021")

    def test_the_bound_is_by_the_users_cap(self):
        permit = gate().admit(plan(wanted=10))
        assert (permit.output_cap, permit.at_most_usd) == (10, Decimal("0.00012"))

    def test_of_several_models_the_dearest_counts(self):
        dear = OpenRouterModel("b", pricing={"prompt": "1", "completion": "1"}, max_completion_tokens=3)
        assert gate().admit(plan(MODEL, dear)).at_most_usd == 1100

    def test_a_model_without_a_limit_answers_at_most_to_its_window(self):
        model = OpenRouterModel("a/b", pricing=MODEL.pricing, context_length=2000)
        assert gate().admit(plan(model)).at_most_usd == Decimal("0.0041")

    @pytest.mark.parametrize(
        "model",
        [
            None,
            OpenRouterModel("a", pricing={"prompt": "-1", "completion": "-1"}),
            OpenRouterModel("a", pricing=MODEL.pricing),
        ],
    )
    def test_without_a_price_or_a_limit_there_is_no_bound(self, model):
        assert gate().admit(plan(model)).at_most_usd is None


class TestUnderABudget:
    def test_the_request_carries_what_makes_the_bound_hold(self):
        permit = gate(budget("1")).admit(plan())
        assert permit.output_cap == 1000
        assert permit.at_most_usd == Decimal("0.0021")
        assert permit.max_price_per_million == {"prompt": "1", "completion": "2", "request": "0"}
        assert not permit.cap_by_budget

    def test_max_price_is_per_million_in_plain_digits(self):
        pricing = {"prompt": "0.00000015", "completion": "2.5E-9", "request": "0.0010"}
        model = OpenRouterModel("a/b", pricing=pricing, max_completion_tokens=100)
        permit = gate(budget("1")).admit(plan(model))
        assert permit.max_price_per_million == {"prompt": "0.15", "completion": "0.0025", "request": "0.001"}

    def test_max_price_leaves_room_for_the_prices_of_long_prompts(self):
        overrides = [{"min_prompt_tokens": 10, "prompt": "0.000003", "completion": "0.000009"}]
        model = OpenRouterModel("a/b", pricing={**MODEL.pricing, "overrides": overrides}, max_completion_tokens=100)
        permit = gate(budget("1")).admit(plan(model, prompt=11))
        assert permit.max_price_per_million == {"prompt": "3", "completion": "9", "request": "0"}
        permit = gate(budget("1")).admit(plan(model, prompt=10))
        assert permit.max_price_per_million == {"prompt": "1", "completion": "2", "request": "0"}

    def test_the_cap_shrinks_to_fit(self):
        permit = gate(budget("0.0011")).admit(plan())
        assert (permit.output_cap, permit.at_most_usd, permit.cap_by_budget) == (500, Decimal("0.0011"), True)

    def test_not_even_a_short_answer_fits(self):
        with pytest.raises(BudgetExceededError) as caught:
            gate(budget("0.00013")).admit(plan())
        error = caught.value
        assert (error.code, error.mid_answer, error.limit_usd) == ("BUDGET_EXCEEDED", False, Decimal("0.00013"))
        assert "ceiling of $0.00013" in error.message
        assert error.hint

    def test_the_tightest_one_wins(self):
        ledger = InMemoryLedger()
        tight = gate(budget("1", Window.DAY, "day"), budget("0.5", Window.CALL, "ceiling"), ledger=ledger)
        assert tight.tightest(ANY).budget.name == "ceiling"
        spend(gate(ledger=ledger), "0.6")
        assert (tight.tightest(ANY).budget, tight.tightest(ANY).committed_usd) == (tight.budgets[0], Decimal("0.6"))

    @pytest.mark.parametrize(
        ("model", "model_id", "extra", "part"),
        [
            (None, "no/model", {}, "no/model is not known"),
            (OpenRouterModel("openrouter/auto", pricing={"prompt": "-1", "completion": "-1"}), None, {}, "routing"),
            (MODEL, "test/model:nitro", {}, "test/model:nitro"),
            (MODEL, "test/model:online", {}, "test/model:online"),
            (MODEL, "test/model:online:floor", {}, "test/model:online:floor"),
            (MODEL, None, {"plugins": []}, "'plugins'"),
            (MODEL, None, {"prediction": {"type": "content", "content": "x"}}, "'prediction'"),
            (MODEL, None, {"web_search_options": {}}, "'web_search_options'"),
            (MODEL, None, {"service_tier": "priority"}, "'service_tier'"),
            (MODEL, None, {"models": ["a"]}, "'models'"),
            (MODEL, None, {"max_tokens": 10**6}, "'max_tokens'"),
            (MODEL, None, {"max_completion_tokens": 10**6}, "'max_completion_tokens'"),
            (MODEL, None, {"model": "a/dearer"}, "'model'"),
            (MODEL, None, {"messages": []}, "'messages'"),
            (MODEL, None, {"preset": "p"}, "'preset'"),
        ],
    )
    def test_what_has_no_bound_is_refused_by_name(self, model, model_id, extra, part):
        with pytest.raises(BudgetExceededError) as caught:
            gate(budget("1000")).admit(plan(model, ids=[model_id] if model_id else None, extra=extra))
        assert caught.value.code == "COST_UNBOUNDED"
        assert part in caught.value.message
        assert caught.value.hint

    def test_a_fallback_without_a_bound_is_refused(self):
        with pytest.raises(BudgetExceededError, match="no/model"):
            gate(budget("1000")).admit(plan(MODEL, None))

    def test_static_variants_and_cheaper_routing_are_not_refused(self):
        for model_id in ("test/model:free", "test/model:floor", "test/model:exacto"):
            assert gate(budget("1")).admit(plan(MODEL, ids=[model_id])).output_cap == 1000


class TestTheCapAndTheWindow:
    """A cap that together with the prompt is beyond the window makes the service refuse the request."""

    @pytest.mark.parametrize("price", ["0", "0.0000001"])
    @pytest.mark.parametrize("limit", [None, 8000])
    def test_the_cap_leaves_room_for_the_prompt(self, price, limit):
        pricing = {"prompt": price, "completion": price}
        model = OpenRouterModel("a/b", pricing=pricing, context_length=8000, max_completion_tokens=limit)
        permit = gate(budget("1000")).admit(plan(model, prompt=1000))
        assert 6000 < permit.output_cap <= 7500
        assert not permit.cap_by_budget

    def test_a_prompt_that_may_fill_the_window_leaves_room_for_a_short_answer(self):
        model = OpenRouterModel("a/b", pricing=MODEL.pricing, context_length=8000, max_completion_tokens=8000)
        permit = gate(budget("1000")).admit(plan(model, prompt=20_000))
        assert permit.output_cap == 500

    def test_the_users_own_cap_is_the_users_business(self):
        model = OpenRouterModel("a/b", pricing=MODEL.pricing, context_length=8000)
        assert gate(budget("1000")).admit(plan(model, wanted=8000)).output_cap == 8000


PLANS = st.builds(
    lambda listings, prompt, wanted, own: plan(
        *(
            OpenRouterModel(f"a/{index}", pricing=each, max_completion_tokens=own)
            for index, each in enumerate(listings)
        ),
        prompt=prompt,
        wanted=wanted,
    ),
    st.lists(LISTINGS, min_size=1, max_size=3),
    st.integers(0, 100_000),
    st.none() | st.integers(1, 100_000),
    st.none() | st.integers(1, 100_000),
)


@given(PLANS, st.decimals(0, 1, places=12, allow_nan=False), st.decimals(0, 1, places=12, allow_nan=False))
def test_no_permit_can_break_the_budget(plan, limit, spent):
    spending = gate(budget(limit, Window.TOTAL))
    spend(spending, spent)
    if any(model.prices.varies for model in plan.models):
        with pytest.raises(BudgetExceededError, match="can't be bounded"):
            spending.admit(plan)
        return
    permit = admitted(spending, plan)
    prices = plan.prices(spending._span())
    if permit is None:
        shortest = min(SMALLEST_OUTPUT_CAP, plan.natural_cap(plan.prompt_bound) or SMALLEST_OUTPUT_CAP)
        assert worst_case(prices, plan.prompt_bound, shortest) > limit - spent
        return
    output = permit.output_cap or 0
    assert worst_case(prices, plan.prompt_bound, output) == permit.at_most_usd <= max(limit - spent, 0)
    for model in plan.models:
        highest = model.prices.highest(plan.prompt_bound, spending._span())
        assert worst_case(highest, plan.prompt_bound, output) <= permit.at_most_usd


def admitted(spending, plan):
    """The permit; None where a budget refuses for lack of money."""
    try:
        return spending.admit(plan)
    except BudgetExceededError as error:
        if error.code != "BUDGET_EXCEEDED":
            raise
        return None


class TestCounting:
    @pytest.mark.parametrize(
        ("cost", "spent", "reserved"),
        [
            (Cost(Decimal(1), CostSource.BILLED, Decimal(2)), 1, 0),
            (Cost(Decimal(1), CostSource.RECONCILED, Decimal(2)), 1, 0),
            (Cost(Decimal(1), CostSource.COMPUTED, Decimal(2)), 1, 0),
            (Cost(Decimal(0), CostSource.BILLED, Decimal(0), Decimal(4)), 4, 0),
            (Cost(Decimal(1), CostSource.ESTIMATED, Decimal(3)), 1, 2),
            (Cost(Decimal(5), CostSource.ESTIMATED, Decimal(2)), 5, 0),
            (Cost.unsettled(Decimal(2)), 0, 2),
            (Cost.unsettled(), 0, 0),
        ],
    )
    def test_what_is_certain_counts_as_it_is_the_rest_at_its_bound(self, cost, spent, reserved):
        used = committed_by([Call(MODEL.id, cost)])
        assert (used.spent_usd, used.reserved_usd) == (spent, reserved)

    @pytest.mark.parametrize("source", [CostSource.ESTIMATED, CostSource.UNSETTLED])
    def test_a_bound_that_the_end_does_not_tell_is_the_one_of_the_beginning(self, source):
        spending = gate(budget("1"))
        spend(spending, None if source is CostSource.UNSETTLED else "0.1", source)
        assert spending.status(spending.budgets[0]).committed_usd == Decimal("0.7")

    def test_a_running_call_counts_at_its_bound(self):
        for window in Window:
            spending = gate(budget("1", window))
            call = Call(MODEL.id, Cost.unsettled(Decimal("0.4")), started_at=spending._clock.now())
            spending.open_call(call)
            assert spending.tightest(ANY).committed_usd == Decimal("0.4"), window
            call.cost = Cost(Decimal("0.1"), CostSource.BILLED)
            spending.settle_call(call)
            assert spending.tightest(ANY).committed_usd == Decimal("0.1"), window

    def test_a_call_settled_twice_counts_once(self):
        spending = gate(budget("1"))
        call = Call(MODEL.id, Cost.unsettled(Decimal("0.4")))
        spending.open_call(call)
        call.cost = Cost(Decimal("0.1"), CostSource.BILLED)
        spending.settle_call(call)
        spending.settle_call(call)
        assert spending.status(spending.budgets[0]).committed_usd == Decimal("0.1")

    def test_the_ceiling_counts_this_invocation_the_others_everyones(self):
        ledger = InMemoryLedger()
        spend(gate(ledger=ledger), "0.3")
        here = gate(budget("1", Window.CALL), budget("1", Window.DAY), ledger=ledger)
        spend(here, "0.2")
        assert [here.status(each).committed_usd for each in here.budgets] == [Decimal("0.2"), Decimal("0.5")]

    def test_what_was_reconciled_since_frees_the_ceiling(self):
        ledger = InMemoryLedger()
        here = gate(budget("1"), ledger=ledger)
        spend(here, "0.1", CostSource.ESTIMATED, "0.75", generation_id="gen-1")
        assert here.status(here.budgets[0]).committed_usd == Decimal("0.75")
        (call,) = ledger.calls_of("gen-1")
        ledger.settle_call(replace(call, cost=Cost(Decimal("0.125"), CostSource.RECONCILED)))
        assert here.status(here.budgets[0]).committed_usd == Decimal("0.125")

    def test_without_a_ledger_the_ceiling_holds_still(self):
        spending = SpendingGate(FakeClock(), None, [budget("1"), budget("1", Window.DAY, "day")])
        with spending.transaction():
            spend(spending, "0.25")
        assert [spending.status(each).committed_usd for each in spending.budgets] == [Decimal("0.25"), 0]


class TestStatuses:
    def test_what_is_spent_reserved_and_left(self):
        spending = gate(budget("2", Window.DAY, "day"), budget("1"))
        spend(spending, "0.5")
        spend(spending, "0.1", CostSource.ESTIMATED, "0.3")
        spend(spending, None, CostSource.UNSETTLED, "0.25")
        (status,) = spending.statuses()
        assert (status.budget.name, status.spent_usd, status.reserved_usd, status.remaining_usd) == (
            "day",
            Decimal("0.6"),
            Decimal("0.45"),
            Decimal("0.95"),
        )
        assert status.resets_at.isoformat() == "2026-11-24T00:00:00+00:00"

    def test_a_ceiling_has_its_state_too(self):
        ceiling = budget("1")
        spending = gate(ceiling)
        spend(spending, "0.25")
        spend(spending, "0.125", CostSource.ESTIMATED, "0.5")
        status = spending.status(ceiling)
        assert (status.spent_usd, status.reserved_usd, status.remaining_usd) == (
            Decimal("0.375"),
            Decimal("0.375"),
            Decimal("0.25"),
        )
        assert spending.statuses() == []

    def test_a_refusal_says_what_is_kept_back(self):
        spending = gate(budget("0.5"))
        spend(spending, "0.125", CostSource.ESTIMATED, "0.5")
        with pytest.raises(BudgetExceededError, match=r"\$0\.375 is kept back for calls whose cost is not certain"):
            spending.admit(plan())

    def test_what_is_left_is_never_negative(self):
        spending = gate(budget("0.1", Window.TOTAL, "total"))
        spend(spending, "0.5")
        (status,) = spending.statuses()
        assert (status.spent_usd, status.remaining_usd, status.resets_at) == (Decimal("0.5"), Decimal(0), None)

    def test_a_new_day_begins_afresh(self):
        spending = gate(budget("1", Window.DAY, "day"))
        spend(spending, "0.5")
        spending._clock.advance(timedelta(hours=12).total_seconds())
        (status,) = spending.statuses()
        assert status.spent_usd == 0


class TestScopes:
    def test_only_budgets_that_count_the_call_are_compared(self):
        ledger = InMemoryLedger()
        ci = Budget("ci", Decimal("0.0001"), Window.DAY, scope=Scope(tag="ci"))
        claude = Budget("claude", Decimal(0), Window.TOTAL, scope=Scope(model="anthropic/*"))
        spending = gate(ci, claude, ledger=ledger)
        assert spending.admit(plan()).budgets == ()
        assert spending.admit(plan()).max_price_per_million is None
        with pytest.raises(BudgetExceededError, match="the budget ci of"):
            spending.admit(replace(plan(), tags=("a", "ci")))
        with pytest.raises(BudgetExceededError, match="the budget claude of"):
            spending.admit(plan(ids=["anthropic/claude-opus-4.7"]))

    def test_a_fallback_counts_too(self):
        spending = gate(Budget("claude", Decimal(0), Window.TOTAL, scope=Scope(model="Anthropic/*")))
        dear = OpenRouterModel("anthropic/claude", pricing=MODEL.pricing, max_completion_tokens=3)
        with pytest.raises(BudgetExceededError, match="the budget claude of"):
            spending.admit(plan(MODEL, dear))

    @pytest.mark.parametrize("pattern", ["test/model", "test/dated-2026", "other/target"])
    def test_a_model_counts_under_all_its_names(self, pattern):
        entry = replace(MODEL, canonical_slug="test/dated-2026", alias_target="other/target")
        spending = gate(Budget("one", Decimal(0), Window.TOTAL, scope=Scope(model=pattern)))
        with pytest.raises(BudgetExceededError, match="the budget one of"):
            spending.admit(plan(entry, ids=["~test/latest"]))

    def test_a_router_may_choose_any_model(self):
        router = OpenRouterModel("openrouter/auto", pricing={"prompt": "-1", "completion": "-1"})
        spending = gate(Budget("claude", Decimal(1), Window.TOTAL, scope=Scope(model="anthropic/*")))
        with pytest.raises(BudgetExceededError, match="routing"):
            spending.admit(plan(router))

    def test_calls_outside_the_scope_use_nothing(self):
        tagged = Budget("ci", Decimal(1), Window.DAY, scope=Scope(tag="ci"))
        invocation = Budget("here", Decimal(1), Window.CALL, scope=Scope(model="test/*", tag="ci"))
        spending = gate(tagged, invocation)
        spend(spending, "0.5")
        spend(spending, "0.25", tags=("ci",))
        assert [spending.status(each).spent_usd for each in spending.budgets] == [Decimal("0.25")] * 2

    def test_a_conversation_has_a_budget_of_its_own(self):
        here, there = UUID(int=1), UUID(int=2)
        spending = gate(Budget("talk", Decimal("0.5"), Window.TOTAL, scope=Scope(conversation=here)))
        spend(spending, "0.5", conversation_id=here)
        with pytest.raises(BudgetExceededError, match="the budget talk of"):
            spending.admit(replace(plan(), conversation_id=here))
        assert spending.admit(replace(plan(), conversation_id=there)).budgets == ()

    def test_days_begin_where_the_budget_says(self):
        """Noon in UTC is 21:00 in Tokyo, and 13 hours ago it was another day in UTC and the same in Tokyo."""
        spending = gate(budget("1", Window.DAY, "utc"), Budget("tokyo", Decimal(1), Window.DAY, zone="Asia/Tokyo"))
        clock = spending._clock
        clock.advance(-timedelta(hours=13).total_seconds())
        spend(spending, "0.5")
        clock.advance(timedelta(hours=13).total_seconds())
        assert [status.spent_usd for status in spending.statuses()] == [0, Decimal("0.5")]
        assert [status.resets_at.hour for status in spending.statuses()] == [0, 15]

    def test_without_a_zone_of_its_own_the_gates_holds(self):
        spending = SpendingGate(
            FakeClock(), InMemoryLedger(), [budget("1", Window.DAY)], zone=ZoneInfo("America/New_York")
        )
        assert spending.statuses()[0].resets_at.isoformat() == "2026-11-24T05:00:00+00:00"


class TestSoftBudgets:
    def soft(self, *budgets):
        return SpendingGate(FakeClock(), InMemoryLedger(), budgets, soft=True)

    def test_what_has_no_bound_is_let_through_and_said(self):
        permit = self.soft(budget("1")).admit(plan(None, wanted=50))
        assert (permit.output_cap, permit.at_most_usd) == (50, None)
        assert "no/model is not known" in permit.unbounded

    def test_what_can_be_held_is_held(self):
        permit = self.soft(budget("0.0011")).admit(plan(extra={"plugins": []}))
        assert (permit.output_cap, permit.at_most_usd, permit.cap_by_budget) == (500, None, True)
        assert permit.max_price_per_million is not None
        assert "plugins" in permit.unbounded

    def test_what_is_used_up_is_used_up(self):
        spending = self.soft(budget("1"))
        spend(spending, "1")
        with pytest.raises(BudgetExceededError):
            spending.admit(plan(None))

    def test_a_call_with_a_bound_is_held_to_it(self):
        with pytest.raises(BudgetExceededError):
            self.soft(budget("0.0001")).admit(plan())
        assert self.soft(budget("1")).admit(plan()).unbounded is None


class TestFloors:
    def test_the_shortest_answer_worth_paying_for_can_be_set(self):
        spending = SpendingGate(FakeClock(), InMemoryLedger(), [budget("0.0011")], min_tokens=501)
        with pytest.raises(BudgetExceededError):
            spending.admit(plan())
        assert spending.admit(plan(wanted=100)).output_cap == 100

    def test_a_cap_that_does_not_bind_can_not_shrink(self):
        deaf = OpenRouterModel(
            "a/b", pricing=MODEL.pricing, max_completion_tokens=1000, supported_parameters=("temperature",)
        )
        with pytest.raises(BudgetExceededError):
            gate(budget("0.0020")).admit(plan(deaf))
        permit = gate(budget("0.0021")).admit(plan(deaf, wanted=10))
        assert (permit.output_cap, permit.at_most_usd) == (10, Decimal("0.0021"))

    def test_output_that_is_free_needs_no_cap(self):
        free = OpenRouterModel("a/b", pricing={"prompt": "0.000001", "completion": "0"})
        permit = gate(budget("0.0001")).admit(plan(free))
        assert (permit.output_cap, permit.at_most_usd, permit.cap_by_budget) == (None, Decimal("0.0001"), False)

    def test_a_model_of_unknown_limits_gets_a_usual_cap(self):
        unknown = OpenRouterModel("a/b", pricing=MODEL.pricing)
        permit = gate(budget("1000")).admit(plan(unknown))
        assert (permit.output_cap, permit.cap_by_budget) == (8192, False)
        assert gate(budget("1000")).admit(plan(unknown, wanted=20_000)).output_cap == 20_000

    def test_prices_in_the_users_own_words_are_no_ceiling_for_the_service(self):
        declared = OpenRouterModel("a/b", pricing=MODEL.pricing, max_completion_tokens=10, declared_prices=True)
        permit = gate(budget("1")).admit(plan(declared))
        assert (permit.max_price_per_million, permit.output_cap) == (None, 10)


class TestMoneyThatOthersHold:
    def world(self, limit, *, ended=(), scope=None):
        ledger = InMemoryLedger()
        day = Budget("day", Decimal(limit), Window.DAY, scope=scope or Scope())
        other = SpendingGate(FakeClock(), ledger, (), processes=FakeProcesses("other"))
        here = SpendingGate(FakeClock(), ledger, [day], processes=FakeProcesses("here", ended))
        return other, here

    def hold(self, gate, usd, **fields):
        call = Call(MODEL.id, Cost.unsettled(Decimal(usd)), started_at=gate._clock.now(), **fields)
        gate.open_call(call)
        return call

    def test_a_call_that_would_fit_without_them_may_wait(self):
        other, here = self.world("0.003")
        call = self.hold(other, "0.003")
        with pytest.raises(MoneyHeldError) as caught:
            here.admit(plan(), may_wait=True)
        assert (caught.value.budget.name, caught.value.held_usd) == ("day", Decimal("0.003"))
        call.cost = Cost(Decimal("0.0001"), CostSource.BILLED)
        other.settle_call(call)
        assert here.admit(plan(), may_wait=True).output_cap == 1000

    def test_who_may_not_wait_is_refused(self):
        other, here = self.world("0.003")
        self.hold(other, "0.003")
        with pytest.raises(BudgetExceededError, match=r"\$0\.003 is held by calls that run"):
            here.admit(plan())

    def test_a_cap_that_got_very_short_is_worth_waiting_for_more(self):
        other, here = self.world("0.003")
        self.hold(other, "0.0028")
        with pytest.raises(MoneyHeldError):
            here.admit(plan(), may_wait=True)
        assert here.admit(plan()).output_cap == 50

    def test_a_long_enough_one_is_taken(self):
        other, here = self.world("0.01")
        self.hold(other, "0.0065")
        big = replace(MODEL, max_completion_tokens=7000)
        assert here.admit(plan(big), may_wait=True).output_cap == 1700

    def test_who_would_not_fit_anyway_is_refused_at_once(self):
        other, here = self.world("0.0001")
        self.hold(other, "0.0001")
        with pytest.raises(BudgetExceededError):
            here.admit(plan(prompt=1000), may_wait=True)

    def test_the_dead_free_nothing(self):
        other, here = self.world("0.003", ended=["other"])
        self.hold(other, "0.003")
        with pytest.raises(BudgetExceededError):
            here.admit(plan(), may_wait=True)

    def test_money_of_other_scopes_and_earlier_windows_is_not_waited_for(self):
        other, here = self.world("0.003", scope=Scope(tag="ci"))
        self.hold(other, "0.003")
        spend(here, "0.003", tags=("ci",))
        with pytest.raises(BudgetExceededError):
            here.admit(replace(plan(), tags=("ci",)), may_wait=True)

    def test_the_own_calls_are_not_waited_for(self):
        _, here = self.world("0.003")
        self.hold(here, "0.003")
        with pytest.raises(BudgetExceededError):
            here.admit(plan(), may_wait=True)
