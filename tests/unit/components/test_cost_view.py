import csv
import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from textwrap import dedent

from neuralterm.application.bounds import BudgetStatus
from neuralterm.application.records import CallFilter, CallTotals
from neuralterm.application.reports import CostReport
from neuralterm.components.cost_csv import report_csv
from neuralterm.components.cost_view import report_document, report_text
from neuralterm.components.machine import dumps
from neuralterm.components.text_width import columns_of
from neuralterm.domain.budget import Budget, Window

TOTAL = CallTotals(
    calls=1234,
    prompt_tokens=5000,
    completion_tokens=600,
    reasoning_tokens=70,
    cached_tokens=8,
    by_source={"billed": Decimal("0.04"), "estimated": Decimal("4.1E-8")},
    unsettled_calls=2,
    unsettled_at_most_usd=Decimal("0.0123"),
    upstream_usd=Decimal("0.5"),
)
BUDGET = BudgetStatus(
    Budget("day budget", Decimal(1), Window.DAY),
    spent_usd=Decimal("0.04"),
    reserved_usd=Decimal(0),
    remaining_usd=Decimal("0.96"),
    resets_at=datetime(2026, 11, 24, tzinfo=UTC),
)
ALL = Budget("all", Decimal(1), Window.TOTAL)


def a_report(total=TOTAL, groups=(), by=(), wanted=None) -> CostReport:
    return CostReport(wanted or CallFilter(), "UTC", tuple(by), total, tuple(groups))


def test_document_is_as_promised():
    wanted = CallFilter(since=datetime(2026, 11, 1, tzinfo=UTC))
    group = CallTotals(
        ("ci",), calls=2, prompt_tokens=1, by_source={"billed": Decimal("0.10")}, upstream_usd=Decimal("0.25")
    )

    document = report_document(a_report(groups=[group], by=["tag"], wanted=wanted), [BUDGET])

    assert json.dumps(document) == json.dumps(
        {
            "schema_version": 1,
            "currency": "USD",
            "since": "2026-11-01T00:00:00.000Z",
            "until": None,
            "timezone": "UTC",
            "calls": 1234,
            "tokens": {"prompt": 5000, "completion": 600, "reasoning": 70, "cached": 8},
            "total_usd": "0.040000041",
            "by_source": {"billed": "0.04", "reconciled": "0", "computed": "0", "estimated": "0.000000041"},
            "unsettled": {"calls": 2, "at_most_usd": "0.0123"},
            "upstream_usd": "0.5",
            "groups": [
                {
                    "key": "ci",
                    "keys": {"tag": "ci"},
                    "calls": 2,
                    "total_usd": "0.1",
                    "tokens": {"prompt": 1, "completion": 0, "reasoning": 0, "cached": 0},
                    "by_source": {"billed": "0.1", "reconciled": "0", "computed": "0", "estimated": "0"},
                    "unsettled": {"calls": 0, "at_most_usd": "0"},
                    "upstream_usd": "0.25",
                }
            ],
            "budgets": [
                {
                    "name": "day budget",
                    "window": "day",
                    "limit_usd": "1",
                    "spent_usd": "0.04",
                    "reserved_usd": "0",
                    "remaining_usd": "0.96",
                    "resets_at": "2026-11-24T00:00:00.000Z",
                }
            ],
        }
    )


def test_document_of_nothing_is_zeros_and_empty_lists():
    document = json.loads(dumps(report_document(a_report(CallTotals()), [])))

    assert document["total_usd"] == document["upstream_usd"] == "0"
    assert set(document["by_source"].values()) == {"0"}
    assert document["unsettled"] == {"calls": 0, "at_most_usd": "0"}
    assert document["groups"] == document["budgets"] == []


def test_an_unknown_bound_is_null():
    total = CallTotals(calls=1, unsettled_calls=1, unsettled_at_most_usd=None)

    assert report_document(a_report(total), [])["unsettled"] == {"calls": 1, "at_most_usd": None}


def test_text_says_where_each_amount_comes_from():
    assert report_text(a_report(), []) == dedent("""\
        known         $0.04  (1,234 calls)
          billed      $0.04  (the service said so in its replies)
          estimated   $0.000000041  (tokens counted here at its list prices)
        2 calls not settled yet: at most $0.0123
        upstream      $0.50  (charged by providers to your keys: in budgets, not in the total)
        tokens        5,000 in (8 cached), 600 out (70 reasoning)""")


def test_text_of_nothing():
    assert report_text(a_report(CallTotals()), []).splitlines()[0].split() == ["total", "$0.00", "(0", "calls)"]


def test_text_admits_that_a_bound_is_unknown():
    total = CallTotals(calls=1, unsettled_calls=1, unsettled_at_most_usd=None)

    assert "1 call not settled yet: no upper bound known" in report_text(a_report(total), [])


