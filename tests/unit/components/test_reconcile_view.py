from datetime import UTC, datetime
from decimal import Decimal
from textwrap import dedent

from neuralterm.application.reconciling import ReconcileResult
from neuralterm.application.records import KeyReport, ServiceCharges, Uncertain
from neuralterm.application.verification import Verification, WindowCheck
from neuralterm.components.machine import dumps
from neuralterm.components.reconcile_view import (
    reconcile_document,
    reconcile_text,
    verification_document,
    verification_text,
)
from neuralterm.components.text_width import columns_of
from neuralterm.domain.budget import Window

NOTHING = Uncertain()
SOME = Uncertain(2, Decimal("1E-7"))
BOUNDLESS = Uncertain(1, None)
MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)


def a_result(calls=0, usd="0", upstream="0", unknown=NOTHING, unaskable=NOTHING):
    return ReconcileResult(calls, Decimal(usd), Decimal(upstream), unknown, unaskable)


def test_the_document_of_reconcile():
    document = reconcile_document(a_result(3, "0.0120", "4E-8", SOME, BOUNDLESS))
    assert document == {
        "schema_version": 1,
        "found": {"calls": 3, "usd": "0.012", "upstream_usd": "0.00000004"},
        "unknown": {"calls": 2, "at_most_usd": "0.0000001"},
        "unaskable": {"calls": 1, "at_most_usd": None},
        "complete": False,
    }
    assert dumps(document)
    assert reconcile_document(a_result(3, "1"))["complete"] is True


def test_the_text_of_reconcile():
    assert reconcile_text(a_result(3, "0.012", "0.5", SOME, BOUNDLESS)) == dedent(
        """\
        found         3 calls: $0.012, and $0.50 charged to your own provider keys
        still unknown 2 calls: at most $0.0000001
        lost          1 call: no bound known, and no generation id to ask for"""
    )
    assert reconcile_text(a_result(1, "1")) == "found         1 call: $1.00"
    assert reconcile_text(a_result()).startswith("nothing to ask about")


def a_check(window, service, confirmed, uncertain=NOTHING, since=None, computed="0"):
    charges = ServiceCharges(Decimal(confirmed), Decimal(computed), askable=uncertain)
    told = None if service is None else Decimal(service)
    most = None if uncertain.at_most_usd is None else Decimal(confirmed) + Decimal(computed) + uncertain.at_most_usd
    return WindowCheck(window, since, told, charges, Decimal(confirmed), most)


CHECKS = (
    a_check(Window.TOTAL, "1.5", "1.25", SOME, computed="0.003"),
    a_check(Window.DAY, "1", "1.25", BOUNDLESS, MIDNIGHT),
    a_check(Window.WEEK, None, "1.25", since=MIDNIGHT),
)


def test_the_document_of_verify():
    document = verification_document(Verification(CHECKS, KeyReport(limit_usd=Decimal("5.0"), limit_reset="daily")))
    assert document == {
        "schema_version": 1,
        "currency": "USD",
        "windows": [
            {
                "window": "total",
                "since": None,
                "service_usd": "1.5",
                "ledger_usd": "1.25",
                "computed_usd": "0.003",
                "uncertain": {"calls": 2, "at_most_usd": "0.0000001"},
                "difference_usd": "0.25",
                "agrees": False,
            },
            {
                "window": "day",
                "since": "2026-11-23T00:00:00.000Z",
                "service_usd": "1",
                "ledger_usd": "1.25",
                "computed_usd": "0",
                "uncertain": {"calls": 1, "at_most_usd": None},
                "difference_usd": "-0.25",
                "agrees": False,
            },
            {
                "window": "week",
                "since": "2026-11-23T00:00:00.000Z",
                "service_usd": None,
                "ledger_usd": "1.25",
                "computed_usd": "0",
                "uncertain": {"calls": 0, "at_most_usd": "0"},
                "difference_usd": None,
                "agrees": None,
            },
        ],
        "limit": {"limit_usd": "5", "remaining_usd": None, "resets": "daily"},
        "verified": False,
    }
    assert dumps(document)


def test_the_text_of_verify():
    key = KeyReport(limit_usd=Decimal(5), limit_remaining_usd=Decimal("3.5"), limit_reset="monthly")
    text = verification_text(Verification(CHECKS, key))
    assert text == dedent(
        """\
        window       service    ledger    difference  not confirmed
        ---------  ---------  --------  ------------  --------------------------------------------------
        all time       $1.50     $1.25        +$0.25  $0.003 by list prices, 2 calls: at most $0.0000001
        today          $1.00     $1.25        -$0.25  1 call: no bound known
        this week    unknown     $1.25       unknown

        Ledger and service do not agree: all time, today.

        The key's own limit is $5.00 (monthly), $3.50 left.

        Days are those of UTC, weeks begin on Monday. Other programs that use the same key make the service's number larger."""
    )


def test_the_verdict():
    agreeing = a_check(Window.TOTAL, "1", "1")
    text = verification_text(Verification((agreeing,), KeyReport()))
    assert "agree." in text
    assert "not confirmed" not in text
    silent = a_check(Window.TOTAL, None, "1")
    assert "does not say" in verification_text(Verification((silent,), KeyReport()))
    assert "own limit" not in verification_text(Verification((silent,), KeyReport()))


def test_the_text_of_verify_on_a_narrow_terminal():
    verification = Verification(CHECKS, KeyReport())

    for width in (40, 60, 80):
        text = verification_text(verification, width)
        assert max(map(columns_of, text.split("\n\n")[0].splitlines())) <= width
        assert "$1.25" in text
