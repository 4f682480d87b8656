"""What every ledger does, in memory and on disk."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuralterm.application.records import CallFilter, CallTotals, Committed
from neuralterm.domain.exceptions import MissingRecordError, StorageError, ValidationError
from neuralterm.domain.models import Cost, CostSource, MessageStatus
from neuralterm.infrastructure.database import Database
from neuralterm.infrastructure.ledger import SQLiteLedger
from neuralterm.infrastructure.repositories import SQLiteConversationRepository
from tests.integration.sqlite.samples import NOON, USAGE, call, conversation, minutes_after_noon

PICO = Decimal("0.000000000001")
AMOUNTS = st.decimals(min_value=0, max_value=1000, places=12)


def totals(ledger, *by, **fields):
    return ledger.totals(CallFilter(**fields), by)


def a_full_call(usage, **more):
    """A call with something in every field."""
    return call(
        "0.1",
        CostSource.ESTIMATED,
        "0.3",
        "0.7",
        conversation_id=uuid4(),
        message_id=uuid4(),
        run_id="run",
        generation_id="gen-1",
        model="m",
        provider="p",
        usage=usage,
        finish_reason="stop",
        error_code="E",
        latency_ms=12,
        first_token_ms=3,
        status=MessageStatus.CUT,
        service="https://one.example/v1",
        **more,
    )


def test_nothing_called_is_one_row_of_nothing(ledger):
    assert totals(ledger) == [CallTotals()]
    assert totals(ledger, "model") == []
    assert ledger.committed(CallFilter()).usd == 0


def test_a_running_call_counts_at_its_upper_bound(ledger):
    ledger.open_call(call(at_most="0.02"))

    assert ledger.committed(CallFilter()).usd == Decimal("0.02")
    assert totals(ledger) == [
        CallTotals(calls=1, unsettled_calls=1, unsettled_at_most_usd=Decimal("0.02")),
    ]


def test_one_call_without_a_bound_leaves_the_sum_without_a_bound(ledger):
    ledger.open_call(call(at_most="0.02"))
    ledger.open_call(call())

    assert ledger.committed(CallFilter()).usd == Decimal("0.02")
    (row,) = totals(ledger)
    assert (row.unsettled_calls, row.unsettled_at_most_usd) == (2, None)


def test_a_settled_call_counts_at_its_cost(ledger):
    opened = call(at_most="0.02", tags=("a",))
    ledger.open_call(opened)

    ledger.settle_call(
        replace(
            opened,
            cost=Cost(Decimal("0.000123"), CostSource.BILLED, Decimal("0.02"), Decimal("0.5")),
            usage=USAGE,
            model="openai/gpt-4o-mini-2024-07-18",
            provider="OpenAI",
            status=MessageStatus.COMPLETE,
        )
    )

    expected = CallTotals(
        keys=("OpenAI",),
        calls=1,
        prompt_tokens=120,
        completion_tokens=34,
        reasoning_tokens=10,
        cached_tokens=100,
        by_source={"billed": Decimal("0.000123")},
        upstream_usd=Decimal("0.5"),
    )
    assert ledger.committed(CallFilter()) == Committed(Decimal("0.500123"))
    assert totals(ledger, "provider") == [expected]
    assert totals(ledger, "model") == [replace(expected, keys=("openai/gpt-4o-mini-2024-07-18",))]
    assert totals(ledger, "tag") == [replace(expected, keys=("a",))]


@pytest.mark.parametrize(
    ("source", "usd", "at_most", "committed"),
    [
        (CostSource.BILLED, "0.1", "0.5", "0.1"),
        (CostSource.RECONCILED, "0.1", "0.5", "0.1"),
        (CostSource.COMPUTED, "0.1", "0.5", "0.1"),
        (CostSource.ESTIMATED, "0.1", "0.5", "0.5"),
        (CostSource.ESTIMATED, "0.1", None, "0.1"),
        (CostSource.ESTIMATED, "0.6", "0.5", "0.6"),
        (CostSource.UNSETTLED, None, "0.5", "0.5"),
        (CostSource.UNSETTLED, None, None, "0"),
    ],
)
def test_only_sure_amounts_count_below_their_bound(ledger, source, usd, at_most, committed):
    ledger.open_call(call(usd, source, at_most))

    assert ledger.committed(CallFilter()).usd == Decimal(committed)


def test_committed_counts_from_the_start_of_the_window_on(ledger):
    for minutes in (-1, 0, 1):
        ledger.open_call(call("1", started_at=minutes_after_noon(minutes)))

    assert ledger.committed(CallFilter(since=NOON)).usd == 2
    assert ledger.committed(CallFilter(since=NOON + timedelta(milliseconds=1))).usd == 1
    assert ledger.committed(CallFilter(since=minutes_after_noon(5))).usd == 0


def test_totals_take_the_start_and_leave_the_end(ledger):
    for minutes in range(4):
        ledger.open_call(call("1", started_at=minutes_after_noon(minutes)))

    (row,) = totals(ledger, since=minutes_after_noon(1), until=minutes_after_noon(3))

    assert row.calls == 2


def test_calls_that_failed_for_free_do_not_count(ledger):
    ledger.open_call(call("0", status=MessageStatus.FAILED, tags=("x",)))
    ledger.open_call(call("0", status=MessageStatus.COMPLETE))
    ledger.open_call(call("0.5", status=MessageStatus.FAILED))
    ledger.open_call(call(status=MessageStatus.FAILED))

    (row,) = totals(ledger)

    assert (row.calls, row.unsettled_calls, row.by_source) == (3, 1, {"billed": Decimal("0.5")})
    assert totals(ledger, "tag", tag="x") == []


def test_totals_are_kept_apart_by_source(ledger):
    ledger.open_call(call("0", CostSource.BILLED))
    ledger.open_call(call("0.1", CostSource.BILLED))
    ledger.open_call(call("0.2", CostSource.RECONCILED))
    ledger.open_call(call("0.3", CostSource.COMPUTED))
    ledger.open_call(call("0.4", CostSource.ESTIMATED, at_most="9"))
    ledger.open_call(call(at_most="5"))

    (row,) = totals(ledger)

    assert row.by_source == {
        "billed": Decimal("0.1"),
        "reconciled": Decimal("0.2"),
        "computed": Decimal("0.3"),
        "estimated": Decimal("0.4"),
    }
    assert row.unsettled_at_most_usd == 5
    assert [(*each.keys, each.calls) for each in totals(ledger, "source")] == [
        ("billed", 2),
        ("computed", 1),
        ("estimated", 1),
        ("reconciled", 1),
        ("unsettled", 1),
    ]


def test_totals_are_grouped(ledger):
    thread = UUID(int=1)
    ledger.open_call(
        call("1", conversation_id=thread, model="real/model", provider="P", run_id="r1", tags=("a", "b", "a"))
    )
    ledger.open_call(call("2", started_at=NOON + timedelta(hours=13), requested_model="asked/model"))

    def keys(*by):
        return [(*row.keys, sum(row.by_source.values())) for row in totals(ledger, *by)]

    assert keys() == [(3,)]
    assert keys("day") == [("2026-11-23", 1), ("2026-11-24", 2)]
    assert keys("model") == [("asked/model", 2), ("real/model", 1)]
    assert keys("provider") == [("", 2), ("P", 1)]
    assert keys("conversation") == [("", 2), (str(thread), 1)]
    assert keys("run") == [("", 2), ("r1", 1)]
    assert keys("tag") == [("", 2), ("a", 1), ("b", 1)]


def test_totals_of_a_tag_count_each_call_once(ledger):
    ledger.open_call(call("1", tags=("a", "b")))
    ledger.open_call(call("2", tags=("b",)))
    ledger.open_call(call("4"))

    assert totals(ledger, tag="b")[0].by_source == {"billed": Decimal(3)}
    assert totals(ledger, tag="a")[0].by_source == {"billed": Decimal(1)}
    assert totals(ledger, tag="c") == [CallTotals()]


def test_totals_are_grouped_by_several_keys_at_once(ledger):
    ledger.open_call(call("1", model="m", provider="P", tags=("a", "b")))
    ledger.open_call(call("2", CostSource.COMPUTED, model="m", tags=("b",)))
    ledger.open_call(call("4", model="n", started_at=NOON + timedelta(days=1)))

    def keys(*by):
        return [(*row.keys, sum(row.by_source.values())) for row in totals(ledger, *by)]

    assert keys("tag", "model") == [("", "n", 4), ("a", "m", 1), ("b", "m", 3)]
    assert keys("source", "day") == [
        ("billed", "2026-11-23", 1),
        ("billed", "2026-11-24", 4),
        ("computed", "2026-11-23", 2),
    ]
    assert keys("provider", "run", "tag") == [("", "", "", 4), ("", "", "b", 2), ("P", "", "a", 1), ("P", "", "b", 1)]


def test_a_source_that_has_no_call_any_more_is_no_group(ledger):
    opened = call(at_most="1", tags=("a",))
    ledger.open_call(opened)
    ledger.settle_call(replace(opened, cost=Cost(Decimal(0), CostSource.BILLED), status=MessageStatus.COMPLETE))

    assert totals(ledger, "source") == [CallTotals(("billed",), calls=1, by_source={"billed": Decimal(0)})]
    assert totals(ledger) == [CallTotals(calls=1, by_source={"billed": Decimal(0)})]


def test_filters_select_calls(ledger):
    thread = UUID(int=7)
    ledger.open_call(call("1", requested_model="openai/gpt-4o", model="openai/gpt-4o-2024-08-06", provider="OpenAI"))
    ledger.open_call(call("2", requested_model="openrouter/auto", model="Anthropic/claude", tags=("ci", "a")))
    ledger.open_call(call("4", requested_model="mistral/large", run_id="run-1", conversation_id=thread, tags=("a",)))

    def selected(**fields):
        wanted = CallFilter(**fields)
        used = ledger.committed(wanted)
        (row,) = ledger.totals(wanted)
        assert used == Committed(sum(row.by_source.values(), start=Decimal(0)))
        assert row.calls == sum(each.calls for each in ledger.totals(wanted, ["conversation", "run"]))
        return used.usd

    assert selected() == 7
    assert selected(model="openai/gpt-4o") == selected(model="*2024*") == 1
    assert selected(model="OPENROUTER/*") == selected(model="anthropic/claude") == 2
    assert selected(model="[!m]*") == 3
    assert selected(model="gpt-4o") == 0
    assert selected(provider="openai") == selected(provider="OpenAI") == 1
    assert selected(tag="a") == 6
    assert selected(tag="c") == 0
    assert selected(tag="a", model="*/*l*") == 6
    assert selected(run="run-1") == selected(conversation=thread) == selected(run="run-1", tag="a") == 4
    assert selected(run="run-2") == selected(run="run-1", tag="ci") == selected(conversation=UUID(int=8)) == 0
    assert selected(run="run-1", until=NOON) == 0


def test_tags_are_found_whatever_they_are_made_of(ledger):
    odd = (",", '"', "\\", 'a"x', "x", "[]", "ä", "null", "5", "%", "\ud800")
    for tag in odd:
        ledger.open_call(call("1", tags=(tag, "always")))

    for tag in odd[:-1]:
        assert totals(ledger, tag=tag)[0].calls == 1
    assert {row.keys for row in totals(ledger, "tag")} >= {(tag,) for tag in (*odd[:-1], "always")}


def test_what_is_kept_back_is_told_from_what_is_spent(ledger):
    ledger.open_call(call("1", at_most="9", upstream="0.5"))
    ledger.open_call(call("2", CostSource.ESTIMATED, "3"))
    ledger.open_call(call("2", CostSource.ESTIMATED))
    ledger.open_call(call(at_most="4"))
    ledger.open_call(call())

    assert ledger.committed(CallFilter()) == Committed(Decimal("5.5"), Decimal(5))
    assert ledger.committed(CallFilter()).usd == Decimal("10.5")


def test_running_calls_are_those_that_nobody_settled(ledger):
    owned = call(at_most="0.3", owner="host/boot/1/2", status=MessageStatus.CUT, service="s")
    of_an_older_version = call()
    ended = call(owner="host/boot/1/2", tags=("b", "a"), usage=USAGE, conversation_id=uuid4())
    for opened in (owned, of_an_older_version, ended):
        ledger.open_call(opened)
    ledger.settle_call(replace(ended, status=MessageStatus.INTERRUPTED))

    assert ledger.running() == [owned, of_an_older_version]

    ledger.settle_call(replace(owned, status=MessageStatus.FAILED))
    ledger.settle_call(replace(of_an_older_version, status=MessageStatus.FAILED))
    assert ledger.running() == []


def test_a_call_is_read_as_it_was_written(ledger):
    counts = replace(USAGE, cost=None, upstream_cost=None, is_byok=False)
    opened = a_full_call(counts, tags=("a", "b", "ä"))
    ledger.open_call(opened)

    assert ledger.to_reconcile("https://one.example/v1", 5) == [opened]


def test_settled_calls_that_may_be_known_better_are_to_be_reconciled(ledger):
    def ended(generation_id, minutes=0, **fields):
        settled = call(at_most="1", **({"status": MessageStatus.CUT, "service": "here"} | fields))
        settled.started_at = minutes_after_noon(minutes)
        ledger.open_call(replace(settled, owner="me"))
        ledger.settle_call(replace(settled, generation_id=generation_id))

    ended("gen-old", -5)
    ended("gen-new", 5)
    ended("gen-of-an-older-version", service=None)
    ended("gen-elsewhere", service="there")
    ended(None)
    ended("gen-pending", status=MessageStatus.PENDING)
    ended("gen-estimated", 1, usd="1", source=CostSource.ESTIMATED)
    for source in (CostSource.BILLED, CostSource.RECONCILED, CostSource.COMPUTED):
        ended("gen-certain", usd="1", source=source)
    ledger.open_call(call(status=MessageStatus.CUT, owner="me", generation_id="gen-running", service="here"))

    def generations(limit):
        return [each.generation_id for each in ledger.to_reconcile("here", limit)]

    assert generations(9) == ["gen-new", "gen-estimated", "gen-of-an-older-version", "gen-old"]
    assert generations(2) == ["gen-new", "gen-estimated"]
    assert generations(0) == []


def test_an_unknown_grouping_is_refused(ledger):
    ledger.open_call(call("1"))
    with pytest.raises(ValidationError, match="weather"):
        totals(ledger, "weather")


def test_a_call_is_opened_once_and_before_all_else(ledger):
    opened = call()
    with pytest.raises(MissingRecordError):
        ledger.settle_call(opened)
    assert ledger.find(opened.id) is None

    ledger.open_call(opened)
    with pytest.raises(StorageError):
        ledger.open_call(opened)
    assert totals(ledger)[0].calls == 1


def test_every_field_of_a_call_reaches_its_row(database):
    ledger = SQLiteLedger(database)
    opened = a_full_call(USAGE, owner="host/boot/1/2", tags=("b", "a", "ä", "b"))
    settled = (
        *(str(opened.id), str(opened.conversation_id), str(opened.message_id), "run", "gen-1"),
        *(opened.requested_model, "m", "p", "cut", 1795435200123, 120, 34, 154, 10, 100, 5),
        *(10**11, "estimated", 3 * 10**11, 7 * 10**11, 12, 3, "stop", "E", "https://one.example/v1"),
    )
    tags = r'["a","b","\u00e4"]'

    def rows():
        return [row[1:] for row in database.query("SELECT * FROM calls")]

    ledger.open_call(opened)
    assert rows() == [(*settled, "host/boot/1/2", tags)]

    ledger.settle_call(call(id=opened.id, requested_model="other", generation_id="gen-2"))
    blank = (str(opened.id), None, None, None, "gen-2", "other", None, None, "pending", 1795435200123)
    blank += (None,) * 7 + ("unsettled",) + (None,) * 6
    assert rows() == [(*blank, "https://one.example/v1", None, tags)]
    ledger.settle_call(opened)
    assert rows() == [(*settled, None, tags)]


def test_a_call_is_found_by_its_id(ledger):
    first, second = call("1", generation_id="gen-1"), call("2", generation_id="gen-1")
    for each in (first, second):
        ledger.open_call(each)

    assert ledger.find(second.id).cost.at_most_usd == second.cost.at_most_usd
    assert [each.id for each in ledger.calls_of("gen-1")] == [first.id, second.id]


def test_the_ledger_outlives_its_conversations(database):
    repository, ledger = SQLiteConversationRepository(database), SQLiteLedger(database)
    thread = conversation()
    repository.save(thread)
    ledger.open_call(call("1", conversation_id=thread.id, message_id=uuid4()))

    repository.delete(thread.id)

    assert [row.keys[0] for row in totals(ledger, "conversation")] == [str(thread.id)]


def test_bounds_are_rounded_up_and_amounts_to_the_nearest(database):
    ledger = SQLiteLedger(database)
    ledger.open_call(call(at_most=PICO / 10))
    assert ledger.committed(CallFilter()).usd == PICO

    ledger.open_call(call(PICO / 10))
    assert ledger.committed(CallFilter()).usd == PICO


@pytest.mark.parametrize("amount", ["9223373", "1e30", "NaN", "Infinity"])
def test_amounts_beyond_64_bits_are_refused(database, amount):
    ledger = SQLiteLedger(database)
    for impossible in (call(amount), call(at_most=amount)):
        with pytest.raises(StorageError, match="can't be stored"):
            ledger.open_call(impossible)
    assert totals(ledger)[0].calls == 0


def test_sums_beyond_64_bits_are_refused(database):
    ledger = SQLiteLedger(database)
    ledger.open_call(call("9000000"))

    with pytest.raises(StorageError, match="INTEGER"):
        ledger.open_call(call("9000000"))

    ledger.open_call(call("9000000", started_at=NOON + timedelta(days=99)))
    with pytest.raises(StorageError, match="overflow"):
        ledger.committed(CallFilter())


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(AMOUNTS, st.sampled_from(list(CostSource)), AMOUNTS), max_size=20))
def test_sums_are_exact(costs):
    database = Database(":memory:")
    ledger = SQLiteLedger(database)
    for usd, source, at_most in costs:
        ledger.open_call(call(None if source is CostSource.UNSETTLED else usd, source, at_most))

    (row,) = totals(ledger)
    database.close()

    known = [usd for usd, source, _ in costs if source is not CostSource.UNSETTLED]
    bounds = [at_most for _, source, at_most in costs if source is CostSource.UNSETTLED]
    assert sum(row.by_source.values()) == sum(known)
    assert row.unsettled_at_most_usd == sum(bounds)
