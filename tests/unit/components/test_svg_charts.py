from decimal import Decimal
from itertools import pairwise
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from neuralterm.components.svg_charts import Bar, columns_chart, meter, rows_chart

SERIES = ("billed", "estimated")


def bar(name, *amounts):
    return Bar(name, f"{name}!", tuple(map(Decimal, amounts)), told=f"{name} is told")


def rects(drawing, series=None):
    root = ElementTree.fromstring(drawing)
    found = [each for each in root.iter("rect") if series is None or each.get("class") == series]
    return [{key: float(each.get(key)) for key in ("x", "y", "width", "height")} for each in found]


def words(drawing):
    return [each.text for each in ElementTree.fromstring(drawing).iter("text")]


def test_heights_are_in_proportion_and_stacked():
    drawing = columns_chart([bar("a", "1", "0.5"), bar("b", "2", "0")], SERIES, "by day")

    (first, second), (above,) = rects(drawing, "billed"), rects(drawing, "estimated")
    assert second["height"] == 2 * first["height"] == 4 * above["height"]
    assert above["y"] + above["height"] == first["y"]
    assert above["x"] == first["x"] < second["x"]
    # Up to the line of $2, on which the largest one ends.
    assert words(drawing) == ["$0", "$0.5", "$1", "$1.5", "$2", "a", "b"]
    assert second["y"] == 18


def test_widths_are_in_proportion_and_amounts_are_written():
    drawing = rows_chart([bar("a", "1", "1"), bar("b", "0.5", "0")], SERIES, "by model")

    (first, second), (behind,) = rects(drawing, "billed"), rects(drawing, "estimated")
    assert first["width"] == behind["width"] == 2 * second["width"]
    assert behind["x"] == first["x"] + first["width"]
    assert words(drawing) == ["a", "a is told", "b", "b is told"]


def test_what_has_no_amount_is_marked_above_its_column():
    marked = Bar("a", "", (Decimal(1), Decimal(0)), mark="?")
    drawing = columns_chart([marked, Bar("b", "", (Decimal(0), Decimal(0)), mark="?")], SERIES, "")

    marks = [each for each in ElementTree.fromstring(drawing).iter("text") if each.text == "?"]
    assert [float(each.get("y")) for each in marks] == [15, 213]


def test_what_is_more_than_nothing_can_be_seen_and_nothing_is_not_drawn():
    tiny, nothing = bar("tiny", "0.000000001", "0"), bar("none", "0", "0")

    assert [each["height"] for each in rects(columns_chart([bar("a", "9", "0"), tiny, nothing], SERIES, ""))][1:] == [1]
    assert len(rects(rows_chart([bar("a", "9", "0"), tiny, nothing], SERIES, ""))) == 2
    assert rects(columns_chart([nothing], SERIES, "")) == rects(columns_chart([], SERIES, "")) == []
    assert rects(rows_chart([], SERIES, "")) == []


def test_names_are_text_and_cut_where_there_is_no_room():
    odd = '<script>&"' + "模型" * 40 + "\x1b[31m"
    drawing = rows_chart([bar(odd, "1", "0")], SERIES, odd)

    label, _ = words(drawing)
    assert label.startswith('<script>&"模型')
    assert label.endswith("…")
    root = ElementTree.fromstring(drawing)
    assert "␛[31m" in root.get("aria-label")
    assert root.find("g/title").text.endswith("␛[31m!")


def test_times_that_have_no_room_are_left_out_but_the_first():
    days = [bar(f"2026-11-{number:02d}", "1", "0") for number in range(1, 31)]

    shown = [each for each in words(columns_chart(days, SERIES, "")) if "-" in each]
    assert shown[0] == "2026-11-01"
    assert 4 < len(shown) < 9


def test_no_time_is_written_over_another():
    for count in range(1, 120):
        drawing = columns_chart([bar(f"2026-{number:05d}", "1", "0") for number in range(count)], SERIES, "")
        root = ElementTree.fromstring(drawing)
        middles = [float(each.get("x")) for each in root.iter("text") if each.get("text-anchor") == "middle"]
        assert middles
        assert all(after - before >= 80 for before, after in pairwise(middles))
        assert middles[-1] <= 800 - 36


def test_a_meter_is_full_at_its_limit():
    halves = rects(meter([("billed", Decimal(1)), ("unsettled", Decimal(1))], Decimal(4), ""))
    assert [each["width"] for each in halves] == [800, 200, 200]
    beyond = rects(meter([("billed", Decimal(3)), ("unsettled", Decimal(9))], Decimal(4), ""))
    assert [each["width"] for each in beyond] == [800, 600, 200]
    assert [each["width"] for each in rects(meter([("billed", Decimal(1))], Decimal(0), ""))] == [800, 800]


AMOUNTS = st.decimals(min_value=0, max_value=10**6, places=12)


@given(st.lists(st.tuples(st.text(max_size=60), AMOUNTS, AMOUNTS), max_size=100))
def test_nothing_is_drawn_outside(rows):
    bars = [Bar(name, name, (one, other)) for name, one, other in rows]
    for drawing in (columns_chart(bars, SERIES, "x"), rows_chart(bars, SERIES, "x")):
        root = ElementTree.fromstring(drawing)
        _, _, width, height = map(float, root.get("viewBox").split())
        for each in rects(drawing):
            assert -0.01 <= each["x"] <= each["x"] + each["width"] <= width + 0.02
            assert -2 <= each["y"] <= each["y"] + each["height"] <= height + 0.02
        assert len(root.findall("g")) == len(bars)


def test_amounts_of_any_length_have_room():
    for amount in ("0.000000000001", "9876543.21"):
        rows = ElementTree.fromstring(
            rows_chart([Bar("a", "", (Decimal(amount),), told=f"${amount} + ?")], SERIES[:1], "")
        )
        _, told = rows.iter("text")
        assert float(told.get("x")) + 7.2 * len(told.text) <= 800
        columns = ElementTree.fromstring(columns_chart([Bar("a", "", (Decimal(amount),))], SERIES[:1], ""))
        for name in (each for each in columns.iter("text") if each.get("text-anchor") == "end"):
            assert float(name.get("x")) - 7.2 * len(name.text) >= 0


def test_a_name_is_as_long_as_what_is_shown_of_it():
    label, _ = words(rows_chart([bar("e\x1b[31mvil\u202e" * 5, "1", "0")], SERIES, ""))
    assert len(label) <= 31
