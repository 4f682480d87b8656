"""What Markdown looks like on a terminal, however it comes, and that nothing of it is lost."""

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from neuralterm.components.markdown import MarkdownStream
from tests.fakes.emulator import Emulator, shown

PLAIN = ("default", False, False, False, False)
BOLD = ("default", True, False, False, False)
ITALIC = ("default", False, True, False, False)
BOTH = ("default", True, True, False, False)
LINK = ("default", False, False, True, False)
STRUCK = ("default", False, False, False, True)
CODE = ("cyan", False, False, False, False)
MARKER = ("magenta", False, False, False, False)
HEADING = ("magenta", True, False, False, False)


INLINE = [
    ("a **b** c", "a b c", "b", BOLD),
    ("a __b__ c", "a b c", "b", BOLD),
    ("a *b* c", "a b c", "b", ITALIC),
    ("a ***b*** c", "a b c", "b", BOTH),
    ("a **b *x* d** c", "a b x d c", "x", BOTH),
    ("a ~~b~~ c", "a b c", "b", STRUCK),
    ("a `b` c", "a b c", "b", CODE),
    ("``b ` *c*``", "b ` *c*", "b ` *c*", CODE),
    ("a [b](http://c) d", "a b (http://c) d", "b", LINK),
    ("[**b**](<c d> 'e f')", "b (c d 'e f')", "b", ("default", True, False, True, False)),
    ("![b](c.png)", "b (c.png)", "b", LINK),
    ("[http://c](http://c)", "http://c", "http://c", LINK),
    ("**a\nb** c", "a\nb c", "b", BOLD),
    ("**a", "**a", "**a", PLAIN),
    ("a ** b ** c", "a ** b ** c", "b", PLAIN),
    ("2 * 3 * 4, f(*args, **kw)", "2 * 3 * 4, f(*args, **kw)", "args", PLAIN),
    ("snake_case_name __init__.py, __a_b__", "snake_case_name __init__.py, __a_b__", "__init__", PLAIN),
    ("__`abc`__ __[d](e)__", "abc d (e)", "abc", ("cyan", True, False, False, False)),
    ("**in __init__ here** __a b__", "in __init__ here a b", "__init__", BOLD),
    ("__init__ and __all__ and *b*", "__init__ and __all__ and b", "b", ITALIC),
    ("2*3*4, 2**10, x**2 + y**2 = 5*z + 3*w", "2*3*4, 2**10, x**2 + y**2 = 5*z + 3*w", "z", PLAIN),
    ("**5**kg a**cc**ent 第**3**章", "5kg accent 第 3章", "cc", BOLD),
    ("`a", "`a", "`a", PLAIN),
    ("[1] and [a] (b) [c]", "[1] and [a] (b) [c]", "[1]", PLAIN),
    ("[a](b", "[a](b", "[a](b", PLAIN),
    (r"\*a\* \` \q", r"*a* ` \q", "*a*", PLAIN),
    ("a\\\nb  \nc", "a\nb\nc", "b", PLAIN),
    ("<b class='*x*'>*y*</b>", "<b class='*x*'>y</b>", "y", ITALIC),
    ("https://x.y/_a_/*", "https://x.y/_a_/*", "_a_", PLAIN),
    (r"\(a*b*c\) \[d_e_\] $x*y*z$", r"\(a*b*c\) \[d_e_\] $x*y*z$", "b", PLAIN),
    ("$5 **and** $6", "$5 and $6", "and", BOLD),
    ("这是**重点：**内容", "这是重点：内容", "重", BOLD),
    ("これは**「重点」**です", "これは「重点」です", "点", BOLD),
    ("内容**“重点”**文，内容*(注)*文", "内容“重点”文，内容(注)文", "注", ITALIC),
    ("한국어**(강조)**는", "한국어(강조)는", "강", BOLD),
    ("a **日本** b", "a 日 本  b", "a", PLAIN),
]


@pytest.mark.parametrize(("source", "text", "words", "look"), INLINE, ids=[case[0] for case in INLINE])
def test_marks_within_a_line_become_style(source, text, words, look):
    terminal = shown(source)
    assert terminal.text.replace(" ", "") == text.replace(" ", "")
    assert terminal.look_of(words) == {look}


