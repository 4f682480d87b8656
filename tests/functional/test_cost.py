"""`cost`: sums over the ledger that earlier calls left."""

import csv
import json
import sqlite3
import stat
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from .stand_in import MODEL, events
from .terminal import Terminal

NOTHING = {
    "schema_version": 1,
    "currency": "USD",
    "since": None,
    "until": None,
    "timezone": "UTC",
    "calls": 0,
    "tokens": {"prompt": 0, "completion": 0, "reasoning": 0, "cached": 0},
    "total_usd": "0",
    "by_source": {"billed": "0", "reconciled": "0", "computed": "0", "estimated": "0"},
    "unsettled": {"calls": 0, "at_most_usd": "0"},
    "upstream_usd": "0",
    "groups": [],
    "budgets": [],
}


@pytest.fixture
def report(run):
    def report(*options):
        result = run("cost", "--json", *options)
        assert (result.code, result.err) == (0, "")
        return json.loads(result.out)

    return report


def test_nothing_spent(report, run):
    document = report()

    assert document == NOTHING
    assert list(document) == list(NOTHING)
    assert "$0.00" in run("cost").out


def test_the_total_is_the_services_bill_to_the_digit(service, run, report):
    for tag in ("a", "b", "b"):
        run("send", "--tag", tag, "hi")

    document = report("--by", "tag")

    assert Decimal(document["total_usd"]) == sum(service.bill)
    assert document["by_source"]["billed"] == document["total_usd"]
    assert document["calls"] == 3
    assert document["tokens"] == {"prompt": 30, "completion": 15, "reasoning": 3, "cached": 6}
    assert [(group["key"], group["calls"]) for group in document["groups"]] == [("a", 1), ("b", 2)]
    assert [Decimal(group["total_usd"]) for group in document["groups"]] == [service.bill[0], sum(service.bill[1:])]


@pytest.mark.parametrize(
    ("by", "keys"),
    [("model", [MODEL]), ("provider", ["Stand-in"]), ("source", ["billed"]), ("run", ["job-7"]), ("tag", [""])],
)
def test_groups(service, run, report, monkeypatch, by, keys):
    monkeypatch.setenv("NEURALTERM_RUN_ID", "job-7")
    run("send", "hi")

    assert [group["key"] for group in report("--by", by)["groups"]] == keys


def test_calendar_groups_agree_with_the_total(service, run, report):
    run("send", "hi")
    run("send", "hi")

    for by in ("day", "week", "month"):
        document = report("--by", by, "-z", "Pacific/Auckland")
        assert sum(Decimal(group["total_usd"]) for group in document["groups"]) == Decimal(document["total_usd"])
        assert document["timezone"] == "Pacific/Auckland"


def test_since_until_and_tag_choose(service, run, report):
    run("send", "--tag", "a", "hi")
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()

    assert (
        report("--since", "1h")["calls"] == report("--until", tomorrow)["calls"] == report("--tag", "a")["calls"] == 1
    )
    assert (
        report("--since", tomorrow)["calls"] == report("--until", "1h")["calls"] == report("--tag", "b")["calls"] == 0
    )


@pytest.mark.parametrize("zone_first", [True, False])
def test_a_date_is_the_zones_midnight(report, zone_first):
    zone, since = ["-z", "Asia/Tokyo"], ["--since", "2026-11-23"]

    document = report(*(zone + since if zone_first else since + zone))

    assert document["since"] == "2026-11-22T15:00:00.000Z"


def test_a_time_with_its_own_zone_keeps_it(report):
    assert report("-z", "Asia/Tokyo", "--until", "2026-11-23T10:00+01:00")["until"] == "2026-11-23T09:00:00.000Z"
    assert report("--until", "2026-11-23")["until"] == "2026-11-24T00:00:00.000Z"


@pytest.mark.parametrize(
    ("written", "until"),
    [
        ("2026-11-23", "2026-11-23T15:00:00.000Z"),
        ("20261123", "2026-11-23T15:00:00.000Z"),
        ("2026-W48-1", "2026-11-23T15:00:00.000Z"),
        ("2026-W48", "2026-11-29T15:00:00.000Z"),
        ("2026-11-23T00:00", "2026-11-22T15:00:00.000Z"),
    ],
)
def test_a_date_is_taken_in_by_until_however_it_is_written(report, written, until):
    assert report("-z", "Asia/Tokyo", "--until", written)["until"] == until


