from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.components.tables import grouped, shortened, table
from neuralterm.domain.spans import in_words


def test_cells_are_never_read_as_numbers():
    rows = table(["id", "n"], [["1e5", "007"], ["0x1F", "1.50"]], right=["n"]).splitlines()[2:]

    assert [row.split() for row in rows] == [["1e5", "007"], ["0x1F", "1.50"]]
    assert len({len(row) for row in rows}) == 1


def test_a_cell_stays_on_its_line_and_whole():
    lines = table(["a", "b"], [["one\ntwo", "x" * 500]]).splitlines()

    assert len(lines) == 3
    assert lines[2] == f"one two  {'x' * 500}"


def test_a_table_without_rows_is_its_header():
    assert table(["a", "b"], []).splitlines()[0].split() == ["a", "b"]


@given(st.text(), st.integers(1, 50))
def test_shortened_text_fits_and_shows_the_cut(text, width):
    shown = shortened(text, width)

    assert len(shown) <= width
    assert shown == " ".join(text.split()) or shown.endswith("…")


def test_counts():
    assert (grouped(1234567), grouped(0), grouped(None)) == ("1,234,567", "0", "?")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "seconds"), (59, "seconds"), (60, "1 minute"), (7199, "1 hour"), (7200, "2 hours"), (200_000, "2 days")],
)
def test_spans_in_words(seconds, words):
    assert in_words(timedelta(seconds=seconds)) == words
