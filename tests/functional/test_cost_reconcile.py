"""`cost reconcile` and `cost verify` against the sandbox, which keeps its own bill."""

import json
from decimal import Decimal
from urllib.parse import urlsplit

import pytest

from neuralterm.domain.money import plain
from neuralterm.sandbox import running_sandbox
from neuralterm.sandbox.server import REFUSED_KEY, SandboxServer
from tests.fakes.clock import FakeClock

KEY = "sk-or-v1-this-is-the-secret-key"


@pytest.fixture
def sandbox(monkeypatch):
    """A sandbox that outlives the command lines, as a service does."""
    server = SandboxServer(delay=0, settle_delay=0)
    with running_sandbox(server) as url:
        monkeypatch.setenv("OPENROUTER_BASE_URL", url)
        monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
        yield server


@pytest.fixture
def document(run):
    def document(*words):
        result = run("cost", *words, "--json")
        assert (result.code, result.err) == (0, "")
        return json.loads(result.out)

    return document


def test_before_a_refusal_the_service_is_asked_what_earlier_calls_did_cost(sandbox, run, document):
    """The bound of the call without a cost takes the whole budget; what it really cost leaves room."""
    run("cost", "budget", "set", "tight", "1", "--window", "day")
    run("send", "-m", "sandbox/no-cost", "hi")
    (state,) = document()["budgets"]
    used = Decimal(state["spent_usd"]) + Decimal(state["reserved_usd"])
    run("cost", "budget", "set", "tight", plain(used))
    result = run("send", "-m", "sandbox/echo", "hi")
    assert result.code == 0, result.err
    assert document()["by_source"]["reconciled"] != "0"


def test_what_never_arrived_is_asked_for_and_agrees_with_the_bill(sandbox, run, document):
    run("send", "--tag", "a", "hi")
    run("send", "--tag", "a", "-m", "sandbox/no-cost", "hi")
    run("send", "--tag", "a", "-m", "sandbox/cut", "hi")
    billed, *open_calls = sandbox.bill.values()

    found = document("reconcile")
    # The other one may have been found by the last command, which asks while it waits for its own answer.
    assert (found["found"]["calls"], found["complete"]) in ((1, True), (2, True))
    report = document("--tag", "a")
    assert Decimal(report["total_usd"]) == sum(sandbox.bill.values())
    assert Decimal(report["by_source"]["billed"]) == billed
    assert Decimal(report["by_source"]["reconciled"]) == sum(open_calls)
    assert run("cost", "--strict").code == 0
    total = sum(Decimal(each["total_usd"]) for each in json.loads(run("history", "--json").out)["conversations"])
    assert total == sum(sandbox.bill.values())


def test_the_document(sandbox, run, document):
    run("send", "-m", "sandbox/no-cost", "hi")
    assert document("reconcile") == {
        "schema_version": 1,
        "found": {"calls": 1, "usd": plain(sum(sandbox.bill.values())), "upstream_usd": "0"},
        "unknown": {"calls": 0, "at_most_usd": "0"},
        "unaskable": {"calls": 0, "at_most_usd": "0"},
        "complete": True,
    }


def test_asking_twice_changes_nothing(sandbox, run, document):
    run("send", "-m", "sandbox/no-cost", "hi")
    document("reconcile")
    before = document()
    assert document("reconcile")["found"]["calls"] == 0
    assert document() == before
    assert run("cost", "reconcile").out == "nothing to ask about: no call of this service is of unknown cost\n"


def test_for_people(sandbox, run):
    run("send", "-m", "sandbox/no-cost", "hi")
    result = run("cost", "reconcile")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("found         1 call: $0.000")


@pytest.fixture
def slow_sandbox(monkeypatch):
    """A sandbox whose records never come, because its clock stands still."""
    server = SandboxServer(delay=0, clock=FakeClock().monotonic)
    with running_sandbox(server) as url:
        monkeypatch.setenv("OPENROUTER_BASE_URL", url)
        monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
        yield server


def test_what_stays_unknown(slow_sandbox, run, document):
    run("send", "--max-cost", "0.01", "-m", "sandbox/no-cost", "hi")

    unknown = document("reconcile", "--wait", "0")["unknown"]
    assert unknown["calls"] == 1
    assert sum(slow_sandbox.bill.values()) < Decimal(unknown["at_most_usd"]) <= Decimal("0.01")
    result = run("cost", "reconcile", "--wait", "0.01")
    assert result.code == 0
    assert result.out.startswith("still unknown 1 call: at most $0.0")
    assert result.err == "the service does not know 1 call yet; asking again for up to 0.01 seconds\n"
    strict = run("cost", "reconcile", "--wait", "0", "--strict", "--json")
    assert strict.code == 2
    assert json.loads(strict.out)["complete"] is False
    assert json.loads(strict.err.splitlines()[-1])["error"]["code"] == "NOT_ALL_BILLED"


