"""The line editor over a pseudo-terminal: what keys, pastes and an editor program make of a turn."""

import asyncio
import os
import stat
import sys
import termios
from contextlib import contextmanager

import pytest
from prompt_toolkit.application import create_app_session, get_app
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from neuralterm.components.chat_completion import Suggestion
from neuralterm.components.chat_terminal import TerminalInput
from neuralterm.domain.exceptions import ValidationError

PASTE = "\x1b[200~{}\x1b[201~"


@pytest.fixture
def tty(monkeypatch):
    """The master of a pseudo-terminal whose other end is stdin."""
    master, slave = os.openpty()
    with os.fdopen(slave, "r") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield master
    os.close(master)


@pytest.fixture
def typing(tty):
    """Return a function that types into a fresh line editor and returns the turns, until Ctrl-D."""

    def typing(*keys, history_file=None, once=None, **arguments):
        """Each of `keys` is typed when the one before has been taken in; `once`: when the line is this, that is typed."""

        async def turns(pipe):
            waiting, following = [once] if once else [], list(keys[1:])

            def type_next(processor):
                if following and not processor.input_queue:
                    pipe.send_text(following.pop(0))

            def status():
                processor = get_app().key_processor
                processor.after_key_press.remove_handler(type_next)
                processor.after_key_press += type_next
                if waiting and get_app().current_buffer.text == waiting[0][0]:
                    pipe.send_text(waiting.pop()[1])
                return "status"

            editor = TerminalInput(history_file, status, **arguments)
            taken = []
            while (turn := await editor.next_turn()) is not None:
                taken.append(turn)
            return taken

        with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
            pipe.send_text(keys[0])
            return asyncio.run(turns(pipe))

    return typing


def pasted(text):
    return PASTE.format(text)


class TestPasting:
    def test_lines_that_are_pasted_are_one_turn_and_wait_for_enter(self, typing):
        assert typing(pasted("one\r\ntwo\r/exit\n") + " three\r\x04") == ["one\ntwo\n/exit\n three"]

    def test_control_characters_in_it_are_not_obeyed(self, typing):
        assert typing(pasted("a\x03b\x04c\x1b[Ad\te") + "\r\x04") == ["a\x03b\x04c\x1b[Ad\te"]

    def test_a_shell_command_of_several_lines_keeps_its_backslashes(self, typing):
        assert typing(pasted("ls \\\n  -l") + "\r\x04") == ["ls \\\n  -l"]

    @pytest.mark.parametrize("size", [3, 30])
    def test_where_the_terminal_does_not_mark_it_too(self, typing, size):
        lines = ["first", *(f"{number:{size}}\té\\" for number in range(100))]
        text = "\r".join(lines) + "\r"
        assert typing(text, "/exit\r\x04") == ["\n".join([*lines, "/exit"])]

    def test_an_impatient_enter_sends(self, typing):
        assert typing("one\r\r\r\x04") == ["one", "", ""]


class TestKeys:
    def test_lines_that_go_on(self, typing):
        keys = "one\\\r", "two\r", '"""\r', "a\r", "\r", "b\r", '"""\r', "x\x1b\r", "y\r", "\x04"
        assert typing(*keys) == ["one\ntwo", "a\n\nb", "x\ny"]

    def test_control_c_drops_the_line(self, typing):
        assert typing("half\x03whole\r\x04") == ["whole"]

    def test_control_c_at_an_empty_line_is_told(self, typing):
        with pytest.raises(KeyboardInterrupt):
            typing("half\x03\x03")

    def test_what_was_typed_before_is_found_again(self, typing, tmp_path):
        path = tmp_path / "deep" / "history"
        typing("first thing\r", "second\r\x04", history_file=path)
        assert typing("\x12thi\r\r\x04", history_file=path) == ["first thing"]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_a_turn_of_several_lines_is_remembered_whole(self, typing, tmp_path):
        typing("one\\\r", "two\r\x04", history_file=tmp_path / "history")
        assert typing("\x10\r\x04", history_file=tmp_path / "history") == ["one\ntwo"]

    def test_a_history_that_can_not_be_written_costs_no_turn(self, typing, tmp_path):
        (tmp_path / "file").touch()
        assert typing("hi\r\x04", history_file=tmp_path / "file" / "history") == ["hi"]
        assert typing("hi\r\x04", history_file=tmp_path) == ["hi"]

    def test_completion_is_asked_for_by_tab_only(self, typing):
        asked = []

        def suggest(text):
            asked.append(text)
            return [Suggestion("/model", 3, "/model [ID]", "choose")]

        assert typing("/mo\r", "/mo\t", once=("/model", "x\r\x04"), suggest=suggest) == ["/mo", "/modelx"]
        assert asked == ["/mo"]


