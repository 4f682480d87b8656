"""`models`: what is listed, in which order, from where."""

import json
import sqlite3
from decimal import Decimal

import pytest

from .stand_in import MODEL, error, text


def ids(stdout):
    return [model["id"] for model in json.loads(stdout)["models"]]


def asked(service):
    return [request.path for request in service.requests]


def test_a_table_of_all_models_and_nothing_else(service, run):
    result = run("models")

    assert (result.code, result.err) == (0, "")
    rows = [line.split() for line in result.out.splitlines()[2:]]
    assert rows == [
        [MODEL, "0.15", "0.6", "128,000", "text", "schema"],
        ["router/auto", "varies", "varies", "2,000,000", "text"],
        ["small/window", "1", "2", "4,096", "text"],
    ]


def test_json_is_as_promised(service, run):
    document = json.loads(run("models", "--json", "gpt").out)

    assert list(document) == ["schema_version", "fetched_at", "stale", "models"]
    assert (document["schema_version"], document["stale"]) == (1, False)
    (model,) = document["models"]
    assert list(model) == [
        "id",
        "name",
        "description",
        "context_length",
        "max_completion_tokens",
        "prompt_usd_per_million",
        "completion_usd_per_million",
        "pricing",
        "input_modalities",
        "output_modalities",
        "supported_parameters",
        "created",
        "expiration_date",
        "free",
        "varies",
    ]
    assert (model["prompt_usd_per_million"], model["completion_usd_per_million"]) == ("0.15", "0.6")
    assert model["pricing"] == {"prompt": "0.00000015", "completion": "0.0000006"}
    assert model["created"] == "2024-07-18T00:00:00.000Z"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--sort", "price"], [MODEL, "small/window", "router/auto"]),
        (["--sort", "context"], ["router/auto", MODEL, "small/window"]),
        (["--sort", "newest"], ["router/auto", "small/window", MODEL]),
        (["--max-price", "0.6"], [MODEL]),
        (["--min-context", "128000"], [MODEL, "router/auto"]),
        (["--supports", "temperature"], [MODEL]),
        (["--supports", "temperature", "--supports", "tools"], []),
        (["--output", "text", "--author", "router"], ["router/auto"]),
        (["--output", "image"], []),
        (["--author", "small"], ["small/window"]),
        (["--input", "text", "window", "small"], ["small/window"]),
        (["-n", "2"], [MODEL, "router/auto"]),
    ],
)
def test_options_select_and_sort(service, run, options, expected):
    assert ids(run("models", "--json", *options).out) == expected


def test_what_was_left_out_is_said(service, run):
    assert run("models", "-n", "1").err == "1 of 3 models shown\n"


def test_no_match_is_not_a_failure(service, run):
    result = run("models", "--free", "--json")

    assert (result.code, result.err) == (0, "no model matches\n")
    assert json.loads(result.out)["models"] == []


def test_the_list_is_asked_for_once(service, run):
    run("models")
    run("models")
    run("models", "--offline")
    assert len(asked(service)) == 1

    run("models", "--refresh")
    assert len(asked(service)) == 2


def test_without_a_service_the_copy_is_shown_as_stale(service, run):
    run("models")
    service.close()

    result = run("models", "--refresh", "--json")

    assert result.code == 0
    assert result.err.startswith("using the model list of seconds ago: ")
    assert json.loads(result.out)["stale"] is True


def test_without_service_and_copy_it_fails(service, run):
    service.close()

    result = run("models", "--json")

    assert (result.code, result.out) == (8, "")
    assert json.loads(result.err.splitlines()[-1])["error"]["exit_code"] == 8


def test_offline_without_a_copy_asks_nobody(service, run):
    assert run("models", "--offline").code == 2
    assert asked(service) == []


def test_no_key_is_needed(service, run, monkeypatch):
    monkeypatch.delenv("OPENROUTER_API_KEY")

    assert run("models").code == 0


ENDPOINT = {
    "provider_name": "Stand-in",
    "tag": "stand-in/fp8",
    "context_length": 128000,
    "pricing": {"prompt": "0.00000015", "completion": "0.0000006"},
    "uptime_last_30m": 99.5,
}


@pytest.mark.parametrize("written", [MODEL, f"{MODEL}:nitro"])
def test_show_tells_all_of_one_model_and_who_runs_it(service, run, written):
    service.endpoints[MODEL] = [ENDPOINT]

    result = run("models", "show", written)

    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"{MODEL}\n")
    assert "0.15 per million tokens" in result.out
    assert "stand-in/fp8" in result.out
    assert "99.5%" in result.out


def test_show_json(service, run):
    service.endpoints["router/auto"] = [ENDPOINT, ENDPOINT]

    document = json.loads(run("models", "show", "--json", "router/auto").out)

    assert list(document) == ["schema_version", "fetched_at", "stale", "model", "endpoints"]
    assert document["model"]["id"] == "router/auto"
    assert document["model"]["varies"] is True
    assert document["model"]["prompt_usd_per_million"] is None
    assert [each["tag"] for each in document["endpoints"]] == ["stand-in/fp8", "stand-in/fp8"]


def test_without_endpoints_the_rest_is_shown(service, run):
    result = run("models", "show", MODEL)
    assert (result.code, result.err) == (0, "no endpoints are told of this model here\n")
    assert "0.15 per million tokens" in result.out

    asked_before = len(asked(service))
    assert run("models", "show", "--offline", MODEL).err == ""
    assert len(asked(service)) == asked_before

    service.close()
    result = run("models", "show", "--json", MODEL)
    assert result.code == 0
    assert result.err.startswith("the endpoints can't be told: can't connect to 127.0.0.1")
    assert json.loads(result.out)["endpoints"] is None


