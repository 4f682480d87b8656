"""How reasoning is laid out: quoted on every row, and no word in two."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.components.aside import Aside
from neuralterm.components.text_width import cells_of


def rows(*pieces, columns=30):
    aside = Aside(lambda: columns)
    return "".join([*map(aside.feed, pieces), aside.finish()])


def test_rows_end_between_words_and_each_is_marked():
    assert rows("The user wants a short re", "ply, so the main point comes first.") == (
        "| The user wants a short\n| reply, so the main point\n| comes first.\n"
    )


def test_lines_and_indents_stay():
    assert rows("one\n\n  two  \n", "\n", "three\n\n") == "| one\n| \n|   two\n| \n| three\n"


def test_signs_need_no_spaces():
    assert rows("日本語" * 8) == "| 日本語日本語日本語日本語日\n| 本語日本語日本語日本語\n"


@pytest.mark.parametrize("columns", [None, 20])
def test_where_the_terminal_breaks_rows_words_come_as_they_come(columns):
    aside = Aside(lambda: columns)
    assert aside.feed("a" * 30 + " wo") == "| " + "a" * 30 + " wo"
    assert aside.feed("rd") == "rd"


def test_a_word_without_end_does_not_wait_for_it():
    aside = Aside(lambda: 30)
    assert "".join(aside.feed("x" * 10) for _ in range(10)).count("x") > 60


TEXTS = st.text(st.sampled_from("ab é日.\n\t"), max_size=120)


@given(TEXTS, st.data())
def test_rows_fit_whatever_the_pieces_and_nothing_is_lost(text, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    shown = rows(*pieces)
    assert shown == rows(text)
    assert re.sub(r"\s", "", shown.replace("| ", "")) == re.sub(r"\s", "", text)
    for row in shown.splitlines():
        assert cells_of(row.expandtabs()) < 30 or len(row.split()) <= 2