BLOCKS = [
    ("# A *b*", "# A b", "# A", HEADING),
    ("###### A", "###### A", "A", HEADING),
    ("#a", "#a", "#a", PLAIN),
    ("- a\n  * b\n    1. c\n+ d", "- a\n  * b\n    1. c\n+ d", "    1.", MARKER),
    ("- [x] a", "- [x] a", "- [x]", MARKER),
    ("> *a*\n> b", "> a\n> b", "a", ITALIC),
    ("> - **a\n>   b**", "> - a\n>   b", "b", BOLD),
    ("a\n***\nb", "a\n***\nb", "b", PLAIN),
    ("a\n===\nb\n---\n", "a\n===\nb\n---", "b", PLAIN),
    ("a\n\n    *b*\n\n    c\n\nd", "a\n\n    *b*\n\n    c\n\nd", "*b*", CODE),
    ("- a\n\n  b *c*", "- a\n\n  b c", "c", ITALIC),
    ("```\n*a*\n\n  b\n```\n*c*", "```\n*a*\n\n  b\n```\nc", "*a*", PLAIN),
    ("~~~ x\n```\n*a*\n~~~\n*c*", "~~~ x\n```\n*a*\n~~~\nc", "c", ITALIC),
    ("````\n```\n*a*\n````\n*c*", "````\n```\n*a*\n````\nc", "c", ITALIC),
    ("- ```py\n  x = 1\n  ```\n- *b*", "- ```py\n  x = 1\n  ```\n- b", "b", ITALIC),
    ("> ```\n> *a*\n> ```\n> *b*", "> ```\n> *a*\n> ```\n> b", "b", ITALIC),
    ("> ```\n> *a*\n\n*b*", "> ```\n> *a*\n\nb", "b", ITALIC),
    ("```a`b``` *c*", "a`b c", "c", ITALIC),
    ("$$\na*b*c\n$$\n*d*", "$$\na*b*c\n$$\nd", "d", ITALIC),
    ("\\[\na*b*c\n\\]\n*d*", "\\[\na*b*c\n\\]\nd", "a*b*c", PLAIN),
    ("\n\na\n\n\nb\n\n", "\n\na\n\n\nb", "a", PLAIN),
    ("a *b\n- c* d", "a *b\n- c* d", "c*", PLAIN),
]


@pytest.mark.parametrize(("source", "text", "words", "look"), BLOCKS, ids=[case[0] for case in BLOCKS])
def test_marks_at_the_beginning_of_a_line_stay(source, text, words, look):
    terminal = shown(source)
    assert terminal.text == text
    assert terminal.look_of(words) == {look}
    assert shown(*source).cells == terminal.cells


TABLE = "| a | long **head** |\n|:-:|--:|\n| 日本 | 1 |\n| x \\| y | `2\\|3` | more |\n\nend"


def test_a_table_has_its_columns_in_line():
    terminal = shown(TABLE)
    assert [line.rstrip() for line in terminal.text.replace("日 本 ", "日本").split("\n")] == [
        "|   a   | long head |",
        "|:-----:|----------:|",
        "| 日本  |         1 |",
        "| x | y |       2|3 | more |",
        "",
        "end",
    ]
    assert terminal.look_of("head") == {BOLD}
    assert shown(*TABLE).cells == terminal.cells


def test_a_table_that_is_too_wide_is_not_filled_up():
    narrow = shown(TABLE, size=(20, 24)).text
    assert "| a | long head |" in narrow
    assert "|:---:|----:|" in narrow


def test_a_long_table_keeps_the_widths_it_has():
    rows = "".join(f"| row {number} | {'x' * (number // 10)} |\n" for number in range(200))
    lines = shown("| a | b |\n|---|---|\n" + rows).text.split("\n")
    assert len(lines) == 202
    assert lines[2] == "| row 0  |     |"
    assert lines[-1] == f"| row 199 | {'x' * 19} |"