def test_an_error_is_told_after_what_was_found(sandbox, run, monkeypatch):
    run("send", "-m", "sandbox/no-cost", "hi")
    monkeypatch.setenv("OPENROUTER_API_KEY", REFUSED_KEY)
    result = run("cost", "reconcile")
    assert result.code == 3
    assert result.out.startswith("still unknown 1 call")
    assert result.err.startswith("error: User not found.")


@pytest.mark.parametrize("command", ["reconcile", "verify"])
def test_without_a_key_nothing_can_be_asked(run, monkeypatch, command):
    monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)
    result = run("cost", command)
    assert (result.code, result.out) == (3, "")
    assert "API key" in result.err


@pytest.mark.parametrize("options", [["--wait", "-1"], ["--wait", "inf"], ["-n", "0"]])
def test_wrong_usage(sandbox, run, options):
    result = run("cost", "reconcile", *options)
    assert (result.code, result.out) == (2, "")


def test_the_ledger_agrees_with_the_key(sandbox, run, document):
    run("send", "hi")
    run("send", "-m", "sandbox/byok", "hi")
    found = document("verify")
    assert [check["window"] for check in found["windows"]] == ["total", "month", "week", "day"]
    total = found["windows"][0]
    assert Decimal(total["service_usd"]) == Decimal(total["ledger_usd"]) == sum(sandbox.bill.values())
    assert (total["difference_usd"], total["agrees"], found["verified"]) == ("0", True, True)
    assert found["limit"] == {"limit_usd": None, "remaining_usd": None, "resets": None}
    result = run("cost", "verify", "--strict")
    assert (result.code, result.err) == (0, "")
    assert "Ledger and service agree." in result.out
    assert KEY not in result.out + json.dumps(found)


def test_what_is_open_may_explain_a_difference(sandbox, run, document):
    run("send", "--max-cost", "0.01", "-m", "sandbox/no-cost", "hi")
    total = document("verify", "--strict")["windows"][0]
    assert Decimal(total["difference_usd"]) == sum(sandbox.bill.values()) > 0
    assert (total["ledger_usd"], total["uncertain"]["calls"], total["agrees"]) == ("0", 1, True)


def test_another_program_with_the_same_key_is_noticed(sandbox, run, monkeypatch, tmp_path):
    run("send", "hi")
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("NEURALTERM_DATA_DIR", str(tmp_path / "other"))
        run("send", "hi")
    assert run("cost", "verify").code == 0
    result = run("cost", "verify", "--strict", "--json")
    assert result.code == 2
    error = json.loads(result.err.splitlines()[-1])["error"]
    assert error["code"] == "NOT_VERIFIED"
    assert "that the ledger does not account for" in error["message"]
    assert json.loads(result.out)["verified"] is False


def test_a_service_that_forgot_a_charge_is_noticed(run, monkeypatch):
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    with running_sandbox(SandboxServer(delay=0)) as url:
        monkeypatch.setenv("OPENROUTER_BASE_URL", url)
        run("send", "hi")
    with running_sandbox(SandboxServer(urlsplit(url).port)):
        result = run("cost", "verify", "--strict")
    assert result.code == 2
    assert "that the service did not charge" in result.err
    assert "do not agree: all time" in result.out


def test_a_killed_process_leaves_nothing_that_is_not_found(sandbox, start, run, document, stored):
    process = start("send", "-m", "sandbox/stall", "hi")
    assert process.stdout.read(1) == b"T"
    process.kill()
    process.wait()

    result = run("cost", "reconcile", "--json", "--wait", "10")

    found = json.loads(result.out)
    assert (result.code, found["found"]["calls"], found["complete"]) == (0, 1, True)
    assert Decimal(found["found"]["usd"]) == sum(sandbox.bill.values()) > 0
    assert stored("SELECT status, source, owner FROM calls") == [("interrupted", "reconciled", None)]
    assert stored("SELECT status, cost_source FROM messages WHERE role = 'assistant'") == [
        ("interrupted", "reconciled")
    ]
