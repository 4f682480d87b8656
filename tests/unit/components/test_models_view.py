import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from neuralterm.application.catalogue import Listing
from neuralterm.components.machine import dumps
from neuralterm.components.models_view import (
    features,
    model_text,
    models_document,
    models_table,
    one_model_document,
)
from neuralterm.components.text_width import columns_of
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.endpoints import Endpoint
from neuralterm.domain.record import replace

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
PRO = OpenRouterModel(
    id="google/gemini-2.5-pro",
    name="Google: Gemini 2.5 Pro",
    description="Thinks.",
    pricing={
        "prompt": "0.00000125",
        "completion": "0.00001",
        "request": "0",
        "web_search": "0.014",
        "input_cache_read": "0.0000000416666666666667",
        "discount": Decimal("0.5"),
        "overrides": [
            "not an override",
            {"min_prompt_tokens": 200_000, "prompt": "0.0000025"},
            {"utc_start": 1630, "utc_end": 30, "completion": "0.000005"},
        ],
    },
    context_length=1_048_576,
    canonical_slug="google/gemini-2.5-pro-20260101",
    created=1_750_000_000,
    max_completion_tokens=65_536,
    input_modalities=("text", "image"),
    output_modalities=("text",),
    supported_parameters=("tools",),
    expiration_date="2026-12-31",
)
ROUTER = OpenRouterModel("openrouter/auto", pricing={"prompt": "-1", "completion": "-1"})
LOCAL = OpenRouterModel("local/" + "x" * 200)
BATCH = OpenRouterModel(
    "a/b:batch", pricing={"prompt": "1E-7", "completion": "0.0000002"}, expiration_date="2098-12-31"
)
LONGER = OpenRouterModel(
    "a/long", pricing={"prompt": "0", "completion": "0", "overrides": [{"min_prompt_tokens": 9, "prompt": "1"}]}
)


def document_of(model):
    return json.loads(dumps(models_document(Listing([model], NOON, stale=True), [model])))


def test_document_is_as_promised():
    assert document_of(PRO) == {
        "schema_version": 1,
        "fetched_at": "2026-11-23T12:00:00.000Z",
        "stale": True,
        "models": [
            {
                "id": "google/gemini-2.5-pro",
                "name": "Google: Gemini 2.5 Pro",
                "description": "Thinks.",
                "context_length": 1_048_576,
                "max_completion_tokens": 65_536,
                "prompt_usd_per_million": "1.25",
                "completion_usd_per_million": "10",
                "pricing": PRO.pricing | {"discount": "0.5"},
                "input_modalities": ["text", "image"],
                "output_modalities": ["text"],
                "supported_parameters": ["tools"],
                "created": "2025-06-15T15:06:40.000Z",
                "expiration_date": "2026-12-31",
                "free": False,
                "varies": False,
            }
        ],
    }


@pytest.mark.parametrize(
    ("model", "prompt", "free", "varies"),
    [
        (ROUTER, None, False, True),
        (LOCAL, None, False, True),
        (LONGER, "0", False, False),
        (BATCH, "0.1", False, False),
    ],
)
def test_what_is_not_known_is_null(model, prompt, free, varies):
    (document,) = document_of(model)["models"]

    assert document["prompt_usd_per_million"] == prompt
    assert (document["free"], document["varies"]) == (free, varies)


@pytest.mark.parametrize("created", [None, 10**18, -(10**18)])
def test_an_impossible_date_is_null(created):
    assert document_of(OpenRouterModel("a/b", created=created))["models"][0]["created"] is None


def test_one_model_document():
    document = one_model_document(Listing([PRO], NOON, stale=False), PRO, [Endpoint("P")])

    assert list(document) == ["schema_version", "fetched_at", "stale", "model", "endpoints"]
    assert [each["provider"] for each in document["endpoints"]] == ["P"]
    assert document["model"] == models_document(Listing([PRO], NOON, stale=False), [PRO])["models"][0]


