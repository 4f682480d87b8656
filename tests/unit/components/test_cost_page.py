import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from neuralterm.application.bounds import BudgetStatus
from neuralterm.application.records import CallFilter, CallTotals
from neuralterm.application.reports import CostReport
from neuralterm.application.spent import Spent
from neuralterm.components.cost_page import cost_page
from neuralterm.domain.budget import Budget, Scope, Window
from neuralterm.domain.record import replace

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
HOSTILE = "</title><script>alert('1')</script><img src=x onerror=\"alert(2)\">\x1b[31m\u202e&"
VOID = {"meta", "link", "rect", "line", "circle"}


class Page(HTMLParser):
    """A page as a browser would read it; knows whether every element is closed."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.text, self.open, self.elements, self.words = text, [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip() and "style" not in self.open:
            self.words.append(data.strip())

    def count(self, tag):
        return sum(name == tag for name, _ in self.elements)

    def section(self, name):
        return Page(re.search(rf'<section id="{name}">.*?</section>', self.text, re.DOTALL)[0])


def group(*keys, calls=1, unsettled=0, at_most="0", **sources):
    return CallTotals(
        keys,
        calls=calls,
        prompt_tokens=1000 * calls,
        completion_tokens=10 * calls,
        by_source={name: Decimal(usd) for name, usd in sources.items()},
        unsettled_calls=unsettled,
        unsettled_at_most_usd=None if at_most is None else Decimal(at_most),
    )


def report(by, *groups, wanted=None):
    return CostReport(
        wanted or CallFilter(), "Europe/Berlin", by, group(calls=3, billed="1.5", estimated="0.25"), groups
    )


def page_of(*parts, budgets=(), wanted=None, whole=None):
    whole = CostReport(wanted or CallFilter(), "Europe/Berlin", (), whole or group(calls=3, billed="1.5"))
    return Page(cost_page(Spent(whole, parts, NOW), budgets))


DAYS = report(
    ("day",),
    group("2026-11-24", billed="1"),
    CallTotals(("2026-11-25",)),
    group("2026-11-26", calls=2, unsettled=1, at_most="0.5", billed="0.5", estimated="0.25"),
)
MODELS = report(("model",), group("a/dear", calls=2, billed="1"), group(HOSTILE, billed="0.5"), group(""))
TAGS = report(("tag",), group("", unsettled=1, at_most=None))
BUDGET = BudgetStatus(
    Budget(HOSTILE, Decimal(10), Window.MONTH, scope=Scope(tag=HOSTILE)),
    spent_usd=Decimal(2),
    reserved_usd=Decimal(1),
    remaining_usd=Decimal(7),
    resets_at=datetime(2026, 12, 1, tzinfo=UTC),
)


def test_it_is_one_page_that_asks_for_nothing_and_runs_nothing():
    page = page_of(DAYS, MODELS, TAGS, budgets=[BUDGET])

    assert page.text.startswith("<!DOCTYPE html>\n<html lang=")
    names = {name for name, _ in page.elements}
    assert names.isdisjoint({"script", "img", "iframe", "object", "embed", "base", "form", "a", "use", "image"})
    for name, attributes in page.elements:
        assert not [key for key in attributes if key.startswith("on") or key in ("style", "xlink:href")]
        assert attributes.get("href") in (None, "data:,"), name
    assert not re.search(r"https?:|//|@import|@font-face|url\((?!#)", page.text.replace("<!DOCTYPE", ""))
    policy = next(attributes["content"] for _, attributes in page.elements if "http-equiv" in attributes)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def test_whatever_names_hold_is_text():
    page = page_of(MODELS, budgets=[BUDGET], wanted=CallFilter(tag=HOSTILE, model="*<b>*"))

    assert "</title><script>" in "".join(page.words)
    assert "\x1b" not in page.text
    assert "\u202e" not in page.text
    assert page.text.count("<script") == page.text.count("<b>") == 0


def test_every_drawing_is_well_formed_and_named():
    page = page_of(DAYS, MODELS, TAGS, budgets=[BUDGET])

    drawings = re.findall(r"<svg.*?</svg>", page.text, re.DOTALL)
    assert len(drawings) > 4
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        assert root.get("aria-hidden") == "true" or root.get("aria-label")
    # Names of series are those that the page gives a colour.
    classes = {attributes["class"] for name, attributes in page.elements if name == "rect"}
    assert classes <= {"billed", "estimated", "unsettled", "rest"}
    assert all(f".{name} {{ fill" in page.text for name in classes)


def test_sums_and_tables_have_all_digits_for_programs():
    section = page_of(DAYS).section("day")

    amounts = [attributes["value"] for name, attributes in section.elements if name == "data"]
    assert amounts == ["1", "1", "0.75", "0.5", "0.25"]
    assert section.count("tr") == 3
    assert [word for word in section.words if word.startswith("2026-11-24")][:1] == [
        "2026-11-24: $1.00 billed (1 call)"
    ]
    assert "1 call, at most $0.50" in section.words


def test_what_is_not_settled_is_drawn_apart_and_never_as_zero():
    page = page_of(DAYS, TAGS, whole=group(calls=3, unsettled=2, at_most=None, billed="1.5"))

    rects = [attributes for name, attributes in page.section("day").elements if name == "rect"]
    assert [each["class"] for each in rects] == ["billed", "billed", "estimated", "unsettled"]
    assert "Known" in page.section("sums").words[0]
    assert "no bound" in page.section("sums").words
    assert "unknown" in page.section("tag").words
    assert "1 call, no bound" in page.section("tag").words


def test_tags_may_add_up_to_more_and_that_is_said():
    assert any(word.startswith("A call with several tags") for word in page_of(TAGS).words)
    assert not any(word.startswith("A call with several tags") for word in page_of(MODELS).words)


def test_many_groups_are_drawn_as_some_and_others_and_all_are_in_the_table():
    groups = [group(f"m/{number:02d}", billed=str(100 - number)) for number in range(30)]
    section = page_of(report(("model",), *groups)).section("model")

    assert section.count("g") == 21
    assert "10 others" in section.words
    assert section.count("tr") == 31
    total = sum(100 - number for number in range(20, 30))
    assert f"${total}.00" in section.words


def test_what_is_unknown_is_marked_in_charts_too():
    days = report(
        ("day",), group("2026-11-25", unsettled=1, at_most=None), group("2026-11-26", unsettled=1, billed="1")
    )
    models = report(
        ("model",),
        group("some", calls=2, unsettled=1, at_most="1", billed="1"),
        group("none", unsettled=1, at_most="1"),
        group("all", billed="2"),
    )
    page = page_of(days, models)

    assert page.section("day").words.count("?") == 1
    assert {"$1.00 + ?", "unknown", "$2.00"} <= set(page.section("model").words)
    assert "$0.00" not in page.section("day").words


def test_budgets_show_what_is_used_and_held_back():
    section = page_of(budgets=[BUDGET]).section("budgets")

    widths = {each["class"]: float(each["width"]) for name, each in section.elements if name == "rect"}
    assert widths == {"rest": 800, "billed": 160, "unsettled": 80}
    assert "month, resets 2026-12-01 00:00 UTC" in section.words
    assert 'id="budgets"' not in page_of().text


def test_of_no_calls_there_are_no_charts():
    nothing = report(("day",), CallTotals(("2026-11-26",)))
    section = page_of(nothing, report(("model",))).section("day")

    assert section.words == ["By day", "No calls."]
    assert section.count("svg") == 0


@pytest.mark.parametrize("count", [1, 93, 700])
def test_days_without_end_are_drawn_within_the_page(count):
    first = date(2024, 1, 1)
    groups = [group((first + timedelta(days=number)).isoformat(), billed="1") for number in range(count)]
    section = page_of(report(("day",), *groups)).section("day")

    rects = [each for name, each in section.elements if name == "rect"]
    assert len(rects) == count
    assert max(float(each["x"]) + float(each["width"]) for each in rects) <= 800
    assert min(float(each["x"]) for each in rects) >= 72


def test_the_chosen_calls_are_named():
    wanted = CallFilter(since=datetime(2026, 11, 1, tzinfo=UTC), tag="ci", run="job-7")
    words = " ".join(page_of(wanted=wanted).words)

    assert "From 2026-11-01 00:00 UTC , tag ci , run job-7 . Written 2026-11-26 12:00 UTC" in words
    assert "All calls. Written" in " ".join(page_of().words)
    assert "Europe/Berlin" in words


def test_what_providers_charge_to_own_keys_has_a_column_where_there_is_any():
    mine = replace(group("mine", billed="0"), upstream_usd=Decimal("0.5"))
    words = page_of(report(("model",), mine, group("theirs", billed="1"))).section("model").words

    assert "upstream" in words
    assert "$0.50" in words
    assert "upstream" not in page_of(report(("model",), group("theirs", billed="1"))).section("model").words