def test_groups_are_a_table_and_an_unknown_cost_is_not_zero():
    groups = [
        CallTotals(("",), calls=1, by_source={"billed": Decimal(0)}),
        CallTotals(("1e5",), calls=1, unsettled_calls=1, unsettled_at_most_usd=Decimal("0.02")),
        CallTotals(
            ("b",), calls=3, by_source={"billed": Decimal("1.5")}, unsettled_calls=1, unsettled_at_most_usd=None
        ),
    ]

    text = report_text(a_report(groups=groups, by=["tag"]), [])

    rows = [line.split("  ") for line in text.split("\n\n")[1].splitlines()[2:]]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert cells == [
        ["(no tag)", "1", "0", "0", "$0.00"],
        ["1e5", "1", "0", "0", "unknown", "1 call, at most $0.02"],
        ["b", "3", "0", "0", "$1.50", "1 call, no bound"],
    ]


def test_groups_without_open_calls_need_no_column_for_them():
    text = report_text(a_report(groups=[CallTotals(("a",), calls=1)], by=["model"]), [])

    assert "not settled" not in text.split("\n\n")[1]


def test_budgets_are_listed():
    lines = report_text(a_report(), [BUDGET, replace(BUDGET, budget=ALL, resets_at=None)]).splitlines()

    assert lines[-2].split() == ["day", "budget", "$1.00", "$0.04", "$0.00", "$0.96", "2026-11-24", "00:00", "UTC"]
    assert lines[-1].split() == ["all", "$1.00", "$0.04", "$0.00", "$0.96", "never"]


def test_csv_has_one_line_per_group():
    groups = [
        CallTotals(('odd, "quoted"',), calls=1, by_source={"billed": Decimal("1E-9"), "computed": Decimal("0.5")}),
        CallTotals(("x",), calls=2, unsettled_calls=2, unsettled_at_most_usd=None),
    ]

    header, *rows = csv.reader(report_csv(a_report(groups=groups, by=["tag"])).splitlines())

    assert header == [
        "key",
        "calls",
        "prompt_tokens",
        "completion_tokens",
        "reasoning_tokens",
        "cached_tokens",
        "total_usd",
        "billed_usd",
        "reconciled_usd",
        "computed_usd",
        "estimated_usd",
        "unsettled_calls",
        "unsettled_at_most_usd",
        "upstream_usd",
    ]
    assert rows == [
        ['odd, "quoted"', "1", "0", "0", "0", "0", "0.500000001", "0.000000001", "0", "0.5", "0", "0", "0", "0"],
        ["x", "2", "0", "0", "0", "0", "0", "0", "0", "0", "0", "2", "", "0"],
    ]


def test_several_groupings_are_a_key_each():
    groups = [CallTotals(("ci", "openai/gpt-4o"), calls=1), CallTotals(("", "a/b"), calls=2)]
    found = a_report(groups=groups, by=["tag", "model"])

    documents = report_document(found, [])["groups"]
    table = list(csv.reader(report_csv(found).splitlines()))
    rows = report_text(found, []).split("\n\n")[1].splitlines()

    assert [each["key"] for each in documents] == ["ci, openai/gpt-4o", ", a/b"]
    assert [each["keys"] for each in documents] == [
        {"tag": "ci", "model": "openai/gpt-4o"},
        {"tag": "", "model": "a/b"},
    ]
    assert [row[:4] for row in table] == [
        ["key", "tag", "model", "calls"],
        ["ci, openai/gpt-4o", "ci", "openai/gpt-4o", "1"],
        [", a/b", "", "a/b", "2"],
    ]
    assert rows[0].split()[:3] == ["tag", "model", "calls"]
    assert rows[3].split()[:3] == ["(no", "tag)", "a/b"]


def group_of(key, usd, **fields):
    return CallTotals((key,), calls=1, by_source={"billed": Decimal(usd)}, **fields)


def bars_of(groups, width):
    lines = report_text(a_report(groups=groups, by=["model"]), [], width).split("\n\n")[1].splitlines()
    assert max(map(len, lines)) <= width or not any("█" in line for line in lines)
    return [line.split("$")[1].partition(" ")[2].strip() for line in lines[2:]]


def test_bars_are_scaled_to_the_largest_amount():
    groups = [group_of("a", "1"), group_of("b", "0.5"), group_of("c", "0.0000001"), group_of("d", "0")]

    assert bars_of(groups, 200) == ["█" * 40, "█" * 20, "▏", ""]
    assert len(bars_of(groups, 70)[0]) < 40


def test_where_there_is_no_room_or_no_terminal_there_are_no_bars():
    groups = [group_of("a", "1")]

    assert bars_of(groups, 32) == ["█" * 6]
    assert bars_of(groups, 31) == [""]
    assert "█" not in report_text(a_report(groups=groups, by=["model"]), [])
    assert bars_of([group_of("a", "0")], 200) == [""]


