import base64
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neuralterm.domain.text import join_surrogates, numbered, one_line, shortened, without_key, without_password

ANY_TEXT = st.text(st.characters(exclude_categories=()))


def test_numbers_of_things():
    assert [numbered(count, "call") for count in (0, 1, 1234)] == ["0 calls", "1 call", "1,234 calls"]


@given(st.text(), st.integers(1, 50))
def test_shortened_text_fits_and_shows_the_cut(text, width):
    shown = shortened(text, width)

    assert len(shown) <= width
    assert shown == one_line(text) or shown.endswith("…")


def test_one_line_has_single_spaces_only():
    assert one_line("\n a\r\n\tb \u2028 c ") == "a b c"


@given(ANY_TEXT)
@example("\ud83d\ude42")
@example("\ude42\ud83d")
def test_joined_text_can_be_encoded(text):
    joined = join_surrogates(text)

    assert joined.encode("utf-16-le") == joined.encode("utf-16-le", "surrogatepass")
    assert joined == text or any("\ud800" <= character <= "\udfff" for character in text)


def test_pairs_are_joined_and_lone_surrogates_replaced():
    assert join_surrogates("pair \ud83d\ude42, lone \ud83d") == "pair 🙂, lone \ufffd"


def test_a_key_is_blotted_out_unless_it_is_too_short_to_be_one():
    assert without_key("sk-12345 or sk-12345", "sk-12345") == "[key] or [key]"
    assert without_key("sk-1234 is a key", "sk-1234") == "sk-1234 is a key"
    assert without_key("a key", "") == without_key("a key", None) == "a key"


@pytest.mark.parametrize("filler", ["", "a", "ab", "abc", "Bearer "])
def test_a_key_is_blotted_out_in_other_spellings(filler):
    key = "sk-or-v1+a/b=c?d>e0123456789"
    written = base64.b64encode(f"{filler}{key} and more".encode()).decode()
    for text in (quote(key, safe=""), written, written.replace("+", "-").replace("/", "_")):
        left = without_key(f"it is {text}", key)
        assert "[key]" in left
        assert len(left.replace("[key]", "")) <= len(f"it is {text}") - len(key)


@pytest.mark.parametrize(
    ("url", "left"),
    [
        ("https://bob:pw@host.example:1/v1", "https://host.example:1/v1"),
        ("https://host.example/a@b", "https://host.example/a@b"),
        ("https://a@b@host.example", "https://host.example"),
        ("no address", "no address"),
    ],
)
def test_an_address_goes_without_its_password(url, left):
    assert without_password(url) == left
