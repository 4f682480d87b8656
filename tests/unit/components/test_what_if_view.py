import json
from datetime import UTC, datetime
from decimal import Decimal

from neuralterm.application.records import CallFilter
from neuralterm.application.what_if import Comparison, WhatIf
from neuralterm.components.machine import dumps
from neuralterm.components.text_width import columns_of
from neuralterm.components.what_if_view import ASSUMPTION, remarks, what_if_document, what_if_text
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.pricing import ChargedTokens

CHEAP = OpenRouterModel("a/cheap", context_length=4096)
ROUTER = OpenRouterModel("router/auto")
TOKENS = ChargedTokens(plain=1000, cached=200, written=34, visible=50, reasoning=6, requests=3)
NO_TOKENS = ChargedTokens(0, 0, 0, 0, 0, requests=0)


def found(models=(CHEAP,), would=(Decimal("0.25"),), paid="1", **fields):
    total = Comparison(None, 3, TOKENS, Decimal(paid), would)
    facts = {
        "filter": CallFilter(since=datetime(2026, 11, 1, tzinfo=UTC)),
        "models": models,
        "total": total,
        "groups": (Comparison("b/used", 3, TOKENS, Decimal(paid), would),),
        "by_source": {"billed": Decimal(paid), "estimated": Decimal(0)},
        "upstream_usd": Decimal(0),
        "unknown_usage": 0,
        "unknown_usage_usd": Decimal(0),
        "unknown_cost": 0,
        "longest_prompt": 900,
    }
    return WhatIf(**(facts | fields))


def test_document_is_as_promised():
    document = json.loads(dumps(what_if_document(found(unknown_usage=2, unknown_cost=1), "UTC")))

    tokens = {"prompt": 1234, "completion": 56, "reasoning": 6, "cached": 200, "cache_write": 34}
    compared = {
        "calls": 3,
        "tokens": tokens,
        "paid_usd": "1",
        "what_if": [{"model": "a/cheap", "usd": "0.25", "difference_usd": "-0.75", "ratio": "0.25"}],
    }
    assert document == {
        "schema_version": 1,
        "currency": "USD",
        "since": "2026-11-01T00:00:00.000Z",
        "until": None,
        "timezone": "UTC",
        **compared,
        "by_source": {"billed": "1", "estimated": "0"},
        "upstream_usd": "0",
        "left_out": {"unknown_usage": {"calls": 2, "paid_usd": "0"}, "unknown_cost": {"calls": 1}},
        "groups": [{"key": "b/used", **compared}],
    }


def test_what_has_no_price_is_unknown_and_nothing_paid_has_no_ratio():
    document = what_if_document(found((CHEAP, ROUTER), (Decimal(1), None), paid="0"), "UTC")

    assert document["what_if"] == [
        {"model": "a/cheap", "usd": "1", "difference_usd": "1", "ratio": None},
        {"model": "router/auto", "usd": None, "difference_usd": None, "ratio": None},
    ]


def rows(text):
    return [line.split() for line in text.splitlines()]


def test_text_of_one_model():
    text = what_if_text(found())

    lines = rows(text)
    assert text.splitlines()[0] == "paid  $1.00  (3 calls)"
    assert ["a/cheap", "$0.25", "-$0.75", "0.25x"] in lines
    assert ["b/used", "3", "1,234", "56", "$1.00", "$0.25", "-$0.75", "0.25x"] in lines
    assert text.splitlines()[-1] == ASSUMPTION


def test_text_of_several_models():
    text = what_if_text(found((CHEAP, ROUTER), (Decimal("12.5"), None), by_source={"billed": Decimal(1)}))

    assert ["a/cheap", "$12.50", "+$11.50", "12.50x"] in rows(text)
    assert ["router/auto", "unknown"] in rows(text)
    assert ["b/used", "3", "1,234", "56", "$1.00", "$12.50", "unknown"] in rows(text)


def test_where_the_paid_amount_comes_from_is_said_unless_it_is_one_place():
    mixed = found(
        by_source={"billed": Decimal("0.75"), "estimated": Decimal("0.25")}, upstream_usd=Decimal("0.5"), paid="1.5"
    )

    assert what_if_text(mixed).splitlines()[0] == (
        "paid  $1.50  (3 calls: $0.75 billed, $0.25 estimated, $0.50 charged by providers to your keys)"
    )


def test_a_small_ratio_keeps_its_digits():
    assert "0.0123x" in what_if_text(found(would=(Decimal("0.0123"),)))


def test_a_terminal_has_what_fits():
    for width in range(46, 110):
        *tables, _ = what_if_text(found(), width).split("\n\n")
        assert columns_of("\n".join(tables)) <= width


def test_remarks():
    batch = OpenRouterModel("a/b:batch")

    assert list(remarks(found())) == []
    assert list(
        remarks(
            found(
                (CHEAP, batch),
                (Decimal(1), Decimal(1)),
                unknown_usage=2,
                unknown_usage_usd=Decimal("0.5"),
                unknown_cost=1,
                longest_prompt=5000,
            )
        )
    ) == [
        "left out: 2 calls of unknown usage, which cost $0.50",
        "left out: 1 call not settled yet",
        "a/cheap could not have taken the longest prompt: 5,000 tokens, its window has 4,096",
        "a/b:batch is for batch jobs: answers may take a day",
    ]
    assert list(remarks(found(unknown_usage=1))) == ["left out: 1 call of unknown usage"]


def test_of_no_calls_there_is_no_table_of_groups():
    nothing = found(groups=(), total=Comparison(None, 0, NO_TOKENS, Decimal(0), (Decimal(0),)))

    assert "model used" not in what_if_text(nothing)
    assert ["a/cheap", "$0.00", "$0.00"] in rows(what_if_text(nothing))


def test_of_several_models_a_narrow_terminal_has_at_least_the_first_by_model_and_the_sums_of_all():
    others = tuple(OpenRouterModel(f"other/a-model-{number}") for number in range(4))
    text = what_if_text(found((CHEAP, *others), (Decimal(1),) * 5), 60)

    assert max(map(columns_of, text.splitlines())) <= 60
    sums, groups = text.split("\n\n")[1:3]
    assert all(model.id in sums for model in others)
    assert "a/cheap" in groups
    assert "other/a-model-3" not in groups


def test_a_ratio_that_is_too_small_to_be_told_is_not_nothing():
    assert "<0.0001x" in what_if_text(found(would=(Decimal("0.00001"),)))
    assert " 0x" in what_if_text(found(would=(Decimal(0),)))