@contextmanager
def editor_program(monkeypatch, tmp_path, script):
    path = tmp_path / "editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", str(path))
    yield TerminalInput(None, str)


class TestEditor:
    def test_a_line_is_written_there_and_waits_for_enter(self, typing, monkeypatch, tmp_path):
        with editor_program(monkeypatch, tmp_path, 'printf " again" >> "$1"'):
            assert typing("draft\x18\x05", once=("draft again", "\r\x04")) == ["draft again"]

    def test_what_is_saved_comes_back(self, tty, monkeypatch, tmp_path):
        with editor_program(monkeypatch, tmp_path, 'echo "again" >> "$1"') as turns:
            assert turns.edit("draft") == "draft\nagain\n"

    def test_not_saved(self, tty, monkeypatch, tmp_path):
        with editor_program(monkeypatch, tmp_path, "true") as turns:
            assert turns.edit("draft") is None

    def test_one_that_fails_leaves_the_terminal_as_it_was(self, tty, monkeypatch, tmp_path):
        modes = termios.tcgetattr(tty)
        with editor_program(
            monkeypatch, tmp_path, f"stty raw -echo < {os.ttyname(sys.stdin.fileno())}; exit 3"
        ) as turns:
            with pytest.raises(ValidationError, match="the editor failed"):
                turns.edit("draft")
            assert termios.tcgetattr(tty) == modes

    def test_there_is_none(self, tty, monkeypatch):
        monkeypatch.setenv("VISUAL", "/no/such/program")
        with pytest.raises(ValidationError, match="the editor failed"):
            TerminalInput(None, str).edit("draft")

    def test_what_is_no_text(self, tty, monkeypatch, tmp_path):
        with (
            editor_program(monkeypatch, tmp_path, 'printf "\\351" > "$1"') as turns,
            pytest.raises(ValidationError, match="not UTF-8 text"),
        ):
            turns.edit("draft")


class TestTypedAhead:
    """What comes from the terminal while an answer does."""

    @pytest.fixture
    def turns(self, tty):
        """Return a function that types while an answer comes, and then into the editor; it returns the turns."""

        def turns(typed, then="\x04"):
            async def whole(pipe):
                editor = TerminalInput(None, str)
                before = termios.tcgetattr(tty)
                with editor.busy():
                    during = termios.tcgetattr(tty)
                    assert not during[3] & termios.ECHO
                    for each in typed:
                        os.write(tty, each.encode())
                        await asyncio.sleep(0)
                assert termios.tcgetattr(tty) == before
                pipe.send_text(then)
                taken = []
                while (turn := await editor.next_turn()) is not None:
                    taken.append(turn)
                return taken

            with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
                return asyncio.run(whole(pipe))

        return turns

    def test_one_line_is_a_turn(self, turns):
        assert turns(["ne", "xt\r"]) == ["next"]

    def test_what_has_no_end_waits(self, turns):
        assert turns(["nexx\x7f"], "t\r\x04") == ["next"]

    def test_several_lines_wait_for_enter(self, turns):
        assert turns(["one\rtwo\r/exit\r"], "three\r\x04") == ["one\ntwo\n/exit\nthree"]

    def test_more_than_a_terminal_holds(self, turns):
        lines = [f"{number:0100}\r" for number in range(100)]
        [turn] = turns(lines, "\r\x04")
        assert turn.splitlines() == [line.strip() for line in lines]

    def test_what_the_terminal_says_itself_is_nothing_typed(self, turns):
        assert turns(["one\r\x1b[24;1Rtwo"], "\r\x04") == ["one\ntwo"]

    def test_nothing(self, turns):
        assert turns([], "hi\r\x04") == ["hi"]
