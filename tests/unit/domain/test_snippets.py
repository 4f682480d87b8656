import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.domain.graphemes import columns, end_within, is_border, start_within
from neuralterm.domain.snippets import AFTER, BEFORE, snippet_of

FAMILY = "👨\u200d👩\u200d👧"


def marked(content, *words):
    return snippet_of(content, words)[0]


@pytest.mark.parametrize(
    ("content", "words", "snippet"),
    [
        ("the sky is blue", ["SKY", "blue"], "the [sky] is [blue]"),
        ("skyline and sky", ["sky"], "skyline and [sky]"),
        ("skyline only", ["sky"], "[sky]line only"),
        ("Ein Café in MÜNCHEN", ["cafe", "munchen"], "Ein [Café] in [MÜNCHEN]"),
        ("Ein Cafe\u0301!", ["café"], "Ein [Cafe\u0301]!"),
        ("STRASSE", ["strasse"], "[STRASSE]"),
        ("今天天气很好", ["天气"], "今天[天气]很好"),
        ("東京タワーへ行く", ["タワー", "行"], "東京[タワー]へ[行]く"),
        ("สวัสดีครับ", ["สวัสดี"], "[สวัสดี]ครับ"),
        (f"a {FAMILY} b", ["👨"], f"a [{FAMILY}] b"),
        ("what is c++?", ["c++?"], "what is [c]++?"),
        ("snake_case", ["case"], "snake_[case]"),
        ("NEAR(a b)", ["NEAR(a"], "[NEAR(a] b)"),
        ("nothing of it", ["absent"], "nothing of it"),
        ("", ["x"], ""),
        ("a.b", ["."], "a[.]b"),
        ("İstanbul İki", ["iki"], "İstanbul [İki]"),
    ],
)
def test_matches_are_marked(content, words, snippet):
    assert marked(content, *words) == snippet


def test_a_long_text_is_cut_between_words():
    content = "alpha beta gamma " * 40 + "needle " + "delta epsilon " * 40

    snippet, ((start, end),) = snippet_of(content, ["needle"])

    assert re.fullmatch(r"…[a-z ]+\[needle\][a-z ]+…", snippet)
    assert set(re.findall("[a-z]+", snippet)) == {"alpha", "beta", "gamma", "needle", "delta", "epsilon"}
    assert snippet[start:end] == "[needle]"


def test_wide_characters_count_twice():
    snippet = marked("天" * 300 + "気" + "地" * 300, "気")

    assert snippet == "…" + "天" * (BEFORE // 2) + "[気]" + "地" * (AFTER // 2 - 1) + "…"


def test_no_character_is_torn():
    content = FAMILY * 100 + "needle" + "e\u0301" * 300 + "🇩🇪" * 9

    snippet = marked(content, "needle").strip("…")

    before, after = snippet.split("[needle]")
    assert before == FAMILY * (len(before) // len(FAMILY))
    assert after == "e\u0301" * (len(after) // 2)


@pytest.mark.parametrize(
    ("text", "borders"),
    [
        ("ab", [1]),
        ("e\u0301x", [2]),
        (FAMILY + "x", [5]),
        ("🇩🇪🇫🇷", [2]),
        ("👍🏽!", [2]),
        ("\u1112\u1161\u11ab\u1100", [3]),
        ("a\r\nb", [1, 3]),
        ("1\ufe0f\u20e32", [3]),
        ("天気", [1]),
    ],
)
def test_borders_of_what_is_read_as_one_character(text, borders):
    assert [index for index in range(1, len(text)) if is_border(text, index)] == borders


@given(st.text(), st.lists(st.text(min_size=1), max_size=4))
def test_a_snippet_is_a_piece_of_the_text_with_its_marks(content, words):
    snippet, places = snippet_of(content, words)

    bare, at = "", 0
    for start, end in places:
        assert (snippet[start], snippet[end - 1]) == ("[", "]")
        bare += snippet[at:start] + snippet[start + 1 : end - 1]
        at = end
    bare += snippet[at:]
    assert bare == content or bare.removeprefix("…").removesuffix("…") in content


@given(
    st.text(alphabet=st.sampled_from("a天e\u0301\u200d👨🇩🇪 \u1161\u1112"), max_size=30), st.integers(0, 12), st.data()
)
def test_what_is_cut_takes_no_more_columns_than_there_are(text, room, data):
    at = data.draw(st.integers(0, len(text)))
    if not is_border(text, at):
        return

    end, start = end_within(text, at, room), start_within(text, at, room)

    for piece in (text[at:end], text[start:at]):
        assert sum(map(columns, piece)) <= room
    assert start <= at <= end
    assert is_border(text, end)
    assert is_border(text, start)
