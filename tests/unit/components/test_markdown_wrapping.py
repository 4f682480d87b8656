"""Rows of prose end between words, however an answer comes; everything else is as wide as it is."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcwidth

from neuralterm.components.markdown import MarkdownStream
from tests.fakes.emulator import Emulator, shown

PLAIN = ("default", False, False, False, False)
LINK = ("default", False, False, True, False)
SIZE = (30, 24)

PROSE = {
    "paragraph": ("Some words that go on and on until the edge.", "Some words that go on and on\nuntil the edge."),
    "exact": ("Some words that go on and on, on and on", "Some words that go on and on,\non and on"),
    "heading": ("# A heading that is too long for **it**", "# A heading that is too long\nfor it"),
    "item": ("- Some words that go on and on until", "- Some words that go on and\n  on until"),
    "task": ("  - [x] Some words that go on and on", "  - [x] Some words that go on\n        and on"),
    "number": ("12. Some words that go on and on", "12. Some words that go on and\n    on"),
    "quote": ("> Some words that go on and on until", "> Some words that go on and\n> on until"),
    "item in a quote": ("> - Some words that go on and on", "> - Some words that go on and\n>   on"),
    "lines of an item": (
        "- Some words that\n  go on and on and on, on and on",
        "- Some words that\n  go on and on and on, on and\n  on",
    ),
    "lines of a quote": (
        "> Some words\n> that go on and on and on, on",
        "> Some words\n> that go on and on and on,\n> on",
    ),
    "paragraph of an item": ("- a\n\n  Some words that go on and on", "- a\n\n  Some words that go on and\n  on"),
    "style": ("Some words and then more; **bold words**", "Some words and then more;\nbold words"),
    "style in a word": ("Some words and then more *wo*rds.", "Some words and then more\nwords."),
    "code": ("Run it all with this: `git status -s`.", "Run it all with this:\ngit status -s."),
    "long word": ("It is a\n" + "w" * 40 + " and so on", "It is a\n" + "w" * 30 + "\n" + "w" * 10 + " and so on"),
    "long word behind others": ("It is " + "w" * 40, "It is\n" + "w" * 30 + "\n" + "w" * 10),
    "long word of a heading": ("## " + "w" * 40, "## " + "w" * 27 + "\n" + "w" * 13),
    "spaces at the beginning": ("#" + " " * 40 + "w", "#\nw"),
    "spaces": ("Some words" + " " * 40 + "and more", "Some words\nand more"),
    "text that begins like a table": ("| this is no table at all but text", "| this is no table at all but\ntext"),
    "Chinese": ("我们今天要讨论的是人工智能的发（以及它）。", "我们今天要讨论的是人工智能的\n发（以及它）。"),
    "a sign before its stop": ("我们今天要讨论的是人工智能的发。展", "我们今天要讨论的是人工智能的\n发。展"),
    "Chinese with words": (
        "我们用Python语言写了neuralterm程序，见文档。",
        "我们用Python语言写了\nneuralterm程序，见文档。",
    ),
    "Korean": ("한국어 문장은 낱말 사이에서만요 나뉩니다", "한국어 문장은 낱말\n사이에서만요 나뉩니다"),
    "more marks than a third of a row": (
        "- - - - - - words and words and words",
        "- - - - - - words and words\n          and words",
    ),
    "one of our words": ("Some words that go on and on  error: x", "Some words that go on and on\n error: x"),
    "a full row of one of ours": ("error: words that go on and on on", " error: words that go on and\non on"),
}


@pytest.mark.parametrize(("source", "rows"), PROSE.values(), ids=PROSE)
def test_prose_is_broken_between_words(source, rows):
    terminal = shown(source, size=SIZE)
    assert terminal.text == rows
    assert shown(*source, size=SIZE).cells == terminal.cells


def test_emoji_of_several_characters_stay_together():
    written = _written("Some words and 12 more 👩\u200d💻👍🏽!")
    assert "more\n👩\u200d💻👍🏽!" in re.sub("\x1b\\[[0-9;]*m", "", written)


def _written(source, size=SIZE):
    stream = MarkdownStream(lambda: size, guarded=True)
    return stream.feed(source) + stream.finish()


LONG_LINE = "some words and " * 6
OTHER = [
    f"```\n{LONG_LINE}\n```\n",
    f"```python\n{LONG_LINE}\n",
    f"> ```\n> {LONG_LINE}\n",
    f"\n    {LONG_LINE}\n",
    f"$$\n{LONG_LINE}\n$$\n",
    f"| a | b |\n|---|---|\n| {LONG_LINE} | b |\n",
    f"`{LONG_LINE}`\n",
    "-" * 80 + "\n",
]


@pytest.mark.parametrize("source", OTHER)
def test_what_is_no_prose_is_left_to_the_terminal(source):
    assert _written(source).count("\n") == source.count("\n")


@pytest.mark.parametrize("size", [(23, 12), (10, 12)])
def test_on_a_narrow_terminal_wrapping_is_left_to_it(size):
    assert _written(f"> - {LONG_LINE}\n", size).count("\n") == 1


def test_a_style_is_not_on_the_indent():
    for source in ("- [Some words that go on and on until](http://x.y)", "- ~~Some words that go on and on until~~"):
        terminal = shown(source, size=SIZE)
        row = terminal.cells[1]
        assert [cell[1:] for cell in row[:2]] == [PLAIN] * 2
        assert row[2][1:] != PLAIN


WORDS = st.lists(
    st.sampled_from(
        ["a", "of", "word", "longer", "**bold**", "*it*", "`code`", "한국", "(x)", "w" * 45, "x-y", "`a b`", "*be*ta"]
    ),
    min_size=1,
    max_size=40,
)


def unmarked(word):
    return re.sub("[*`]", "", word).replace("a b", "a\u00b7b")


def cells_in(text):
    return sum(max(wcwidth(character), 0) for character in text)


@given(WORDS, st.sampled_from(["", "# ", "- ", "10. ", "> ", "> > ", "> * "]), st.integers(24, 60), st.data())
def test_every_row_holds_as_many_words_as_fit_and_none_is_broken_or_lost(words, prefix, columns, data):
    source = prefix + " ".join(words)
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, len(source)), max_size=9))), len(source)]
    stream = MarkdownStream(lambda: (columns, 40), guarded=True)
    terminal = Emulator(columns, 40)
    for start, end in itertools.pairwise(cuts):
        terminal.write(stream.feed(source[start:end]))
    terminal.write(stream.finish())
    indent = "" if prefix == "# " else re.sub("[^>]", " ", prefix)
    assert terminal.text == _rows(prefix, indent, [unmarked(word) for word in words], columns)


def _rows(prefix, indent, words, columns):
    """What a person would make of words that fill rows, but for the last column; the terminal breaks what is too long."""
    rows, row = [], prefix
    for word in words:
        is_begun = row not in (prefix, indent)
        if is_begun and cells_in(f"{row} {word}") > columns - 1:
            rows.append(row)
            row = indent + word
        else:
            row += f"{' ' if is_begun else ''}{word}"
        while cells_in(row) > columns:
            rows.append(row[:columns])
            row = row[columns:]
    return "\n".join([*rows, row]).replace("\u00b7", " ")


def test_a_word_moves_to_the_next_row_as_it_grows():
    terminal = Emulator(*SIZE)
    stream = MarkdownStream(lambda: SIZE, guarded=True)
    for piece, seen in [
        ("- Some words, and the ans", "- Some words, and the ans"),
        ("wer", "- Some words, and the answer"),
        ("s", "- Some words, and the answers"),
        ("!", "- Some words, and the\n  answers!"),
        (" They", "- Some words, and the\n  answers! They"),
    ]:
        terminal.write(stream.feed(piece))
        assert terminal.text == seen


def test_after_a_note_the_rest_begins_a_row():
    terminal = Emulator(*SIZE)
    stream = MarkdownStream(lambda: SIZE, guarded=True)
    terminal.write(stream.feed("Some words, and the ans"))
    terminal.write(stream.leave_line() + "note: x\n")
    terminal.write(stream.feed("wers, which fill all of a row, and more") + stream.finish())
    assert terminal.text == "Some words, and the\nnote: x\nanswers, which fill all of a\nrow, and more"


def test_what_comes_after_a_change_of_size_is_wrapped_at_that_and_nothing_is_written_anew():
    size = (40, 24)
    stream = MarkdownStream(lambda: size, guarded=True)
    written = stream.feed("- Some words that go on and on and on until the **ed")
    size = (30, 24)
    rest = [
        stream.feed(piece) for piece in ["ge**", " of", " it, any", "way", " and", " nearer by now; and on", " they go"]
    ]
    size = (60, 24)
    rest += [stream.feed(piece) for piece in ", which is farther away than it was before that"]
    whole = re.sub("\x1b\\[[0-9;]*m", "", written + "".join(rest) + stream.finish())
    assert not re.search("\x1b\\[[0-9]*[AC]|\r", whole.partition("edge")[2].partition("\n")[0])
    terminal = Emulator(60, 24)
    terminal.write(whole)
    assert terminal.text == (
        "- Some words that go on and on and on\n"
        "  until the edge of it, anyway\n"  # where it was not known any more where the cursor was
        "  and nearer by now; and on\n"
        "  they go, which is farther away than it was before that"
    )


@pytest.mark.parametrize("later", [None, (20, 10)], ids=["unknown size", "narrow"])
def test_where_wrapping_is_left_to_the_terminal_from_now_on_what_is_there_stays(later):
    size = SIZE
    stream = MarkdownStream(lambda: size, guarded=True)
    first = stream.feed("Some words that go on and **on until")
    size = later
    rest = "".join(map(stream.feed, " the edge of it** and then on")) + stream.finish()
    assert first.endswith("\n\x1b[1muntil\x1b[0m")
    assert re.sub("\x1b\\[[0-9;]*m", "", rest) == " the edge of it and then on\n"
