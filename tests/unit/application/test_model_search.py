from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.application.model_search import (
    ModelFilter,
    close_matches,
    is_batch,
    matching,
    meant_instead,
    named,
    ordered,
    per_million,
)
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.exceptions import NotFoundError


def model(id, prompt="0.000001", completion="0.000002", **fields) -> OpenRouterModel:
    return OpenRouterModel(id=id, pricing={"prompt": prompt, "completion": completion}, **fields)


MINI = model("openai/gpt-4o-mini", "0.00000015", "0.0000006", name="OpenAI: GPT-4o-mini", context_length=128_000)
BIG = model(
    "anthropic/claude-big",
    "0.000003",
    "0.000015",
    name="Anthropic: Claude Big",
    context_length=1_000_000,
    created=1_780_000_000,
    input_modalities=("text", "image"),
    output_modalities=("text", "audio"),
    supported_parameters=("tools", "max_tokens"),
    canonical_slug="anthropic/claude-big-20260501",
)
ROUTER = model("openrouter/auto", "-1", "-1", name="Auto Router", context_length=2_000_000)
BATCH = model("openai/gpt-4o-mini:batch", "0.000000075", "0.0000003", name="GPT-4o-mini (batch)")
FREE = model("meta/llama:free", "0", "0", name="Llama (free)", created=1_700_000_000)
UNPRICED = OpenRouterModel("x/unpriced")
ALL = [ROUTER, BATCH, MINI, UNPRICED, BIG, FREE]


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (ModelFilter(), [each.id for each in ALL]),
        (ModelFilter("GPT"), [BATCH.id, MINI.id]),
        (ModelFilter("claude anthropic"), [BIG.id]),
        (ModelFilter("claude openai"), []),
        (ModelFilter(free_only=True), [FREE.id]),
        (ModelFilter(max_price=Decimal("0.6")), [BATCH.id, MINI.id, FREE.id]),
        (ModelFilter(max_price=Decimal("0.59")), [BATCH.id, FREE.id]),
        (ModelFilter(min_context=1_000_000), [ROUTER.id, BIG.id]),
        (ModelFilter(inputs=("IMAGE",)), [BIG.id]),
        (ModelFilter(inputs=("text", "image")), [BIG.id]),
        (ModelFilter(inputs=("image", "audio")), []),
        (ModelFilter(outputs=("Audio",)), [BIG.id]),
        (ModelFilter(supports=("tools",)), [BIG.id]),
        (ModelFilter(supports=("tools", "seed")), []),
        (ModelFilter(author="OpenAI"), [BATCH.id, MINI.id]),
        (ModelFilter("mini", max_price=Decimal("0.5")), [BATCH.id]),
    ],
)
def test_filters(wanted, ids):
    assert [each.id for each in matching(ALL, wanted)] == ids


@pytest.mark.parametrize(
    ("by", "ids"),
    [
        ("price", [FREE.id, MINI.id, BIG.id, BATCH.id, ROUTER.id, UNPRICED.id]),
        ("context", [ROUTER.id, BIG.id, MINI.id, FREE.id, BATCH.id, UNPRICED.id]),
        ("newest", [BIG.id, FREE.id, MINI.id, BATCH.id, ROUTER.id, UNPRICED.id]),
        ("name", [BIG.id, FREE.id, MINI.id, BATCH.id, ROUTER.id, UNPRICED.id]),
    ],
)
def test_orders(by, ids):
    assert [each.id for each in ordered(ALL, by)] == ids


PRICES = st.sampled_from(["-1", "0", "0.00000000008", "0.1", "", "free", "NaN", None])


@given(st.lists(st.tuples(PRICES, PRICES, st.sampled_from(["", ":batch", ":free"]))))
def test_what_has_no_price_is_never_cheapest(rows):
    models = [model(f"x/{number}{suffix}", *prices) for number, (*prices, suffix) in enumerate(rows)]

    by_price = ordered(models, "price")

    ranks = [2 if each.prices.varies else int(is_batch(each)) for each in by_price]
    assert ranks == sorted(ranks)
    assert sorted(each.id for each in by_price) == sorted(each.id for each in models)


def test_an_alias_is_sorted_under_its_author():
    assert [each.id for each in ordered([model("b/x"), model("~a/latest"), model("a/z")], "name")] == [
        "~a/latest",
        "a/z",
        "b/x",
    ]


@pytest.mark.parametrize(
    ("written", "first"),
    [
        ("gpt-4o-mini", MINI.id),
        ("openai/gpt-4o-mni", MINI.id),
        ("gpt4omini", MINI.id),
        ("claude", BIG.id),
        ("LLAMA", FREE.id),
    ],
)
def test_close_matches(written, first):
    assert close_matches(written, ALL)[0] == first


def test_nothing_is_close_to_nonsense_or_nothing():
    assert close_matches("qqqqqqqq", ALL) == []
    assert close_matches("", ALL) == []


def test_prices_per_million_are_exact():
    assert per_million(Decimal("0.0000000416666666666667")) == Decimal("0.0416666666666667")
    assert per_million(None) is None


@pytest.mark.parametrize("written", [BIG.id, f"{BIG.id}:nitro", "anthropic/claude-big-20260501"])
def test_a_model_is_named_by_id_or_slug(written):
    assert named(ALL, written) is BIG


@pytest.mark.parametrize(
    ("written", "hint"),
    [("gpt-4o-mini", f"did you mean {MINI.id}, {BATCH.id}?"), ("qqqqqqqq", "`neuralterm models` lists them")],
)
def test_an_unknown_model_is_an_error_that_helps(written, hint):
    with pytest.raises(NotFoundError) as caught:
        named(ALL, written)

    assert caught.value.message == f"there is no model {written!r}"
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("wanted", "question"),
    [
        (ModelFilter(author="antropic"), "did you mean anthropic?"),
        (ModelFilter(inputs=("images",)), "did you mean image?"),
        (ModelFilter(outputs=("audios",)), "did you mean audio?"),
        (ModelFilter(supports=("max_tokens", "tool")), "did you mean tools?"),
        (ModelFilter("claude bgi"), "did you mean anthropic/claude-big?"),
        (ModelFilter("claude", free_only=True), None),
        (ModelFilter(author="anthropic", free_only=True), None),
        (ModelFilter(supports=("???",)), None),
        (ModelFilter(), None),
    ],
)
def test_what_may_have_been_meant_where_no_model_matches(wanted, question):
    assert meant_instead(ALL, wanted) == question
