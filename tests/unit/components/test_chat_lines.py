import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.components.chat_lines import continued, finished, is_unfinished


def typed(*lines):
    """What becomes of lines that end in Enter, and how many of them it took."""
    text = lines[0]
    for number, line in enumerate(lines[1:], 1):
        if not is_unfinished(text):
            return finished(text), number
        text = continued(text) + line
    assert not is_unfinished(text)
    return finished(text), len(lines)


@pytest.mark.parametrize(
    ("lines", "turn", "count"),
    [
        (["one", "two"], "one", 1),
        (["one\\", "two"], "one\ntwo", 2),
        (["\\", "two"], "\ntwo", 2),
        (['"""', "one", "", "two", '"""'], "one\n\ntwo", 5),
        (['  """one', 'two""" '], "one\ntwo", 2),
        (['"""one\\', 'two"""'], "one\\\ntwo", 2),
        (['"""one"""', "two"], "one", 1),
        (['say """', "two"], 'say """', 1),
        (['"""', 'a """ b', "c"], "a  b", 2),
    ],
)
def test_several_lines(lines, turn, count):
    assert typed(*lines) == (turn, count)


@given(st.text())
def test_ordinary_text_stays_as_it_is(text):
    if not is_unfinished(text) and not text.strip().startswith('"""'):
        assert finished(text) == text


@given(st.text())
def test_a_block_keeps_what_is_inside(text):
    if '"' not in text:
        assert finished(f'"""\n{text}\n"""') == text.strip("\n")
