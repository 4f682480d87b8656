"""What every ledger tells of one service and of one generation, in memory and on disk."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuralterm.application.reconciling import keep_report
from neuralterm.application.records import GenerationReport, ServiceCharges, Uncertain
from neuralterm.domain.models import Cost, CostSource, MessageStatus, TokenUsage
from neuralterm.infrastructure.database import Database
from neuralterm.infrastructure.ledger import SQLiteLedger
from tests.fakes.storage import InMemoryLedger
from tests.integration.sqlite.samples import NOON, call, conversation, finished, pending

HERE, ELSEWHERE = "https://here.example/v1", "https://elsewhere.example/v1"


def test_nothing_called(ledger):
    assert ledger.charges_at(HERE) == ServiceCharges()
    assert ledger.calls_of("gen-1") == []


def test_each_kind_of_call_is_told_apart(ledger):
    done = {"status": MessageStatus.CUT, "service": HERE}
    for each in (
        call("0.1", **done),
        call("0.02", CostSource.RECONCILED, **done),
        call("0.5", upstream="7", **done),
        call("0.003", CostSource.COMPUTED, **done),
        call("0.2", CostSource.ESTIMATED, at_most="0.3", generation_id="gen-1", **done),
        call("0.4", CostSource.ESTIMATED, at_most="0.3", generation_id="gen-2", **done),
        call(at_most="0.7", generation_id="gen-3", owner="host/1", **done),
        call(at_most="0.8", service=HERE),
        call(at_most="0.9", **done),
        call("5", service=ELSEWHERE),
        call("0.6", service=None),
        call("0.6", CostSource.COMPUTED, service=None),
        call(at_most="0.01", generation_id="gen-4", status=MessageStatus.CUT, service=None),
    ):
        ledger.open_call(each)

    assert ledger.charges_at(HERE) == ServiceCharges(
        confirmed_usd=Decimal("0.62"),
        computed_usd=Decimal("0.003"),
        running=Uncertain(2, Decimal("1.5")),
        askable=Uncertain(3, Decimal("0.71")),
        unaskable=Uncertain(1, Decimal("0.9")),
        unassigned=Uncertain(2, Decimal("1.2")),
    )
    assert ledger.charges_at(HERE).uncertain == Uncertain(8, Decimal("4.31"))


def test_one_call_without_a_bound(ledger):
    ledger.open_call(call(at_most="0.2", service=HERE))
    ledger.open_call(call(service=HERE))
    ledger.open_call(call("0.1", CostSource.ESTIMATED, service=HERE))

    charges = ledger.charges_at(HERE)

    assert (charges.running, charges.unaskable) == (Uncertain(2, None), Uncertain(1, None))
    assert charges.uncertain == Uncertain(3, None)


def test_since_takes_its_own_moment_in(ledger):
    ledger.open_call(call("0.1", service=HERE))

    assert ledger.charges_at(HERE, NOON).confirmed_usd == Decimal("0.1")
    assert ledger.charges_at(HERE, NOON + timedelta(milliseconds=1)) == ServiceCharges()


def test_calls_of_a_generation_come_oldest_first(ledger):
    one, other, again = call(generation_id="gen-1"), call(generation_id="gen-2"), call(generation_id="gen-1")
    for each in (one, other, again):
        ledger.open_call(each)

    assert [each.id for each in ledger.calls_of("gen-1")] == [one.id, again.id]


AMOUNTS = st.none() | st.decimals(min_value=0, max_value=10, places=12)
CALLS = st.builds(
    lambda usd, source, at_most, generation, service, status: call(
        usd, source, at_most, generation_id=generation, service=service, **({"status": status} if status else {})
    ),
    AMOUNTS,
    st.sampled_from([each for each in CostSource if each is not CostSource.UNSETTLED]),
    AMOUNTS,
    st.sampled_from([None, "gen-1"]),
    st.sampled_from([HERE, ELSEWHERE, None]),
    st.sampled_from([None, MessageStatus.CUT]),
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    database = Database(tmp_path_factory.mktemp("sums") / "neuralterm.db")
    yield SQLiteLedger(database)
    database.close()


@settings(max_examples=40, deadline=None)
@given(calls=st.lists(CALLS, max_size=8))
def test_fake_and_file_agree(shared, calls):
    shared.database.change("DELETE FROM calls", ())
    memory = InMemoryLedger()
    for each in calls:
        shared.open_call(each)
        memory.open_call(each)
    for service in (HERE, ELSEWHERE):
        assert shared.charges_at(service) == memory.charges_at(service)


def test_a_report_is_kept_with_its_message_and_counts_in_every_sum(ledger, repository):
    thread = conversation()
    repository.save(thread)
    answer = pending(thread)
    repository.add_message(answer)
    repository.finish_message(finished(answer, cost=None, cost_source=CostSource.UNSETTLED))
    open_call = call(
        at_most="0.5",
        generation_id="gen-1",
        status=MessageStatus.COMPLETE,
        service=HERE,
        message_id=answer.id,
        conversation_id=thread.id,
        tags=("a",),
    )
    ledger.open_call(open_call)
    usage = TokenUsage(10, 20, 30, cost=Decimal("0.25"))
    report = GenerationReport("gen-1", Decimal("0.25"), Decimal("0.5"), "m", "p", usage, "stop")

    cost = keep_report(ledger, repository, HERE, open_call, report)

    assert cost == Cost(Decimal("0.25"), CostSource.RECONCILED, Decimal("0.25"), Decimal("0.5"))
    assert keep_report(ledger, repository, HERE, open_call, report) is None
    (stored,) = ledger.calls_of("gen-1")
    assert (stored.cost, stored.tags, stored.finish_reason) == (cost, ("a",), "stop")
    assert ledger.charges_at(HERE) == ServiceCharges(confirmed_usd=Decimal("0.25"))
    (message,) = repository.get_messages(thread.id)
    assert (message.cost, message.cost_source, message.token_usage.total_tokens) == (cost.usd, cost.source, 30)
    assert repository.get_by_id(thread.id).total_cost == Decimal("0.25")
    assert ledger.to_reconcile(HERE, 10) == []