def test_several_groupings(service, run, report):
    run("send", "--tag", "b", "hi")
    run("send", "--tag", "a", "--tag", "b", "hi")

    both = report("--by", "tag,model")["groups"]

    assert [(each["key"], each["keys"], each["calls"]) for each in both] == [
        (f"a, {MODEL}", {"tag": "a", "model": MODEL}, 1),
        (f"b, {MODEL}", {"tag": "b", "model": MODEL}, 2),
    ]
    assert report("--by", "tag", "--by", "model,tag")["groups"] == both
    header = run("cost", "--csv", "--by", "model", "--by", "day").out.splitlines()[0]
    assert header.startswith("key,model,day,calls,")


def test_filters_choose_together(service, run, report, monkeypatch):
    monkeypatch.setenv("NEURALTERM_RUN_ID", "job-7")
    run("send", "--tag", "a", "hi")
    monkeypatch.delenv("NEURALTERM_RUN_ID")
    run("send", "hi")

    def calls(*options):
        return report(*options)["calls"]

    assert calls("--run", "job-7") == calls("--run", "job-7", "--tag", "a", "--provider", "stand-in") == 1
    assert calls("--run", "job-7", "--tag", "b") == calls("--run", "job") == calls("--model", "no/*") == 0
    assert calls("--model", MODEL.upper()) == calls("--model", "*") == calls("--provider", "Stand-in") == 2


def test_a_conversation_counts_also_when_it_is_deleted(service, run, report):
    answer = json.loads(run("send", "--json", "hi").out)
    run("send", "hi")
    whole = answer["conversation_id"]

    assert report("--cid", whole[:8])["calls"] == report("--cid", whole)["calls"] == 1
    assert run("history", "delete", "--yes", whole).code == 0

    assert report("--cid", whole)["calls"] == 1
    assert run("cost", "--cid", whole[:8]).code == 2


@pytest.fixture
def check(run):
    def check(*options):
        result = run("cost", "check", "--json", *options)
        return result, json.loads(result.out)

    return check


def test_a_check_passes_up_to_its_maximum_to_the_digit(service, run, check):
    run("send", "--tag", "a", "hi")
    run("send", "--tag", "b", "hi")
    bill = format(sum(service.bill), "f")

    result, document = check("--max", bill)
    assert (result.code, result.err, document["ok"]) == (0, "", True)
    assert Decimal(document["total_usd"]) == Decimal(document["at_most_usd"]) == sum(service.bill)
    assert (document["calls"], document["unsettled"]) == (2, {"calls": 0, "at_most_usd": "0"})

    result, document = check("--max", format(sum(service.bill) - Decimal("1E-12"), "f"))
    assert (result.code, document["ok"]) == (4, False)
    error = json.loads(result.err.splitlines()[-1])["error"]
    assert (error["code"], error["exit_code"]) == ("OVER_MAXIMUM", 4)

    result, document = check("--max", format(service.bill[0], "f"), "--tag", "a", "--since", "1h")
    assert (result.code, document["calls"], document["filters"]["tag"]) == (0, 1, "a")


def test_a_check_counts_what_is_unknown_at_its_bound_and_fails_without_one(service, run, check, stored, data_dir):
    run("send", "hi")
    connection = sqlite3.connect(f"{data_dir}/neuralterm.db")
    connection.execute("UPDATE calls SET cost = NULL, source = 'unsettled', at_most = 40000000000")
    connection.commit()

    result, document = check("--max", "0.05")
    assert (result.code, document["total_usd"], document["at_most_usd"]) == (0, "0", "0.04")
    assert check("--max", "0.03")[0].code == 4

    connection.execute("UPDATE calls SET at_most = NULL")
    connection.commit()
    connection.close()
    result, document = check("--max", "1000")
    assert (result.code, document["at_most_usd"], document["unsettled"]["at_most_usd"]) == (4, None, None)


@pytest.mark.parametrize("options", [(), ("--json",), ("--markdown",)])
def test_a_check_of_no_calls_passes_and_says_so(service, run, options):
    run("send", "hi")

    result = run("cost", "check", "--max", "1", "--run", "misspelt", *options)

    assert result.code == 0
    assert result.err == "warning: no calls match, so nothing was checked\n"
    assert run("cost", "check", "--max", "1", *options).err == ""