@pytest.mark.parametrize("source", ["| a | b |\nc", "| a |\n| b |\n", "| a", "| a |\n|---|---|\n", "|\n|-\n"])
def test_what_is_no_table_is_text(source):
    assert shown(source).text == source.rstrip("\n")


def test_right_to_left_text_and_wide_characters_are_in_line():
    terminal = shown("| א | b |\n|---|---|\n| שלום | c |\n| 世界! | d |")
    ends = [max(column for column, cell in enumerate(row) if cell[0] == "|") for row in terminal.cells[:4]]
    assert ends == [14] * 4


def test_words_are_there_as_they_come():
    terminal = Emulator()
    stream = MarkdownStream(lambda: terminal.size, guarded=True)
    for piece, seen in [
        ("He", "He"),
        ("llo **", "Hello"),
        ("wor", "Hello wor"),
        ("ld", "Hello world"),
        ("**!", "Hello world!"),
        ("\n\n```py\nx = '", "Hello world!\n\n```py\nx = '"),
        ("a'\n| a |", "Hello world!\n\n```py\nx = 'a'\n| a |"),
        ("\n```\n| a | b |\n|--", "Hello world!\n\n```py\nx = 'a'\n| a |\n```\n| a | b |\n|--"),
        ("-|---|\n| lo", "Hello world!\n\n```py\nx = 'a'\n| a |\n```\n| a   | b   |\n|-----|-----|\n| lo"),
    ]:
        terminal.write(stream.feed(piece))
        assert terminal.text == seen


def test_what_was_taken_for_a_mark_too_early_is_put_right():
    terminal = Emulator()
    stream = MarkdownStream(lambda: terminal.size, guarded=True)
    terminal.write(stream.feed("f(*args, "))
    assert terminal.look_of("args") == {ITALIC}
    terminal.write(stream.feed("x)\n\n"))
    assert terminal.text == "f(*args, x)"
    assert terminal.look_of("args") == {PLAIN}


def test_a_carriage_return_before_a_newline_is_none():
    assert shown("a\r\nb\r", "\nc\rd").text == "a\nb\nc␍d"


def test_the_end_of_an_answer_is_one_newline():
    for source in ("a", "a\n", "a\n\n", "**a", "```\na", "```\na\n```\n", "| a |\n|---|\n| b |\n", "- a\n\n"):
        terminal = shown(source)
        assert terminal.cursor == (terminal.text.count("\n") + 1, 0)
    assert shown("").cursor == (0, 0)
    assert shown("\n", "\n").cursor == (0, 0)


def test_what_begins_a_line_as_one_of_ours_is_moved_in():
    for source in ("error: x", "**error: x**", "a\nbudget: x", "\\error: x", "```\nhint: x\n```", "`note`: x"):
        for pieces in ([source], source):
            assert not re.search("^(error|budget|hint|note):", shown(*pieces).text, re.M), source
    assert shown("# error: x").text == "# error: x"
    assert shown("err", "and: x").text == "errand: x"


TOKENS = [
    *("*", "**", "_", "__", "~~", "`", "``", "```", "```python", "~~~", "[", "](", "]", ")", "(", "!", "\\", "$", "$$"),
    *(
        "http://x.y/",
        "\\(",
        "\\)",
        "\\[",
        "\\]",
        "<",
        "<b>",
        ">",
        "> ",
        "- ",
        "1. ",
        "# ",
        "|",
        "| a | b |",
        "|---|---|",
    ),
    *("\n", "\n\n", "\r\n", "\r", "---", "===", "    ", " ", " ", " ", "word", "foo bar", "a", "x1", "日本", "é", "👍"),
    *(
        "error:",
        "err",
        "budget: x",
        "def f(x):",
        "'''",
        '"""',
        "/*",
        "*/",
        "- [x] ",
        "0",
        ",",
        ".",
        "h",
        "long " * 30,
        "> - ",
        "    - ",
        "`a b c`",
        "日本語。（漢字）",
        "lengthy, ",
    ),
    *("w" * 97, "\x1b[31m", "\x9b", "\u202e"),
]
SIZES = [(80, 24), (40, 10), (30, 12), (24, 9), (20, 6)]


def words_of(text):
    return re.sub(r"[\W_]", "", text)


