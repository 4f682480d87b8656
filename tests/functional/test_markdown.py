"""Answers as Markdown: where they are shown so, where not, and how a session at a real terminal looks."""

import io
import re
import sys
import threading

import pytest

from neuralterm.cli.root import cli
from tests.fakes.emulator import Emulator

from .stand_in import held, text
from .terminal import Terminal

ANSWER = "# Title\n\nSome **bold** text.\n\n```\ncode\n```\n"


class FakeTerminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def on_terminal(monkeypatch):
    """Run a command line in this process with a terminal for stdout; return what it was sent."""

    def on_terminal(*args):
        screen = FakeTerminal()
        monkeypatch.setattr(sys, "stdout", screen)
        monkeypatch.setattr(sys, "stderr", screen)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
        cli.main(args=list(args), prog_name="neuralterm", standalone_mode=False)
        return screen.getvalue()

    return on_terminal


def unstyled(screen):
    return re.sub("\x1b\\[[0-9;]*m", "", screen)


def test_an_answer_on_a_terminal_is_shown_as_markdown(service, on_terminal):
    service.scripts = [text(ANSWER), text(*ANSWER), text(ANSWER)]
    for options in ([], [], ["--no-stream"]):
        screen = on_terminal("send", "hi", *options)
        assert "Some \x1b[1mb" in screen
        assert unstyled(screen) == ANSWER.replace("**", "")


@pytest.mark.parametrize(
    ("options", "variables", "config"),
    [
        (["--raw"], {}, ""),
        ([], {"NEURALTERM_MARKDOWN": "0"}, "markdown = true"),
        ([], {}, "markdown = false"),
        ([], {"NO_COLOR": "1"}, ""),
        ([], {"TERM": "dumb"}, ""),
    ],
    ids=["--raw", "variable", "setting", "no colours", "dumb terminal"],
)
def test_an_answer_is_shown_as_it_came(service, run, on_terminal, tmp_path, monkeypatch, options, variables, config):
    (tmp_path / "config.toml").write_text(config)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    service.scripts = [text(ANSWER)]
    assert on_terminal("send", "hi", *options) == ANSWER
    screen = on_terminal("history", "show", _last(run), *options)
    assert screen.rstrip("\n").endswith(f"\n{ANSWER.rstrip()}")
    assert "\x1b" not in screen


def test_a_flag_of_the_whole_program_turns_it_off(service, on_terminal):
    service.scripts = [text(ANSWER)]
    assert on_terminal("--no-color", "send", "hi") == ANSWER


def test_the_variable_wins_over_the_file(service, on_terminal, tmp_path, monkeypatch):
    (tmp_path / "config.toml").write_text("markdown = false")
    monkeypatch.setenv("NEURALTERM_MARKDOWN", "1")
    service.scripts = [text(ANSWER)]
    assert "\x1b[1mbold" in on_terminal("send", "hi")


def test_code_and_documents_are_never_shown_as_markdown(service, on_terminal):
    answer = "```\na **b**\n```"
    service.scripts = [text(answer)] * 3
    assert on_terminal("send", "hi", "-x") == "a **b**\n"
    assert "a **b**" in on_terminal("send", "hi", "--json")
    assert "a **b**" in on_terminal("send", "hi", "--ndjson")


def test_a_conversation_is_shown_as_markdown(service, run, on_terminal):
    service.scripts = [text(ANSWER)]
    run("send", "is *this* it?")
    screen = on_terminal("history", "show", _last(run))
    assert "--- 1 user ---\nis \x1b[3mthis\x1b[0m it?\n\n--- 2 assistant" in screen
    assert "Some \x1b[1mbold\x1b[0m text." in screen
    piped = run("history", "show", _last(run)).out.rstrip("\n").partition("--- user ---")
    said = piped[2].replace("--- assistant", "--- 2 assistant").replace("*", "")
    assert unstyled(screen) == f"{piped[0]}--- 1 user ---{said}\n"


def test_a_pipe_gets_the_text_of_a_conversation(service, run):
    service.scripts = [text(ANSWER)]
    run("send", "hi")
    assert run("history", "show", _last(run)).out == run("history", "show", "--raw", _last(run)).out
    assert ANSWER in run("history", "show", _last(run)).out


def _last(run):
    import json

    return json.loads(run("history", "--json", "-n", "1").out)["conversations"][0]["id"]


def screen_of(terminal):
    emulator = Emulator(160, 40)
    emulator.write(terminal.raw)
    return emulator


@pytest.fixture
def session():
    opened = []

    def session(*args):
        opened.append(Terminal(*args))
        return opened[-1]

    yield session
    for terminal in opened:
        terminal.close()


def test_a_session_at_a_real_terminal(service, session):
    table = "| a | b |\n|---|---|\n| long cell | x |\n"
    service.scripts = [
        text(*"Some **bold** and f(*args).\n\n", *table, "\n```python\n", *"def f():\n    '''a\n    b'''\n")
    ]
    terminal = session("send", "hi", "-u")
    assert terminal.end()[0] == 0
    screen = screen_of(terminal)
    assert screen.text.startswith(
        "Some bold and f(*args).\n\n"
        "| a         | b   |\n|-----------|-----|\n| long cell | x   |\n\n"
        "```python\ndef f():\n    '''a\n    b'''\nusage: "
    )
    assert screen.look_of("bold") == {("default", True, False, False, False)}
    assert screen.look_of("b'''") == {("green", False, False, False, False)}


def test_control_c_leaves_a_fresh_line_without_a_style(service, session):
    gate = threading.Event()
    service.scripts = [held(["Some **bold wor"], gate, ["ds**"])]
    terminal = session("send", "-q", "hi")
    terminal.expect("bold wor")
    terminal.type("\x03")
    assert terminal.end()[0] == 130
    gate.set()
    terminal._raw += b"next"
    screen = screen_of(terminal)
    assert screen.look_of("next") == {("default", False, False, False, False)}
    assert screen.text.split("\n")[-1] == "next"
    assert "**bold wor" in screen.text
