import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from html import unescape
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from neuralterm.application.cost_check import CostCheck
from neuralterm.application.records import CallFilter, CallTotals
from neuralterm.application.reports import CostReport
from neuralterm.components.check_view import check_document, check_markdown, check_text
from neuralterm.domain.record import replace

TOTAL = CallTotals(
    calls=12,
    by_source={"billed": Decimal("0.04"), "estimated": Decimal("0.001")},
    unsettled_calls=1,
    unsettled_at_most_usd=Decimal("0.002"),
)
WANTED = CallFilter(since=datetime(2026, 11, 1, tzinfo=UTC), tag="ci", run="r", conversation=UUID(int=5))


def a_check(maximum="0.05", total=TOTAL, groups=(), wanted=WANTED):
    return CostCheck(CostReport(wanted, "UTC", ("model",), total, tuple(groups)), Decimal(maximum))


def test_document_is_as_promised():
    assert json.dumps(check_document(a_check())) == json.dumps(
        {
            "schema_version": 1,
            "ok": True,
            "max_usd": "0.05",
            "total_usd": "0.041",
            "at_most_usd": "0.043",
            "calls": 12,
            "unsettled": {"calls": 1, "at_most_usd": "0.002"},
            "by_source": {"billed": "0.04", "reconciled": "0", "computed": "0", "estimated": "0.001"},
            "upstream_usd": "0",
            "filters": {
                "since": "2026-11-01T00:00:00.000Z",
                "until": None,
                "timezone": "UTC",
                "tag": "ci",
                "model": None,
                "provider": None,
                "run": "r",
                "conversation": "00000000-0000-0000-0000-000000000005",
            },
        }
    )


def test_an_unknown_bound_is_null():
    document = check_document(a_check(total=CallTotals(calls=1, unsettled_calls=1, unsettled_at_most_usd=None)))

    assert (document["ok"], document["at_most_usd"], document["total_usd"]) == (False, None, "0")


def test_text_is_a_line_and_what_is_not_settled():
    assert check_text(a_check()).splitlines() == [
        "ok: $0.041 of $0.05 spent in 12 calls",
        "1 call not settled yet: at most $0.002",
    ]
    assert check_text(a_check("0.042")).startswith("not certain to be within the maximum: $0.041 of $0.042 ")
    assert check_text(a_check("0.01", CallTotals(calls=1, by_source={"billed": Decimal(1)}))) == (
        "over the maximum: $1.00 of $0.01 spent in 1 call"
    )


def test_markdown_has_a_table_by_model():
    groups = [
        CallTotals(("a/b-c",), calls=11, prompt_tokens=1200, by_source={"billed": Decimal("0.041")}),
        CallTotals(("",), calls=1, unsettled_calls=1, unsettled_at_most_usd=Decimal("0.002")),
    ]

    assert check_markdown(a_check(groups=groups)).splitlines() == [
        "## LLM cost: ok",
        "",
        "$0.041 of $0.05 spent in 12 calls. 1 call not settled yet: at most $0.002. Chosen: since 2026-11-01 00:00 UTC, "
        "tag <code>ci</code>, run <code>r</code>, "
        "conversation <code>00000000-0000-0000-0000-000000000005</code>.",
        "",
        "| model | calls | tokens in | tokens out | cost | not settled |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
        "| <code>a/b-c</code> | 11 | 1,200 | 0 | $0.041 |  |",
        "| <code>&#40;unknown&#41;</code> | 1 | 0 | 0 | unknown | 1 call, at most $0.002 |",
    ]


def test_markdown_shows_what_own_keys_paid():
    total = CallTotals(calls=1, by_source={"billed": Decimal(0)}, upstream_usd=Decimal("0.5"))

    page = check_markdown(a_check(total=total, groups=[replace(total, keys=("a/b",))])).splitlines()
    assert "$0.50 of it charged by providers to your own keys" in page[2]
    assert page[4:] == [
        "| model | calls | tokens in | tokens out | cost | upstream | not settled |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
        "| <code>a/b</code> | 1 | 0 | 0 | $0.00 | $0.50 |  |",
    ]


@given(
    st.text() | st.sampled_from(["</code><script>", "a|b", "`x`", "[a](http://b.c)", "@team", "**a**", "_b_", "a\nb"])
)
def test_no_name_is_read_as_markup(name):
    page = check_markdown(a_check(groups=[CallTotals((name,), calls=1)], wanted=CallFilter(tag=name)))

    lines = page.splitlines()
    assert len(lines) == 7
    row = lines[-1]
    (cell,) = re.findall(r"<code>(.*?)</code>", row)
    assert not set("<>|`*_[]()!@#~:.\\&\"'") & set(re.sub(r"&#\d+;", "", cell))
    assert row.count("|") == 7
    if name.isprintable() and name == " ".join(name.split()) and name:
        assert unescape(cell) == name