@settings(max_examples=100)
@given(st.lists(st.sampled_from(TOKENS), max_size=40).map("".join), st.data(), st.sampled_from(SIZES))
@example("*> " + "w" * 97 + "```python", None, (20, 6))
@example("*===***/|/**\\!\\``a| a | b |*\\[e", None, (20, 6))
@example("👍__<b>1. *| a | b |a\\]__===[x1", None, (80, 24))
@example("\\word\\(---```https://a_b_c/|x1)x1**),__word,``_##  ](\\)word\\[[- [x] x1](===\\)", None, (80, 24))
def test_what_is_seen_does_not_depend_on_the_pieces_and_has_every_word(text, data, size):
    cuts = range(len(text)) if data is None else sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=9)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    whole = shown(text, size=size)
    assert shown(*pieces, size=size).cells == whole.cells
    assert words_of(whole.text).replace("x9b", "").replace("u202e", "") == words_of(re.sub("\x9b|\u202e", "", text))


@pytest.mark.parametrize("begin", ["x", "日"])
@pytest.mark.parametrize("end", ["", "\n\nend", " end*", "**kw)"])
@pytest.mark.parametrize("length", range(16, 25))
def test_what_is_put_right_at_the_end_of_a_row_is_in_its_place(begin, end, length):
    text = f"{begin * (length // len(begin.encode()[:2]))}**kw,{end}"
    whole = shown(text, size=(20, 12))
    assert shown(*text, size=(20, 12)).cells == whole.cells
    assert shown(f"{text}\n\n", size=(20, 12)).text == whole.text


@pytest.mark.no_cover
@pytest.mark.parametrize("source", ["- ", "> ", " ", "#", "|", "=", "`", "~", "1", "*", "- [", "\\", "$"])
def test_a_line_that_is_all_marks_is_the_same_in_pieces(source):
    text = f"a\n{source * (900 // len(source))}b"
    whole = shown(text)
    assert whole.text.startswith(f"a\n{source * 3}".rstrip())
    assert whole.text.endswith("b")
    assert shown(*text).cells == whole.cells


def test_a_note_in_the_middle_takes_a_line_of_its_own():
    terminal = Emulator(40, 10)
    stream = MarkdownStream(lambda: terminal.size, guarded=True)
    terminal.write(stream.feed("Some **bold wo"))
    terminal.write(stream.leave_line() + "budget: 80%\n")
    terminal.write(stream.feed("rds** and `co"))
    terminal.write(stream.leave_line() + stream.leave_line() + "note: x\n")
    terminal.write(stream.feed("de`.") + stream.finish())
    assert terminal.text == "Some\nbudget: 80%\nbold words and\nnote: x\ncode."
    assert terminal.look_of("bold words") == {BOLD}


@pytest.mark.parametrize("seen", [None, (60, 24)], ids=["unknown size", "changed size"])
def test_where_the_cursor_is_not_known_nothing_is_written_over(seen):
    """What was wrong is written again below, where it could not be put right."""
    size = (80, 24)
    stream = MarkdownStream(lambda: size, guarded=True)
    first = stream.feed("Some **bold wo")
    size = seen
    rest = stream.feed("rds and `co") + stream.feed("de`\n\n| a |\n") + stream.feed("|---|\n| b") + stream.finish()
    assert not re.search("\x1b\\[[0-9]*[AC]", rest.partition("\n")[0])
    terminal = Emulator()
    terminal.write(first + rest)
    assert terminal.text == "Some bold words and co\n**bold words and code\n\n| a   |\n|-----|\n| b   |"


def test_after_a_suspension_it_goes_on_below():
    terminal = Emulator()
    stream = MarkdownStream(lambda: terminal.size, guarded=True)
    terminal.write(stream.feed("f(**kw, "))
    terminal.write("^Z\nStopped\nfg\n")
    stream.come_back()
    terminal.write(stream.feed("x)\n\nend") + stream.finish())
    assert terminal.text == "f(kw,^Z\nStopped\nfg\n**kw, x)\n\nend"


