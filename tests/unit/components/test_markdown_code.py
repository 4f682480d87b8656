"""Colours of code: by line, across lines, and never at the expense of the text."""

import pytest
from pygments.lexers import get_lexer_by_name

from neuralterm.components.markdown_code import Highlighter
from neuralterm.components.markdown_spans import plain

GREEN, DIM, MAGENTA, BLUE, CYAN = "32", "2", "35", "34", "36"


def looks(language, *lines):
    """Return the looks of each line, spaces left out."""
    highlighter = Highlighter(language)
    return [{style for text, style in highlighter.line(line) if text.strip()} for line in lines]


def test_words_of_a_language_are_told_apart():
    (spans,) = [Highlighter("python").line("def f(x): return 'a' + 1  # b")]
    found = dict(spans)
    assert (found["def"], found["f"], found["a"], found["1"], found["# b"]) == (MAGENTA, BLUE, GREEN, CYAN, DIM)
    assert plain(spans) == "def f(x): return 'a' + 1  # b"


@pytest.mark.parametrize(
    ("language", "lines", "inside"),
    [
        ("python", ["x = '''a", "def f", "b'''", "def f(): 0"], GREEN),
        ("c", ["/* a", "int x;", "b */", "int x = 0;"], DIM),
        ("js", ["x = `a", "let y", "b`;", "let y = 0"], GREEN),
        ("html", ["<!-- a", "<b>", "b -->", "<i>0</i>"], DIM),
        ("css", ["/* a", "a { b: c }", "b */", "a { b: c }"], DIM),
        ("rust", ["/* a", "let x;", "b */", "let x = 0;"], DIM),
    ],
)
def test_strings_and_comments_go_on_over_lines(language, lines, inside):
    found = looks(language, *lines)
    assert found[1] == {inside}
    assert inside not in found[3]


@pytest.mark.parametrize(("language", "begin"), [("python", "x = '''"), ("js", "x = `")])
def test_a_long_string_goes_on_in_the_state_of_the_lexer(language, begin):
    highlighter = Highlighter(language)
    highlighter.line(begin)
    for _ in range(1000):
        assert {style for _, style in highlighter.line("let us def words")} == {GREEN}
    assert {style for _, style in highlighter.preview("let us")} <= {GREEN}


def test_a_comment_without_end_costs_no_more_and_more():
    highlighter = Highlighter("c")
    highlighter.line("/*")
    for _ in range(2000):
        assert plain(highlighter.line("int words; /*")) == "int words; /*"
    assert len(highlighter._window) <= 4000


@pytest.mark.parametrize(
    "language", ["", "no-such-language", "../../etc/passwd", "text", "x" * 10_000, "\u202e", "py thon"]
)
def test_an_unknown_language_is_plain(language):
    highlighter = Highlighter(language)
    assert highlighter.line("def f(): 'a'") == [("def f(): 'a'", "")]
    assert highlighter.preview("def f") == [("def f", "")]


@pytest.mark.parametrize("fault", [RecursionError, RuntimeError, None])
def test_a_fault_of_a_lexer_leaves_plain_text(fault, monkeypatch):
    def tokens(self, text, stack=()):
        yield 0, "Token.Keyword", text[:2]
        if fault is not None:
            raise fault("in the lexer")

    monkeypatch.setattr(type(get_lexer_by_name("python")), "get_tokens_unprocessed", tokens)
    highlighter = Highlighter("python")
    for _ in range(2):
        assert highlighter.preview("def") == [("def", "")]
        assert highlighter.line("def f") == [("def f", "")]


def test_the_beginning_of_a_long_line_is_coloured_once():
    highlighter = Highlighter("python")
    line = "x = 'a' + " * 50
    assert plain(highlighter.preview(line)) == line
    first = highlighter.preview(line)[0]
    assert highlighter.preview(line + "more")[0] is first
    assert plain(highlighter.line(line)) == line


@pytest.mark.parametrize(
    "language", ["bash", "console", "diff", "html+jinja", "json", "php", "pycon", "rust", "sql", "yaml"]
)
def test_all_kinds_of_lexers_keep_the_text(language):
    highlighter = Highlighter(language)
    lines = [
        '{"a": [1, true]}',
        "$ ls -la | grep 'x",
        'y\' && echo "$HOME"',
        "  - key: value # é 日本",
        "",
        "+new <b>{{ x }}",
        "\tx",
    ]
    for line in lines * 2:
        assert plain(highlighter.preview(line[:5])) == line[:5]
        assert plain(highlighter.line(line)) == line
