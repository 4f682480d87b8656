from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.declared_prices import DeclaredPrices, ServerPrices
from neuralterm.domain.models import TokenUsage
from tests.unit.domain.listings import MOMENTS


def declared(prompt=1, completion=2, **limits):
    return DeclaredPrices({"prompt": Decimal(prompt), "completion": Decimal(completion)}, **limits)


def test_prices_are_laid_over_what_is_listed():
    listed = OpenRouterModel(
        "a/b",
        name="B",
        pricing={"prompt": "9", "completion": "9", "overrides": [{"prompt": "99"}]},
        context_length=8000,
        max_completion_tokens=500,
    )
    prices = ServerPrices(by_model={"a/b": declared(max_completion_tokens=400)})
    assert prices.price("a/b", listed) == replace(
        listed,
        pricing={"prompt": "0.000001", "completion": "0.000002"},
        max_completion_tokens=400,
        declared_prices=True,
    )


def test_a_model_that_is_not_listed_has_what_is_declared():
    prices = ServerPrices(by_model={"a/b": declared(context_length=4096)})
    assert prices.price("a/b") == OpenRouterModel(
        "a/b", pricing={"prompt": "0.000001", "completion": "0.000002"}, context_length=4096, declared_prices=True
    )


def test_without_a_declaration_nothing_is_known():
    assert ServerPrices().price("a/b") is None
    assert ServerPrices(by_model={"a/*": declared()}).price("b/a") is None


def test_on_a_free_server_everything_is_free():
    model = ServerPrices(free=True).price("any:tag", OpenRouterModel("any:tag", context_length=10))
    assert (model.prices.is_free, model.context_length, model.declared_prices) == (True, 10, True)


@pytest.mark.parametrize(
    ("model", "price"),
    [
        ("llama3:8b", 1),
        ("llama3:70b", 2),
        ("LLAMA3:70b", 2),
        ("llama2", 3),
        ("mistral", 4),
        ("qwen", 5),
        ("qwen:nitro", 5),
    ],
)
def test_the_most_specific_declaration_counts(model, price):
    patterns = {"*": 4, "llama*": 3, "llama3:*": 2, "llama3:8b": 1, "qwen": 5}
    prices = ServerPrices(by_model={pattern: declared(prompt=price) for pattern, price in patterns.items()})
    assert prices.price(model).prompt_price == Decimal(price) / 1000


def test_an_exact_id_goes_before_a_longer_pattern():
    prices = ServerPrices(by_model={"[a]*****": declared(1), "a/b": declared(2), "a/[b]": declared(3)})
    assert prices.price("a/b").prompt_price == Decimal("0.002")


AMOUNTS = st.decimals(0, 1000, places=9, allow_nan=False)


@given(AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS, MOMENTS)
def test_a_million_tokens_cost_what_is_declared_for_a_million(
    prompt, completion, request, read, write, thought, moment
):
    names = ("prompt", "completion", "request", "input_cache_read", "input_cache_write", "internal_reasoning")
    amounts = (prompt, completion, request, read, write, thought)
    model = ServerPrices(by_model={"*": DeclaredPrices(dict(zip(names, amounts, strict=True)))}).price("a/b")
    million = 10**6
    usage = TokenUsage(
        prompt_tokens=3 * million,
        completion_tokens=2 * million,
        total_tokens=5 * million,
        cached_tokens=million,
        cache_write_tokens=million,
        reasoning_tokens=million,
    )
    assert model.prices.cost_of(usage, moment) == sum(amounts)