def test_after_a_suspension_the_line_is_ended_at_the_end():
    terminal = Emulator()
    stream = MarkdownStream(lambda: terminal.size, guarded=True)
    terminal.write(stream.feed("so m"))
    terminal.write("^Z\nfg\n")
    stream.come_back()
    assert stream.leave_line() == ""
    terminal.write(stream.feed("uch") + stream.leave_line() + "note: x\n")
    terminal.write(stream.feed(" so") + stream.finish())
    assert terminal.text == "so m^Z\nfg\nuch\nnote: x\n so"
    assert terminal.cursor[1] == 0


def test_the_terminal_is_without_a_style_between_two_writes():
    stream = MarkdownStream(lambda: (80, 24), guarded=True)
    for piece in "# A **b\n\n`c` *d ~~e\n```python\ndef f(): '''a\nb'''\n```\n| **a** |\n|---|\n| `b` |\n":
        for written in re.findall("\x1b\\[[0-9;]*m", stream.feed(piece))[-1:]:
            assert written == "\x1b[0m"


# All that the renderer itself tells a terminal: a style, and the way back to where something is put right.
OWN = "\x1b\\[[0-9;]*m|(?:\x1b\\[[0-9]+A)?\r(?:\x1b\\[[0-9]+C)?\x1b\\[J"


@given(
    st.lists(
        st.one_of(st.text(max_size=5), st.sampled_from(["\x1b[2J", "\x1b]0;t\x07", "*", "`", "\n", "["])), max_size=30
    )
)
def test_nothing_in_the_text_is_obeyed(pieces):
    stream = MarkdownStream(lambda: (40, 10), guarded=True)
    written = "".join([*map(stream.feed, pieces), stream.leave_line(), stream.finish()])
    rest = re.sub(OWN, "", written)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u206f]", rest), rest


LONG = {
    "paragraph": "Some **bold words** and `code` and *more* text. ",
    "word": "w" * 64,
    "lines": "Some text.\n",
    "code": "```python\n" + "def f(x):\n    return 'a' + x  # why\n" * 40,
    "line of code": "```python\nx = " + "1 + " * 200,
    "string in code": "```python\n'''\n" + "words of a string\n" * 200,
    "comment in code": "```c\n/*\n" + " * words\n" * 200,
    "list": "- item **a** `b`\n",
    "table": "| a | b |\n|---|---|\n" + "| cell | **bold** |\n" * 200,
    "row": "| a " * 64,
    "emphasis": "*a ",
    "nested emphasis": "**a *b ",
    "brackets": "[",
    "links": "[a](b ",
    "parentheses": "[a](" + "(" * 60,
    "backticks": "`a ``b ",
    "underscores": "_",
    "math": "\\[ a \\( b $$ c $d ",
    "tags": "<a ",
    "quotes": "> ",
    "dashes": "- ",
    "hashes": "#",
    "newlines": "\n",
    "spaces": " ",
    "wide": "你好，**世界**。",
}


@pytest.mark.no_cover
@pytest.mark.parametrize("source", LONG.values(), ids=LONG)
def test_work_and_memory_do_not_grow_with_the_answer(source):
    """Counted in what is written and kept; time only roughly, for machines differ."""
    stream = MarkdownStream(lambda: (80, 24), guarded=True)
    text = (source * (20_000 // len(source) + 1))[:20_000]
    begun = time.process_time()
    written = [len(stream.feed(text[start : start + 16])) for start in range(0, len(text), 16)]
    assert time.process_time() - begun < 40
    first, last = sum(written[250:750]), sum(written[-500:])
    assert last <= 3 * first + 2000
    assert max(written) < 16_000
    assert _kept(stream) < 20_000


def _kept(thing, seen=None):
    """Count the characters of all texts that something holds."""
    seen = set() if seen is None else seen
    if id(thing) in seen or type(thing).__module__.startswith(("pygments", "re")):
        return 0
    seen.add(id(thing))
    if isinstance(thing, str):
        return len(thing)
    if isinstance(thing, (list, tuple, set)) or type(thing).__name__ == "deque":
        return sum(_kept(each, seen) for each in thing)
    return sum(_kept(each, seen) for each in getattr(thing, "__dict__", {}).values())
