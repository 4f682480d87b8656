"""`neuralterm doctor` through the front door."""

import json
import os
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from .conftest import KEY
from .stand_in import error


def lines(result):
    """Return the status of each check by its name."""
    return {line.split()[1].rstrip(":"): line.split()[0] for line in result.out.splitlines()}


def telling(status=200, ahead=0, **data):
    """Answer the question about the key; `ahead` are the seconds by which our clock is ahead of the service's."""
    date = format_datetime(datetime.now(UTC) - timedelta(seconds=ahead), usegmt=True)
    return lambda exchange: exchange.reply(status, {"data": {"usage": 1, **data}}, headers=[("Date", date)])


def test_all_is_well(service, run):
    service.on_key = telling()
    result = run("doctor")
    assert (result.code, result.err) == (0, "")
    assert set(lines(result).values()) == {"ok"}
    assert "clock: agrees with the service's" in result.out
    assert "key: from OPENROUTER_API_KEY; the service takes it" in result.out
    assert f"network: {service.url} (not encrypted) answers after" in result.out
    assert [request.path for request in service.requests] == ["/api/v1/key"]


def test_what_the_terminal_shows(service, run, monkeypatch):
    assert "terminal: stdout is no terminal, colours on a terminal, UTF-8 (the locale's" in run("doctor").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "terminal: stdout is no terminal, no colours on a terminal," in run("doctor").out


def test_nothing_is_made(service, run, data_dir):
    run("doctor")
    assert not os.path.exists(data_dir)


def test_the_key_is_not_shown(service, run, monkeypatch):
    service.on_key = error(401, f"no such key {KEY}", headers=[("Date", KEY)])
    result = run("doctor")
    assert result.code == 3
    assert lines(result)["key"] == "fail"
    monkeypatch.setenv("OPENROUTER_BASE_URL", f"https://user:{KEY}@127.0.0.1:9/{KEY}/v1")
    for line in (["doctor"], ["doctor", "--json"], ["doctor", "--offline"]):
        result = run(*line)
        assert KEY not in result.out + result.err


def test_a_service_that_can_t_be_reached_is_temporary(service, run):
    service.close()
    result = run("doctor")
    assert (result.code, lines(result)["network"], lines(result)["key"]) == (8, "fail", "ok")
    assert run("doctor", "--offline").code == 0


def test_a_missing_key_goes_before_a_service_in_trouble(service, run, monkeypatch):
    monkeypatch.delenv("OPENROUTER_API_KEY")
    service.on_key = error(503, "down")
    result = run("doctor")
    assert (result.code, lines(result)["network"], lines(result)["key"]) == (3, "fail", "fail")


def test_a_wrong_clock(service, run):
    service.on_key = telling(ahead=120)
    assert (run("doctor").code, lines(run("doctor"))["clock"]) == (0, "warn")
    service.on_key = telling(ahead=-4000)
    assert (run("doctor").code, lines(run("doctor"))["clock"]) == (3, "fail")


def test_a_key_whose_limit_is_used_up(service, run):
    service.on_key = telling(limit=5, limit_remaining=0)
    assert "its own limit is used up" in run("doctor").out


def test_a_key_that_no_key_looks_like(service, run, monkeypatch):
    monkeypatch.setenv("OPENROUTER_API_KEY", "two words")
    result = run("doctor")
    assert (result.code, lines(result)["key"]) == (3, "fail")
    assert "fail  key: the API key has characters that no key has" in result.out


def test_a_command_for_the_key_that_fails(service, run, monkeypatch):
    monkeypatch.delenv("OPENROUTER_API_KEY")
    with open(os.environ["NEURALTERM_CONFIG"], "w") as file:
        file.write('key_command = "false"\n')
    result = run("doctor")
    assert result.code == 3
    assert "fail  key: key_command failed with exit code 1" in result.out
    assert lines(result)["network"] == "ok"


def test_broken_settings_keep_nothing_from_being_checked(service, run):
    with open(os.environ["NEURALTERM_CONFIG"], "w") as file:
        file.write("modle = 1\n")
    result = run("doctor")
    assert (result.code, result.err) == (3, "")
    assert {name: health for name, health in lines(result).items() if health != "ok"} == {
        "configuration": "fail", "budgets": "warn", "network": "warn", "key": "warn",
    }  # fmt: skip


def test_a_database_that_is_none(service, run, data_dir):
    os.makedirs(data_dir, mode=0o700)
    with open(os.path.join(data_dir, "neuralterm.db"), "wb") as file:
        file.write(b"no database " * 1000)
    os.chmod(os.path.join(data_dir, "neuralterm.db"), 0o600)
    result = run("doctor")
    assert result.code == 3
    assert lines(result)["database"] == lines(result)["budgets"] == "fail"


@pytest.mark.parametrize("offline", [False, True])
def test_the_sandbox_needs_nothing(run, offline, monkeypatch):
    result = run("--sandbox", "doctor", *["--offline"] * offline)
    assert (result.code, result.err) == (0, "")
    assert set(lines(result).values()) == {"ok"}


def test_the_document_for_programs(service, run):
    assert run("send", "hi").code == 0
    document = json.loads(run("doctor", "--json").out)
    assert document["schema_version"] == 1
    assert (document["status"], document["exit_code"]) == ("ok", 0)
    assert [sorted(check) for check in document["checks"]] == [["hint", "message", "name", "status"]] * 9
