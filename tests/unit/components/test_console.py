import io
import re
import threading

import pytest

from neuralterm.components.console import Console


class FakeTerminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def screen():
    return FakeTerminal()


@pytest.fixture
def console(screen):
    return Console(color=False, stdout=screen, stderr=screen)


def test_reasoning_is_marked_line_by_line(console, screen):
    for piece in ("Let me\n", "\n", "see.", " error\nerror: x", "\n\n"):
        console.aside(piece)
    console.write_answer("Yes.")
    console.end_answer()
    assert screen.getvalue() == "| Let me\n| \n| see. error\n| error: x\nYes.\n"


def test_reasoning_that_begins_with_newlines(console, screen):
    console.aside("\n\n")
    console.aside("\nx")
    console.note("n")
    console.aside("y")
    console.error("e")
    assert screen.getvalue() == "| \n| x\nn\n| y\nerror: e\n"


def test_reasoning_between_pieces_of_the_answer(console, screen):
    console.write_answer("a")
    console.aside("b")
    console.aside("c")
    console.write_answer("note: d")
    console.end_answer()
    assert screen.getvalue() == "a\n| bc\n note: d\n"


def test_a_note_within_an_answer_begins_a_line_for_what_follows(console, screen):
    console.write_answer("a\nerr")
    console.note("budget: 80%")
    console.write_answer("or: forged")
    console.write_answer("\nx")
    console.end_answer()
    assert screen.getvalue() == "a\nbudget: 80%\n error: forged\nx\n"


def test_what_was_kept_back_is_written_at_the_end(console, screen):
    console.write_answer("a note")
    console.write_answer("\nnote")
    console.end_answer()
    console.write_answer("usage: x")
    console.end_answer()
    assert screen.getvalue() == "a note\nnote\n usage: x\n"


def test_a_line_stays_one_line_for_scripts():
    out, err = io.StringIO(), io.StringIO()
    console = Console(stdout=out, stderr=err)
    console.note("the model said: a\nerror: b\u2028c\x85d\x1b[2J  e")
    console.write_answer("error: a\x1b[2J\n")
    console.end_answer()
    console.print("note: b")
    console.aside("unseen")
    assert err.getvalue() == "the model said: a error: b c d␛[2J  e\n"
    assert out.getvalue() == "error: a\x1b[2J\nnote: b\n"


def test_only_one_of_both_at_the_terminal(screen):
    console = Console(color=False, stdout=screen, stderr=io.StringIO())
    console.write_answer("note: a\x1b")
    console.end_answer()
    console.print("note: b")
    assert screen.getvalue() == "note: a␛\nnote: b\n"


@pytest.mark.parametrize(
    ("is_terminal", "moves_cursor", "quiet", "is_told"),
    [(True, True, False, True), (False, True, False, False), (True, False, False, True), (True, True, True, False)],
)
def test_where_it_is_told_what_is_waited_for(is_terminal, moves_cursor, quiet, is_told):
    stderr = FakeTerminal() if is_terminal else io.StringIO()
    console = Console(moves_cursor=moves_cursor, quiet=quiet, stdout=io.StringIO(), stderr=stderr)
    with console.busy("waiting"):
        assert any(each.name == "busy-line" for each in threading.enumerate()) == is_told
        console.write_answer("text")
    assert stderr.getvalue() == ""


@pytest.fixture
def markdown(screen):
    """A console that shows answers as Markdown; nobody knows how large the terminal is."""
    return Console(markdown=True, stdout=screen, stderr=screen)


def unstyled(screen):
    return re.sub("\x1b\\[[0-9;]*m", "", screen.getvalue())


def test_markdown_with_reasoning_and_notes(markdown, screen):
    markdown.aside("Let me see.")
    markdown.write_answer("\n")
    markdown.write_answer("Some **bold wo")
    markdown.note("budget: 80%")
    markdown.write_answer("rds**")
    markdown.aside("Hm.")
    markdown.write_answer(".\n\n")
    markdown.error("x")
    markdown.end_answer()
    markdown.note("y")
    assert unstyled(screen) == "| Let me see.\n\nSome bold wo\nbudget: 80%\nrds\n| Hm.\n.\nerror: x\ny\n"


def test_markdown_ends_with_one_newline_and_can_begin_again(markdown, screen):
    markdown.end_answer()
    for text in ("a\n\n", "**b**", "\n"):
        markdown.write_answer(text)
        markdown.end_answer()
    assert unstyled(screen) == "a\nb\n"


def test_no_markdown_where_there_is_no_style(screen):
    out = io.StringIO()
    consoles = (
        Console(markdown=True, stdout=out, stderr=screen),
        Console(markdown=True, color=False, stdout=screen, stderr=screen),
        Console(stdout=screen, stderr=screen),
    )
    for console in consoles:
        console.write_answer("**a**")
        console.end_answer()
    assert (out.getvalue(), screen.getvalue()) == ("**a**\n", "**a**\n**a**\n")


def test_markdown_where_stderr_is_elsewhere(screen):
    err = io.StringIO()
    console = Console(markdown=True, stdout=screen, stderr=err)
    console.write_answer("error: **a")
    console.note("b")
    console.write_answer("**")
    console.end_answer()
    assert (unstyled(screen), err.getvalue()) == ("error: a\n", "b\n")


def test_messages_are_written_as_answers_are(markdown, screen):
    markdown.print_messages("head", [("--- one ---", "**a**\n"), ("--- two ---", ""), ("--- three ---", "error: b")])
    assert unstyled(screen) == "head\n\n--- one ---\na\n\n--- two ---\n\n--- three ---\n error: b\n"