def test_a_check_for_people_and_for_a_page(service, run):
    run("send", "hi")

    text, page = run("cost", "check", "--max", "1"), run("cost", "check", "--max", "0", "--markdown")

    assert (text.code, text.err) == (0, "")
    assert text.out.startswith("ok: $")
    assert page.code == 4
    assert page.out.startswith("## LLM cost: over the maximum\n\n")
    assert page.out.count("\n| ") == 3
    assert page.err.startswith("error: the calls cost $")


def test_budgets_are_told(service, run, report, monkeypatch):
    monkeypatch.setenv("NEURALTERM_BUDGET_DAY", "1")
    run("send", "hi")

    (budget,) = report()["budgets"]

    assert (budget["window"], budget["limit_usd"]) == ("day", "1")
    assert Decimal(budget["spent_usd"]) == sum(service.bill)
    assert "day budget" in run("cost").out


def test_csv(service, run):
    run("send", "--tag", "a", "hi")

    result = run("cost", "--csv", "--by", "tag")

    (row,) = csv.DictReader(result.out.splitlines())
    assert (row["key"], row["calls"], row["unsettled_calls"]) == ("a", "1", "0")
    assert Decimal(row["total_usd"]) == Decimal(row["billed_usd"]) == sum(service.bill)


def test_strict_fails_after_printing_when_an_amount_is_not_the_services(service, run):
    run("send", "hi")
    assert run("cost", "--strict").code == 0

    service.scripts = [events()]
    assert run("send", "hi").code != 0
    result = run("cost", "--strict", "--json")

    assert result.code == 2
    assert json.loads(result.out)["calls"] == 2
    assert "1 of 2 calls have no amount from the service itself: 1 unsettled" in result.err
    assert json.loads(result.err.splitlines()[-1])["error"]["code"] == "NOT_ALL_BILLED"


@pytest.mark.parametrize(
    "options",
    [
        ["-z", "Mars/Base"],
        ["--since", "yesterday-ish"],
        ["--since", "999999999999d"],
        ["--since", "0001-01-01", "-z", "Asia/Tokyo"],
        ["--by", "hour"],
        ["--by", "day,hour"],
        ["--by", ""],
        ["--tag", ""],
        ["--run", " "],
        ["--cid", "nothing-of-this-kind"],
        ["--cid", "00000000-0000-4000-8000-000000000000"],
        ["check"],
        ["check", "--max", "-1"],
        ["check", "--max", "1", "--json", "--markdown"],
        ["check", "--max", "1", "--run", ""],
        ["--csv", "--json"],
        ["--calendar", "--json"],
        ["--calendar", "--by", "day"],
        ["--html", "x.html", "--csv"],
        ["--html", "x.html", "--bars"],
        ["--json", "--no-bars"],
        ["--force"],
        ["--since", "1h", "--until", "2h"],
    ],
)
def test_wrong_usage_is_one_sentence(run, options):
    result = run("cost", *options)

    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: ")


def test_a_calendar_of_what_was_spent(service, run):
    run("send", "hi")
    today = datetime.now(UTC).date()

    result = run("cost", "--calendar", "--since", "20d")

    assert (result.code, result.err) == (0, "")
    sums, calendar, legend = result.out.split("\n\n")
    assert sums == run("cost").out.rstrip("\n")
    rows = calendar.splitlines()[1:]
    assert [row[:3] for row in rows] == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    assert rows[today.weekday()].endswith("░")
    assert sum(row.count("·") for row in rows) == 20
    assert legend.splitlines()[-1] == f"{today - timedelta(days=20)} to {today}"
    assert run("cost", "--calendar", "--tag", "none").code == 0


@pytest.mark.parametrize("no_color", [False, True])
def test_a_calendar_has_colours_where_they_are_allowed(service, run, monkeypatch, no_color):
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    run("send", "hi")
    terminal = Terminal("cost", "--calendar")
    try:
        code, text = terminal.end()
    finally:
        terminal.close()

    assert code == 0
    assert "░ to $0.0000045" in text
    assert ("\x1b[36m░\x1b[0m" in terminal.raw) is not no_color
    assert ("\x1b[" in terminal.raw) is not no_color