def test_show_of_an_unknown_model_names_close_ones(service, run):
    result = run("models", "show", "gpt-4o-mini")

    assert (result.code, result.out) == (2, "")
    assert result.err == f"error: there is no model 'gpt-4o-mini'\nhint: did you mean {MODEL}?\n"


def test_refresh_and_offline_exclude_each_other(service, run):
    assert run("models", "--refresh", "--offline").code == 2


def test_what_if_is_the_tokens_at_other_prices_beside_the_bill(service, run):
    for tag in ("a", "a", "b"):
        assert run("send", "--tag", tag, "hi").code == 0

    result = run("models", "what-if", "small/window", "router/auto", "--tag", "a", "--since", "1d", "--json")

    assert (result.code, result.err) == (0, "")
    document = json.loads(result.out)
    # Ten tokens in and five out each.
    expected = 2 * (10 * Decimal("0.000001") + 5 * Decimal("0.000002"))
    paid = sum(service.bill[:2])
    assert Decimal(document["paid_usd"]) == paid
    assert document["tokens"] == {"prompt": 20, "completion": 10, "reasoning": 2, "cached": 4, "cache_write": 0}
    small, router = document["what_if"]
    assert (small["model"], Decimal(small["usd"])) == ("small/window", expected)
    assert Decimal(small["difference_usd"]) == expected - paid
    assert router == {"model": "router/auto", "usd": None, "difference_usd": None, "ratio": None}
    assert [(group["key"], group["calls"]) for group in document["groups"]] == [(MODEL, 2)]


def test_what_if_names_what_it_leaves_out(service, run):
    service.scripts = [text("Hello.", usage={"cost": 0.5}), text("Hello.")]
    run("send", "hi")
    run("send", "hi")

    result = run("models", "what-if", MODEL)

    assert (result.code, result.err) == (0, "left out: 1 call of unknown usage, which cost $0.50\n")
    assert result.out.startswith("paid  $0.0000045  (1 call)\n")
    assert "1.00x" in result.out


def test_what_if_of_nothing_is_nothing(service, run):
    document = json.loads(run("models", "what-if", MODEL, "--json").out)

    assert (document["calls"], document["paid_usd"], document["groups"]) == (0, "0", [])
    assert document["what_if"] == [{"model": MODEL, "usd": "0", "difference_usd": "0", "ratio": None}]


def test_what_if_of_an_unknown_model_names_close_ones(service, run):
    result = run("models", "what-if", "gpt-4o-mini", "--since", "30d")

    assert (result.code, result.out) == (2, "")
    assert result.err == f"error: there is no model 'gpt-4o-mini'\nhint: did you mean {MODEL}?\n"
    assert run("models", "what-if").code == 2
    assert run("models", "what-if", MODEL, "--since", "1d", "--until", "2d").code == 2


@pytest.mark.parametrize(
    "refusal", [error(400, "gpt-4o-mini is not a valid model ID"), error(404, "model gpt-4o-mini not found")]
)
@pytest.mark.parametrize("first", [("models",), ("--version",)], ids=["a list is kept", "no list is kept"])
def test_a_prompt_to_an_unknown_model_names_close_ones(service, run, refusal, first):
    run(*first)
    service.scripts = [refusal]

    result = run("send", "-m", "gpt-4o-mini", "hi")

    assert (result.code, result.out) == (6, "")
    assert f"hint: did you mean {MODEL}? " in result.err


@pytest.mark.parametrize("command", [("send",), ("chat",)])
def test_an_unknown_fallback_names_close_ones_to_it(service, run, command):
    service.scripts = [error(400, "small/windo is not a valid model ID")]

    result = run(*command, "-m", MODEL, "--fallback", "small/windo", stdin="hi\n")

    assert "hint: did you mean small/window? " in result.err


def test_without_a_list_the_service_has_the_last_word(service, run):
    service.scripts = [error(400, "gpt-4o-mini is not a valid model ID")]
    service.on_models = error(404, "Not Found")

    result = run("send", "-m", "gpt-4o-mini", "hi")

    assert result.code == 6
    assert "did you mean" not in result.err
    assert "`neuralterm models` lists" in result.err


def test_a_fault_of_another_kind_suggests_nothing(service, run):
    run("models")
    service.scripts = [error(400, "temperature is too hot")]

    assert "did you mean" not in run("send", "-m", "gpt-4o-mini", "hi").err


def test_a_budget_that_knows_no_price_names_close_models(service, run):
    result = run("send", "-m", "gpt-4o-mini", "--max-cost", "1", "hi")

    assert (result.code, len(service.chats)) == (4, 0)
    assert f"hint: did you mean {MODEL}? " in result.err
    assert "--soft-budget" in result.err


def test_a_chat_names_close_models(service, run):
    run("models")

    assert f"did you mean {MODEL}?" in run("chat", stdin="/model gpt-4o-mini\n").err


def test_what_if_of_very_many_calls_says_that_it_reads_them(service, run, data_dir):
    run("send", "hi")
    connection = sqlite3.connect(f"{data_dir}/neuralterm.db")
    connection.execute("UPDATE totals SET calls = 200000 WHERE calls > 0")
    connection.commit()
    connection.close()

    result = run("models", "what-if", MODEL, "--json")

    assert result.err == "reading 200,000 calls ...\n"
    assert json.loads(result.out)["calls"] == 1
