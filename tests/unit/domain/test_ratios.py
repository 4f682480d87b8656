from statistics import mean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.domain.ratios import Ratio, family_of


@pytest.mark.parametrize(
    ("model_id", "family", "factor"),
    [
        ("openai/gpt-4o-mini", "openai", 1.0),
        ("openai/o4-mini:nitro", "openai", 1.0),
        ("anthropic/claude-3.5-sonnet", "claude", 1.25),
        ("anthropic/claude-sonnet-4.6", "claude", 1.25),
        ("anthropic/claude-4.5-haiku-20251001", "claude-4.7", 1.6),
        ("anthropic/claude-opus-4.7", "claude-4.7", 1.6),
        ("google/gemini-2.5-pro", "gemini", 1.2),
        ("deepseek/deepseek-v3.2", "deepseek", 1.1),
        ("mistralai/codestral-2508", "mistral", 1.1),
        ("meta-llama/llama-3.3-70b-instruct:free", "llama", 1.0),
        ("qwen/qwen3-coder", "qwen", 1.0),
        ("x-ai/grok-4.3", "x-ai", 1.0),
        ("~x-ai/grok-latest", "x-ai", 1.0),
        ("my-own-model", "my-own-model", 1.0),
    ],
)
def test_a_model_has_its_family(model_id, family, factor):
    found = family_of(model_id)
    assert (found.name, found.factor) == (family, factor)


def test_what_is_not_known_is_more_uncertain():
    assert family_of("x-ai/grok-4.3").spread > family_of("google/gemini-2.5-pro").spread


@given(st.lists(st.floats(0.1, 10), min_size=2, max_size=50))
def test_mean_and_spread_are_those_of_the_samples(values):
    ratio = Ratio(0, 0.0)
    for value in values:
        ratio = ratio.with_sample(value)
    assert ratio.samples == len(values)
    assert ratio.mean == pytest.approx(mean(values))
    assert ratio.spread == pytest.approx(stdev(values), abs=1e-9)


def test_one_sample_has_no_spread():
    assert Ratio(0, 0.0).with_sample(2.0) == Ratio(1, 2.0, 0.0)
    assert Ratio(1, 2.0).spread == 0
