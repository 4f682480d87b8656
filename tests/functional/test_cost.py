"""`cost`: sums over the ledger that earlier calls left."""

import csv
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from .stand_in import MODEL, events

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
    assert report("-z", "Asia/Tokyo", "--until", "2026-11-23")["until"] == "2026-11-23T15:00:00.000Z"


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
    assert json.loads(result.err.splitlines()[-1])["error"]["code"] == "NOT_ALL_BILLED"


@pytest.mark.parametrize(
    "options",
    [
        ["-z", "Mars/Base"],
        ["--since", "yesterday-ish"],
        ["--since", "999999999999d"],
        ["--since", "0001-01-01", "-z", "Asia/Tokyo"],
        ["--by", "hour"],
        ["--csv", "--json"],
        ["--since", "1h", "--until", "2h"],
    ],
)
def test_wrong_usage_is_one_sentence(run, options):
    result = run("cost", *options)

    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: ")
