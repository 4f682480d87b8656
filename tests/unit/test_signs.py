"""Grams: what a text has of a word's, so that the word can be looked for in an index."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.infrastructure.signs import END, grams, has_signs, size, wanted_grams

# Chinese, kana, Korean, Thai, Burmese, an emoji, and what ends a run.
texts = st.text(st.sampled_from("天気が가กขမ🙂 aé.\0"), max_size=30)


def test_grams_begin_at_every_sign():
    assert grams("天気だ!") == {"天気", "気だ", f"だ{END}"}
    assert grams("กขคง") == {"กขค", "ขคง", f"คง{END}", f"ง{END}{END}"}
    assert grams("天ก") == {"天ก", f"ก{END}{END}"}
    assert grams("plain, é, ×") == set()


def test_a_word_is_looked_for_by_its_grams():
    assert wanted_grams("天気だ") == {"天気", "気だ"}
    assert wanted_grams("กขคง") == {"กขค", "ขคง"}
    assert wanted_grams("c天d気") == {"天", "気"}
    assert wanted_grams("กข") == {"กข"}
    assert wanted_grams("100%") == set()


@given(texts, st.integers(0, 30), st.integers(1, 30))
def test_a_text_has_the_grams_of_all_words_in_it(text, start, length):
    word = text[start : start + length]
    here = grams(text)

    for gram in wanted_grams(word):
        is_whole = len(gram) == size(gram[0])
        assert gram in here if is_whole else any(each[:-1].startswith(gram) for each in here)


@pytest.mark.parametrize("text", ["天", "x天", "🙂", "ก", "가", "ｶ"])
def test_signs_are_seen(text):
    assert has_signs(text)
    assert grams(text)


def test_a_word_and_a_text_have_the_same_signs():
    differing = [
        code for code in [*range(0x12000), 0x20000, 0x10FFFF] if has_signs(chr(code)) != bool(grams(chr(code)))
    ]
    assert differing == []
