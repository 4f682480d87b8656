"""The parts that need no socket: tokens, exact JSON, examples for schemas."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.sandbox.example import ExampleWriter
from neuralterm.sandbox.jsontext import to_json
from neuralterm.sandbox.tokens import count_prompt, split_tokens


@given(st.text())
def test_tokens_joined_are_the_text(text):
    tokens = split_tokens(text)
    assert "".join(tokens) == text
    assert all(1 <= len(token) <= 16 for token in tokens)


def test_english_has_a_token_per_four_or_five_characters():
    text = "The quick brown fox jumps over the lazy dog, and nobody in the whole neighbourhood is surprised at all."
    assert 4 <= len(text) / len(split_tokens(text)) <= 5.5


def test_prompt_counts_messages_parts_and_attachments():
    parts = [{"type": "text", "text": "one two"}, {"type": "image_url", "image_url": {"url": "data:,"}}, 3]
    assert count_prompt([{"role": "user", "content": "one two"}]) == 3 + 3 + 2
    assert count_prompt([{"role": "user", "content": parts}]) == 3 + 3 + 2 + 85 + 85
    assert count_prompt([{"role": "assistant", "content": None}] * 2) == 3 + 3 + 3


EXACT = st.decimals(allow_nan=False, allow_infinity=False, places=22, min_value=-1000, max_value=1000)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | EXACT | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_json_keeps_every_digit(value):
    assert json.loads(to_json(value), parse_float=Decimal) == value


def test_small_amounts_have_no_exponent():
    assert to_json({"cost": Decimal("7.5E-10")}) == '{"cost":0.00000000075}'


@pytest.mark.parametrize(
    ("schema", "fits"),
    [
        ({"type": "string"}, lambda value: isinstance(value, str)),
        ({"type": "string", "minLength": 30}, lambda value: len(value) >= 30),
        ({"type": "string", "maxLength": 2}, lambda value: len(value) <= 2),
        ({"type": "string", "format": "date"}, lambda value: value == "2026-11-23"),
        ({"type": ["null", "boolean"]}, lambda value: isinstance(value, bool)),
        ({"type": "null"}, lambda value: value is None),
        ({"type": "integer", "minimum": 10, "multipleOf": 7}, lambda value: value >= 10 and value % 7 == 0),
        ({"type": "integer", "exclusiveMinimum": 500}, lambda value: value > 500),
        ({"type": "integer", "minimum": Decimal("1.5"), "maximum": 2}, lambda value: value == 2),
        ({"type": "integer", "maximum": -5}, lambda value: value <= -5),
        ({"type": "number", "minimum": 0, "maximum": 1}, lambda value: 0 <= value <= 1),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, lambda value: 0 < value < 1),
        ({"enum": ["red", "green"]}, lambda value: value in ("red", "green")),
        ({"const": {"a": 1}}, lambda value: value == {"a": 1}),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 3}, lambda value: len(value) == 3),
        ({"type": "array", "maxItems": 0}, lambda value: value == []),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, lambda value: isinstance(value, int)),
        ({"properties": {"a": {"type": "boolean"}}}, lambda value: isinstance(value["a"], bool)),
        ({"type": "object", "required": ["unlisted"]}, lambda value: "unlisted" in value),
        ({"type": "object", "required": [[], 1]}, lambda value: list(value) == ["[]", "1"]),
        (
            {"allOf": [{"type": "object"}, {"properties": {"a": {"type": "null"}}}]},
            lambda value: value == {"a": None},
        ),
        (
            {"type": "object", "properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"const": 5}}},
            lambda value: value == {"a": 5},
        ),
    ],
)
@pytest.mark.parametrize("seed", [0, 1, 98])
def test_example_fits_its_schema(schema, fits, seed):
    assert fits(ExampleWriter(schema, "sandbox", seed).write())


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"type": "object", "properties": {"next": {"$ref": "#"}}},
        {"type": "array", "items": {"$ref": "#"}},
        {"anyOf": [{"$ref": "#"}]},
    ],
)
def test_schemas_that_refer_to_themselves_end(schema):
    assert len(to_json(ExampleWriter(schema, "sandbox", 1).write())) < 500