def test_bars_in_a_pipe_only_when_they_are_asked_for(service, run):
    run("send", "hi")

    assert "█" not in run("cost", "--by", "model").out
    assert run("cost", "--by", "model", "--no-bars").out == run("cost", "--by", "model").out
    assert "█" * 40 in run("cost", "--by", "model", "--bars").out


def test_a_page_with_all_of_it(service, run, tmp_path, monkeypatch):
    monkeypatch.setenv("NEURALTERM_BUDGET_DAY", "1")
    for tag in ("a", "<b>"):
        run("send", "--tag", tag, "hi")
    page = tmp_path / "spent.html"

    result = run("cost", "--html", str(page))

    assert (result.code, result.out, result.err) == (0, "", f"written to {page}\n")
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    text = page.read_text("utf-8")
    total = format(sum(service.bill), "f").rstrip("0")
    assert f'<data value="{total}">' in text
    assert [text.count(f'<section id="{name}">') for name in ("day", "model", "tag", "budgets")] == [1, 1, 1, 1]
    assert "&lt;b&gt;" in text
    assert "<b>" not in text
    piped = run("cost", "--html", "-", "--by", "provider", "--tag", "a").out
    assert '<section id="provider">' in piped
    assert '<section id="day">' not in piped


def test_a_page_overwrites_nothing_unless_told_to(service, run, tmp_path):
    page = tmp_path / "spent.html"
    page.write_text("precious")
    page.chmod(0o644)

    result = run("cost", "--html", str(page))
    assert (result.code, page.read_text()) == (2, "precious")
    assert result.err == f"error: {page} exists already\nhint: --force overwrites it\n"

    assert run("cost", "--html", str(page), "--force").code == 0
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert run("cost", "--html", str(tmp_path / "no" / "where.html")).code == 2


def test_strict_holds_for_a_page_too(service, run, tmp_path):
    service.scripts = [events()]
    run("send", "hi")

    assert run("cost", "--html", str(tmp_path / "spent.html"), "--strict").code == 2
    assert "not settled" in (tmp_path / "spent.html").read_text("utf-8")


def test_a_narrow_terminal_has_lines_that_fit(service, run, monkeypatch):
    monkeypatch.setenv("NEURALTERM_BUDGET_MONTH", "1")
    run("send", "hi")
    reports = ([], ["--by", "model"], ["--by", "model,day"], ["--by", "model", "--bars"], ["--calendar"], ["budget"])
    for words in (["cost", *each] for each in reports):
        terminal = Terminal(*words, columns=60)
        try:
            code, text = terminal.end()
        finally:
            terminal.close()
        assert code == 0
        assert "$" in text
        assert max(map(len, text.splitlines())) <= 60


@pytest.mark.parametrize(
    "command",
    [
        ("cost",),
        ("cost", "check", "--max", "1"),
        ("models", "what-if", MODEL),
        ("history",),
        ("history", "search", "hi"),
    ],
)
def test_a_model_that_nobody_lists_chooses_nothing_and_close_ones_are_named(service, run, command):
    run("send", "hi")
    run("models")

    assert "did you mean" not in run(*command, "--model", MODEL[:-1] + "*").err
    result = run(*command, "--model", MODEL[:-1])
    assert result.code == 0
    assert result.err.endswith(f"warning: no listed model matches '{MODEL[:-1]}'; did you mean {MODEL}?\n")


def test_a_tag_or_provider_that_no_call_has_is_told_where_another_is_close(service, run):
    run("send", "--tag", "nightly", "hi")

    for tag in ("nigthly", "Nightly"):
        assert run("cost", "--tag", tag).err == f"warning: no call has the tag '{tag}'; did you mean nightly?\n"
    assert run("cost", "check", "--max", "1", "--provider", "stnad-in").err == (
        "warning: no calls match, so nothing was checked\n"
        "warning: no call has the provider 'stnad-in'; did you mean Stand-in?\n"
    )
    for options in (["--tag", "weekly-report"], ["--tag", "nightly"], ["--provider", "STAND-IN"]):
        assert run("cost", *options, "--until", "2020-01-01").err == ""
