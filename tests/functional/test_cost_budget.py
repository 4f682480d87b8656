"""`cost budget`: budgets as data, which hold for every call after them."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from neuralterm.domain.money import plain

from .stand_in import MODEL, text


@pytest.fixture
def budgets(run):
    """List the budgets as programs see them, by name."""

    def budgets(*options):
        result = run(*options, "cost", "budget", "--json")
        assert (result.code, result.err) == (0, "")
        document = json.loads(result.out)
        assert document.pop("schema_version") == 1
        return {budget["name"]: budget for budget in document["budgets"]}

    return budgets


@pytest.fixture
def budget_set(run):
    def budget_set(*words):
        result = run("cost", "budget", "set", *words)
        assert (result.code, result.out) == (0, ""), result.err
        return result.err

    return budget_set


def test_without_budgets(run, budgets):
    assert budgets() == {}
    result = run("cost", "budget")
    assert (result.code, result.out) == (0, "")
    assert "cost budget set" in result.err


def test_a_budget_that_is_set_is_listed_with_its_state(service, run, budgets, budget_set):
    assert budget_set("team", "$1", "--window", "total") == "team: $1.00 in all for all calls, $1.00 left\n"
    assert run("send", "--tag", "ci", "hi").code == 0

    (spent,) = service.bill
    assert budgets() == {
        "team": {
            "name": "team",
            "window": "total",
            "limit_usd": "1",
            "spent_usd": plain(spent),
            "reserved_usd": "0",
            "remaining_usd": plain(1 - spent),
            "resets_at": None,
            "tag": None,
            "model": None,
            "conversation": None,
            "warning_level": "0.8",
            "timezone": "UTC",
            "origin": "command",
        }
    }
    lines = run("cost", "budget", "list").out.splitlines()
    assert lines[0].split() == ["name", "scope", "window", "limit", "spent", "reserved", "left", "resets", "origin"]
    assert lines[2].startswith("team    all calls  total")
    assert [budget["name"] for budget in json.loads(run("cost", "--json").out)["budgets"]] == ["team"]


def test_it_holds_for_what_it_counts_until_it_is_removed(service, run, budget_set):
    budget_set("ci", "0", "--window", "month", "--tag", "ci", "--model", "openai/*")

    refused = run("send", "--tag", "ci", "hi")
    assert (refused.code, refused.out) == (4, "")
    assert "refused by the budget ci of $0.00" in refused.err
    assert service.chats == []
    assert run("send", "--tag", "other", "hi").code == 0
    assert run("send", "--tag", "ci", "-m", "small/window", "hi").code == 0

    result = run("cost", "budget", "remove", "ci")
    assert (result.code, result.out) == (0, "")
    assert run("send", "--tag", "ci", "hi").code == 0


def test_the_limit_may_be_named(run, budgets, budget_set):
    assert budget_set("ci", "--limit", "5", "--window", "day", "--warning-level", "0.5").startswith("ci: $5.00 a day")
    assert budgets()["ci"]["warning_level"] == "0.5"
    for words in (["ci"], ["ci", "5", "--limit", "5"]):
        assert run("cost", "budget", "set", *words, "--window", "day").code == 2


def test_a_model_that_nobody_knows_is_said_to_be_unknown(service, run, budget_set):
    run("models")

    result = run("cost", "budget", "set", "ci", "5", "--window", "day", "--model", "gpt-4o-mini")
    assert result.code == 0
    assert result.err.splitlines()[1] == f"warning: no listed model matches 'gpt-4o-mini'; did you mean {MODEL}?"

    result = run("cost", "budget", "set", "ci", "5", "--model", "openai/*")
    assert len(result.err.splitlines()) == 1


def test_it_may_be_of_one_conversation(service, run, budgets, budget_set):
    first, second = (json.loads(run("send", "--json", "hi").out)["conversation_id"] for _ in range(2))

    budget_set("talk", "0", "--window", "day", "--cid", first[:13])

    assert budgets()["talk"]["conversation"] == first
    assert run("send", "--cid", first, "hi").code == 4
    assert run("send", "--cid", second, "hi").code == 0


def test_what_is_left_out_of_a_change_stays(run, budgets, budget_set):
    zone = ["-z", "Asia/Tokyo"]
    budget_set("ci", "1", "--window", "week", "--tag", "ci", "--model", "openai/*", "--warn", "0.5", *zone)
    before = budgets()["ci"]

    budget_set("ci", "2.5")

    assert budgets()["ci"] == before | {"limit_usd": "2.5", "remaining_usd": "2.5"}
    assert (before["warning_level"], before["timezone"], before["window"]) == ("0.5", "Asia/Tokyo", "week")
    assert before["resets_at"].endswith("T15:00:00.000Z")


def test_setting_tells_programs_what_there_is_now(run, budgets):
    result = run("cost", "budget", "set", "ci", "1", "--window", "day", "--json")

    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out) == {"schema_version": 1, "budget": budgets()["ci"]}


def test_all_places_are_listed_and_all_hold(service, run, budgets, budget_set, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEURALTERM_BUDGET_DAY", "4")
    Path("config.toml").write_text(
        'timezone = "Asia/Tokyo"\n[budgets]\nweek = 3\n[[budget]]\nname = "one"\nlimit = 1\nwindow = "call"\n'
    )
    Path(".neuralterm.toml").write_text('[[budget]]\nname = "repo"\nlimit = 0\nwindow = "day"\ntag = "ci"\n')
    budget_set("mine", "2", "--window", "day")

    found = budgets()

    assert {name: budget["origin"] for name, budget in found.items()} == {
        "day budget": "environment",
        "week budget": "user file",
        "one": "user file",
        "repo": "project file",
        "mine": "command",
    }
    assert found["one"]["resets_at"] is None
    assert {budget["timezone"] for budget in found.values()} == {"Asia/Tokyo"}
    assert run("send", "--tag", "ci", "hi").code == 4
    assert run("send", "hi").code == 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["set", "ci", "5"], "'ci' yet"),
        (["set", "ci", "5", "--window", "call"], "--max-cost"),
        (["set", "ci", "5", "--window", "hour"], "hour"),
        (["set", "ci", "much", "--window", "day"], "not an amount"),
        (["set", "ci", "-5", "--window", "day"], ""),
        (["set", "", "5", "--window", "day"], "no name"),
        (["set", "day budget", "5", "--window", "day"], "day budget"),
        (["set", "file", "5", "--window", "day"], "comes from the user file"),
        (["set", "ci", "5", "--window", "day", "--tag", ""], "tag"),
        (["set", "ci", "5", "--window", "day", "--cid", "1234"], "no conversation"),
        (["set", "ci", "5", "--window", "day", "--warn", "80"], "warning level is 80"),
        (["set", "ci", "5", "--window", "day", "--warn", "x"], "'x' is not a level; it must be a number above 0"),
        (["set", "ci", "1e12", "--window", "total"], "not an amount"),
        (["set", "ci", "9999999", "--window", "total"], "$9999999.00 is more than the database can hold"),
        (["set", "ci", "5", "--window", "day", "-z", "Mars/Base"], "no time zone"),
        (["set", "ci", "5", "--window", "day", "-z", ""], "time zone"),
        (["set", "ci"], "USD"),
        (["remove", "ci"], "no budget 'ci'"),
        (["remove", "file"], "comes from the user file"),
    ],
)
def test_wrong_usage_changes_nothing(run, budgets, words, complaint, tmp_path):
    (tmp_path / "config.toml").write_text('[[budget]]\nname = "file"\nlimit = 1\nwindow = "day"\n')

    result = run("cost", "budget", *words)

    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: ")
    assert complaint in result.err
    assert list(budgets()) == ["file"]


def test_the_sandbox_has_budgets_of_its_own(run, budgets, budget_set):
    budget_set("ci", "0", "--window", "day")

    assert budgets("--sandbox") == {}
    assert run("--sandbox", "send", "hi").code == 0


def test_the_zone_of_the_settings_is_the_usual_one_of_reports(run, tmp_path):
    (tmp_path / "config.toml").write_text('timezone = "Asia/Tokyo"\n')

    document = json.loads(run("cost", "--json", "--since", "2026-11-23").out)

    assert (document["timezone"], document["since"]) == ("Asia/Tokyo", "2026-11-22T15:00:00.000Z")
    assert json.loads(run("cost", "--json", "-z", "UTC").out)["timezone"] == "UTC"


class TestOtherServers:
    """One that reports no cost and has no list of models."""

    USAGE = {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}  # noqa: RUF012
    PRICES = 'prices."openai/*"]\nprompt = 0.20\ncompletion = 0.80\nmax_completion_tokens = 300\n'

    @pytest.fixture
    def server(self, service, tmp_path):
        """Declare something for the server."""
        service.models = None
        service.scripts = [text("Hello.", usage=self.USAGE)]

        def server(table):
            (tmp_path / "config.toml").write_text(f'[servers."{service.url}/"{table}')
            return service

        return server

    def cost(self, run, *options):
        result = run("send", "--json", *options, "hi")
        assert result.code == 0, result.err
        return json.loads(result.out)["cost"]

    @pytest.mark.parametrize("options", [[], ["--max-cost", "1"]])
    def test_its_prices_can_be_declared(self, run, server, options):
        service = server(f".{self.PRICES}")

        cost = self.cost(run, *options)

        assert Decimal(cost["usd"]) == Decimal("0.00036")
        assert cost["source"] == "computed"
        assert [request for request in service.requests if request.method == "GET"] == []
        (chat,) = service.chats
        assert chat.body.get("max_tokens") == (300 if options else None)

    def test_a_ceiling_holds(self, run, server):
        service = server(f".{self.PRICES}")

        result = run("send", "--max-cost", "0.000001", "hi")

        assert (result.code, service.requests) == (4, [])

    @pytest.mark.parametrize("options", [[], ["--max-cost", "0"]])
    def test_it_can_be_free(self, run, server, options):
        service = server("]\nfree = true")

        cost = self.cost(run, *options)

        assert (cost["usd"], cost["source"]) == ("0", "computed")
        assert [request for request in service.requests if request.method == "GET"] == []

    def test_a_free_one_needs_no_key_and_one_with_prices_does(self, run, server, monkeypatch):
        monkeypatch.delenv("OPENROUTER_API_KEY")
        server(f".{self.PRICES}")
        assert run("send", "hi").code == 3
        service = server("]\nfree = true")
        assert service.chats == []

        assert self.cost(run)["usd"] == "0"
        assert "authorization" not in service.chats[0].headers
        doctor = run("doctor")
        assert (doctor.code, "key: a server declared free needs none" in doctor.out) == (0, True)

    def test_undeclared_its_cost_is_unknown_and_never_zero(self, run, server, tmp_path):
        service = server(f".{self.PRICES.replace('openai', 'other')}")
        service.models = {"data": []}

        cost = self.cost(run)

        assert (cost["usd"], cost["source"]) == (None, "unsettled")
        assert run("send", "--max-cost", "1", "hi").code == 4

    def test_calls_from_before_are_computed_when_prices_are_declared(self, run, server, tmp_path):
        service = server(f".{self.PRICES.replace('openai', 'other')}")
        service.models = {"data": []}
        self.cost(run)
        asked = len(service.requests)
        server(f".{self.PRICES}")
        result = run("cost", "reconcile", "--json", "--strict")
        assert (result.code, json.loads(result.out)["found"]["calls"]) == (0, 1), result.err
        assert len(service.requests) == asked
        report = json.loads(run("cost", "--json").out)
        assert report["unsettled"]["calls"] == 0
        assert report["by_source"]["computed"] == report["total_usd"] == self.cost(run)["usd"]

    def test_the_list_of_models_shows_the_declared_prices(self, run, server):
        service = server(f".{self.PRICES}")
        service.models = {"data": [{"id": MODEL, "name": "M", "pricing": {"prompt": "9", "completion": "9"}}]}

        (model,) = json.loads(run("models", "--json").out)["models"]

        assert (model["prompt_usd_per_million"], model["completion_usd_per_million"]) == ("0.2", "0.8")


class TestBranchTag:
    @pytest.fixture(autouse=True)
    def here(self, monkeypatch, tmp_path):
        work = tmp_path / "work"
        (work / ".git").mkdir(parents=True)
        (work / ".git" / "HEAD").write_text("ref: refs/heads/feature/x\n")
        monkeypatch.chdir(work)
        for name in ("GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME"):
            monkeypatch.delenv(name, raising=False)
        return work

    def tags(self, run, *options):
        return json.loads(run("send", "--json", *options, "hi").out)["tags"]

    def test_only_when_asked(self, service, run, monkeypatch):
        assert self.tags(run) == []
        assert self.tags(run, "--tag-branch", "--tag", "a") == ["a", "branch:feature/x"]
        monkeypatch.setenv("NEURALTERM_TAG_BRANCH", "1")
        assert self.tags(run) == ["branch:feature/x"]

    def test_a_detached_head_in_ci(self, service, run, here, monkeypatch):
        (here / ".git" / "HEAD").write_text("0123456789abcdef0123456789abcdef01234567\n")
        assert self.tags(run, "--tag-branch") == ["branch:0123456789ab"]
        monkeypatch.setenv("GITHUB_REF_NAME", "main")
        assert self.tags(run, "--tag-branch") == ["branch:main"]

    def test_without_a_repository_there_is_no_tag(self, service, run, here, monkeypatch):
        monkeypatch.chdir("/")
        assert self.tags(run, "--tag-branch") == []

    def test_a_chat_has_it_too(self, service, run):
        assert run("chat", "--tag-branch", stdin="hi\n").code == 0
        assert json.loads(run("cost", "--json", "--tag", "branch:feature/x").out)["calls"] == 1

    def test_a_budget_may_be_of_a_branch(self, service, run):
        assert run("cost", "budget", "set", "x", "0", "--window", "day", "--tag", "branch:feature/x").code == 0
        assert run("send", "hi").code == 0
        assert run("send", "--tag-branch", "hi").code == 4