def test_table_shows_exact_prices_and_whole_ids():
    rows = [line.split() for line in models_table([PRO, ROUTER, LOCAL, BATCH, LONGER]).splitlines()[2:]]

    remarks = ["varies", "by", "prompt", "or", "time,", "until", "2026-12-31"]
    assert rows == [
        [PRO.id, "1.25", "10", "1,048,576", "text+image", "tools,cache", *remarks],
        ["openrouter/auto", "varies", "varies", "?"],
        [LOCAL.id, "unknown", "unknown", "?"],
        ["a/b:batch", "0.1", "0.2", "?", "batch", "jobs", "only"],
        ["a/long", "0", "0", "?", "more", "for", "long", "prompts"],
    ]


def test_a_narrow_terminal_has_what_matters_most():
    wide = OpenRouterModel("模型/" + "型" * 8, pricing={"prompt": "0.000001", "completion": "0.000002"})
    headers = [models_table([PRO, wide], width).splitlines()[0].split() for width in range(160, 20, -1)]
    shown = [headers[0]]
    for each in headers:
        if each != shown[-1]:
            shown.append(each)

    price = ["model", "$/M", "in", "$/M", "out"]
    assert shown == [
        [*price, "context", "takes", "features"],
        [*price, "context", "takes"],
        [*price, "context"],
        price,
    ]
    for width in range(40, 160):
        assert columns_of(models_table([PRO, wide], width)) <= width
    assert "google/…" in models_table([PRO, wide], 20)


@pytest.mark.parametrize(
    ("parameters", "pricing", "expected"),
    [
        ((), {}, []),
        (("tools", "tool_choice", "response_format", "structured_outputs"), {}, ["tools", "schema"]),
        (("response_format",), {"input_cache_read": "0.0000001"}, ["json", "cache"]),
        (("include_reasoning",), {"input_cache_read": "0"}, ["reasoning"]),
    ],
)
def test_features_in_short(parameters, pricing, expected):
    assert features(OpenRouterModel("a/b", pricing=pricing, supported_parameters=parameters)) == expected


def test_text_lists_all_prices_with_their_conditions():
    lines = [" ".join(line.split()) for line in model_text(PRO).splitlines()]

    assert lines[lines.index("prices USD") + 1 : -2] == [
        "prompt 1.25 per million tokens",
        "completion 10 per million tokens",
        "cache read 0.0416666666666667 per million tokens",
        "request 0 each",
        "web search 0.014 each",
        "discount 0.5 (as listed)",
        "for prompts of more than 200,000 tokens",
        "prompt 2.5 per million tokens",
        "from 16:30 to 00:30 UTC",
        "completion 5 per million tokens",
    ]
    assert lines[-1] == "Thinks."
    assert "context 1,048,576 tokens" in lines
    assert "same as google/gemini-2.5-pro-20260101" in lines


def test_text_of_a_router_has_no_amount():
    assert "prompt                  varies" in model_text(ROUTER)


def test_text_of_a_batch_endpoint_says_so():
    assert "batch jobs" in model_text(BATCH)


def test_all_of_a_model_fits_a_narrow_terminal_and_nothing_is_lost():
    wordy = replace(
        PRO, supported_parameters=tuple(f"parameter_{number}" for number in range(20)), description="so " * 60
    )

    whole, narrow = model_text(wordy), model_text(wordy, None, 46)
    assert narrow.split() == whole.split()
    assert max(map(columns_of, narrow.splitlines())) <= 46
    assert ", parameter_3,\n                parameter_4, parameter_5," in narrow


def test_what_a_model_gives_besides_text_is_said():
    painter = replace(ROUTER, output_modalities=("audio", "text", "image"))

    assert models_table([painter]).endswith("  gives image+audio")
    assert "gives" not in models_table([replace(ROUTER, output_modalities=("text",))])