def test_bars_can_be_had_in_a_pipe_and_left_out_on_a_terminal():
    report = a_report(groups=[group_of("a", "1"), group_of("b", "0.5")], by=["model"])

    piped = report_text(report, [], bars=True).splitlines()
    assert piped[-1].endswith("  " + "█" * 20)
    assert report_text(report, [], bars=False) == report_text(report, [])
    assert "█" not in report_text(report, [], 200, bars=False)


def test_bars_that_are_asked_for_leave_columns_out_until_they_fit():
    report = a_report(groups=[group_of("a", "1")], by=["model"])

    for width in range(30, 60):
        table = report_text(report, [], width, bars=True).split("\n\n")[1]
        assert columns_of(table) <= width
        assert "█" * 6 in table
    nothing = a_report(groups=[group_of("a", "0")], by=["model"])
    assert report_text(nothing, [], 40, bars=True) == report_text(nothing, [], 40)


def test_sums_alone():
    report = a_report(groups=[group_of("a", "1")], by=["model"])

    assert report_text(report, (), groups=False) == report_text(a_report(), ())


def test_bars_leave_room_for_wide_characters():
    lines = report_text(a_report(groups=[group_of("模型" * 10, "1")], by=["model"]), [], 100).splitlines()

    assert columns_of("\n".join(lines)) <= 100
    assert "█" in lines[-1]


def test_a_narrow_terminal_gets_what_fits_and_the_cost_is_in_it():
    group = group_of("anthropic/claude-haiku-4.5:thinking", "0.5", prompt_tokens=10**6, unsettled_calls=1)
    report = a_report(groups=[group, group_of("b", "1")], by=["model"])

    for width in range(60, 120):
        text = report_text(report, [BUDGET], width)
        assert columns_of("".join(text.partition("\n\n")[1:])) <= width
        assert "$0.50" in text
        assert "not settled" in text
        assert "$0.96" in text
    lines = report_text(report, [BUDGET], 60).splitlines()
    assert next(line for line in lines if line.startswith("model")).split() == ["model", "cost", "not", "settled"]
    assert any(line.startswith("anthropic/claude-h") and "…" in line for line in lines)


def test_csv_without_grouping_is_the_total():
    assert report_csv(a_report()).splitlines()[1] == ",1234,5000,600,70,8,0.040000041,0.04,0,0,0.000000041,2,0.0123,0.5"


def test_csv_without_groups_is_its_header():
    assert len(report_csv(a_report(by=["day"])).splitlines()) == 1


def test_where_there_is_no_room_what_is_not_settled_is_marked_behind_the_cost():
    whole, part = group_of("2026-11-01", "0", unsettled_calls=1), group_of("2026-11-02", "0.5", unsettled_calls=1)
    report = a_report(groups=[replace(whole, calls=1), replace(part, calls=2), group_of("2026-11-03", "1")], by=["day"])

    for width, bars in ((29, False), (37, True)):
        table = report_text(report, [], width, bars=bars).split("\n\n")[1]
        rows = [line.split("  ") for line in table.splitlines()[2:]]
        assert [[cell.strip() for cell in row if cell][:2] for row in rows] == [
            ["2026-11-01", "unknown"],
            ["2026-11-02", "$0.50 + ?"],
            ["2026-11-03", "$1.00"],
        ]
        assert columns_of(table) <= width


def test_sums_are_broken_at_words_on_a_narrow_terminal():
    sums = report_text(a_report(), [], 40).splitlines()

    assert max(map(len, sums)) <= 40
    assert sums[-2:] == ["tokens        5,000 in (8 cached), 600", "              out (70 reasoning)"]


def test_what_providers_charge_to_own_keys_is_told_by_group():
    groups = [group_of("mine", "0", upstream_usd=Decimal("0.5")), group_of("theirs", "1")]
    report = a_report(groups=groups, by=["model"])

    rows = [line.split() for line in report_text(report, []).split("\n\n")[1].splitlines()]
    assert rows[0][-1] == "upstream"
    assert rows[2][-2:] == ["$0.00", "$0.50"]
    assert rows[3][-1] == "$1.00"
    assert [row.rpartition(",")[2] for row in report_csv(report).splitlines()] == ["upstream_usd", "0.5", "0"]


def test_a_terminal_has_the_dearest_first_but_times_as_they_came():
    groups = [group_of("a", "1"), group_of("b", "0", upstream_usd=Decimal(1)), group_of("c", "0"), group_of("d", "2")]

    def keys(by, width):
        table = report_text(a_report(groups=groups, by=[by]), [], width).split("\n\n")[1]
        return "".join(line[0] for line in table.splitlines()[2:])

    assert keys("model", 80) == "dabc"
    assert keys("day", 80) == keys("model", None) == "abcd"
