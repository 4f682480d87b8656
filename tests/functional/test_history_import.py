"""`history import --from-llm`, as a user runs it."""

import json

import pytest

from tests.fakes import llm_logs


@pytest.fixture
def path(tmp_path):
    return llm_logs.modern(tmp_path / "logs.db")


def listed(run):
    return json.loads(run("history", "--json").out)["conversations"]


IMPORTED = "2 conversations, 8 messages imported, 0 already there\n"
NAMED = "attachments come by name only, without their contents: 1\n"


def test_once_and_again(run, path):
    first = run("history", "import", "--from-llm", str(path))
    assert (first.code, first.out) == (0, "")
    assert first.err == IMPORTED + NAMED

    again = run("history", "import", "--from-llm", str(path))
    assert again.err == "0 conversations, 0 messages imported, 8 already there\n"

    sky = next(each for each in listed(run) if each["title"] == "The sky")
    assert (sky["tags"], sky["total_usd"], sky["total_tokens"]) == (["imported:llm"], "0", 42)
    assert len(listed(run)) == 2
    assert "unknown" in run("history").out
    assert "$0" not in run("history").out
    assert json.loads(run("cost", "--json").out)["calls"] == 0
    assert "a file" in run("history", "search", "file").out
    assert run("history", "show", sky["id"]).code == 0


def test_it_can_be_gone_on_with(service, run, path):
    run("history", "import", "--from-llm", str(path))
    sky = next(each for each in listed(run) if each["title"] == "The sky")

    assert run("send", "--cid", sky["id"], "-m", "openai/gpt-4o-mini", "and now?").code == 0

    assert [each["role"] for each in service.requests[-1].body["messages"]] == [
        "system",
        *["user", "assistant"] * 2,
        "user",
    ]


def test_a_dry_run(run, path):
    result = run("history", "import", "--dry-run", "--from-llm", str(path))

    assert result.err == "2 conversations, 8 messages would be imported, 0 already there\n" + NAMED
    assert listed(run) == []


def test_without_a_path_the_log_is_looked_for_where_llm_keeps_it(run, path, monkeypatch):
    monkeypatch.setenv("LLM_USER_PATH", str(path.parent))

    assert run("history", "import", "--from-llm", "--dry-run").err.startswith("2 conversations, ")
    monkeypatch.setenv("LLM_USER_PATH", str(path.parent / "elsewhere"))
    assert run("history", "import", "--from-llm").code == 2


def test_a_key_in_the_log_is_not_taken_in(run, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-v1-this-is-the-secret-key")
    path = tmp_path / "logs.db"
    rows = [llm_logs.response(1, prompt="my key is sk-or-v1-this-is-the-secret-key")]
    llm_logs.write(path, llm_logs.RESPONSES, responses=rows)

    run("history", "import", "--from-llm", str(path))

    assert run("history", "export", listed(run)[0]["id"]).out.count("[redacted: api key]") > 0
    assert "secret-key" not in run("history", "export", "--format", "json", listed(run)[0]["id"]).out


def test_what_is_no_log_is_wrong_usage(run, tmp_path):
    nothing = run("history", "import")
    other = tmp_path / "other.db"
    llm_logs.write(other, "CREATE TABLE x (y)")
    refused = run("history", "import", "--from-llm", str(other))

    assert (nothing.code, refused.code, refused.out) == (2, 2, "")
    assert "is not a log of the program llm" in refused.err
    assert listed(run) == []
