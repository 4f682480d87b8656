"""`models`: what is listed, in which order, from where."""

import json

import pytest

from .stand_in import MODEL


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
