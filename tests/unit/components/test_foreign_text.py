import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.components.foreign_text import MARK, OWN_WORDS, LineGuard, distinct, quoted, unbroken, visible

PIECES = st.sampled_from([*OWN_WORDS, "err", "or", ":", " ", "\n", "\u200b", "\u2060", "x", "| "])
TEXTS = st.lists(PIECES, max_size=20).map("".join)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("a\r\nb\rc", "a\nb␍c"),
        ("\x00\x07\x08\x1b[2J\x7f", "␀␇␈␛[2J␡"),
        ("\x80\x9b2J\x9f", r"\x80\x9b2J\x9f"),
        ("a\u2028b\u2029c\u0085", r"a\u2028b\u2029c\x85"),
        ("\u202a\u202e\u2066\u2069\u206f", r"\u202a\u202e\u2066\u2069\u206f"),
        ("\ud83d \udcff", r"\ud83d \udcff"),
        ("\ufff9\ufffb\ufffd", "\\ufff9\\ufffb\ufffd"),
        ("👩\u200d💻 שלום\u200f مرحبا é 日本", "👩\u200d💻 שלום\u200f مرحبا é 日本"),
    ],
)
def test_control_characters_are_shown(text, shown):
    assert visible(text) == shown


@given(text=st.text())
def test_nothing_that_a_terminal_obeys_is_left(text):
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u206f\ud800-\udfff]", visible(text))
    assert len(unbroken(text).splitlines()) <= 1
    assert all(line.startswith(MARK) for line in quoted(text).split("\n"))


@pytest.mark.parametrize("word", OWN_WORDS)
def test_a_line_like_ours_is_moved_in(word):
    assert distinct(f"{word}: a\n{word}:\n {word}: b\nx {word}: c") == f" {word}: a\n {word}:\n {word}: b\nx {word}: c"
    assert distinct(f"\u200b\ufeff{word}: a") == f" \u200b\ufeff{word}: a"
    assert distinct(f"{word}s: a\n{word} : b\n{word.title()}: c") == f"{word}s: a\n{word} : b\n{word.title()}: c"


@given(text=TEXTS, cuts=st.lists(st.integers(0, 60)))
def test_pieces_come_to_the_same_as_the_whole(text, cuts):
    borders = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    guard = LineGuard()
    shown = "".join(guard.feed(text[start:end]) for start, end in pairwise(borders)) + guard.flush()
    assert shown == distinct(text)


def test_only_what_may_become_one_of_ours_is_kept_back():
    guard = LineGuard()
    assert guard.feed("Error, err") == "Error, err"
    assert guard.feed("\nerr") == "\n"
    assert guard.feed("and") == "errand"
    guard.restart()
    assert guard.feed("note:") == " note:"
