"""`chat`: through a pipe, and at a real terminal."""

import os
import signal
import stat
import termios
import threading

import pytest

from .stand_in import MODEL, chunk, endless, error, events, held, text
from .terminal import Terminal

# What stands in the status line whenever a prompt is shown.
READY = "in this chat"


class TestPipe:
    def test_each_line_is_a_turn_and_the_history_goes_along(self, service, run, stored):
        service.scripts = [text("one"), text("two")]
        result = run("chat", stdin="first\n\n  \nsecond")
        assert (result.code, result.out, result.err) == (0, "one\ntwo\n", "")
        assert [message["content"] for message in service.chats[1].body["messages"]] == ["first", "one", "second"]
        assert len(stored("SELECT * FROM conversations")) == 1

    def test_lines_are_answered_as_they_come(self, service, start):
        process = start("chat", stdin=-1)
        for _ in range(2):
            process.stdin.write(b"hi\n")
            process.stdin.flush()
            assert process.stdout.read(13) == b"Hello there.\n"
        process.stdin.close()
        assert (process.stdout.read(), process.wait(), process.stderr.read()) == (b"", 0, b"")

    def test_a_regular_file_and_no_input_at_all(self, service, start, tmp_path):
        path = tmp_path / "turns"
        path.write_text("one\ntwo\n")
        with path.open("rb") as turns:
            out, err = start("chat", stdin=turns).communicate()
        assert (out, err) == (b"Hello there.\n" * 2, b"")
        assert start("chat").wait() == 0
        assert start("chat", shell='exec "$@" <&-').wait() == 0
        assert len(service.chats) == 2

    def test_an_error_stops_it_with_its_exit_code(self, service, run):
        service.scripts = [text("one"), error(400, "no more"), text("never")]
        result = run("chat", stdin="a\nb\nc\n")
        assert (result.code, result.out, result.err) == (6, "one\n", "error: no more\n")
        assert len(service.chats) == 2

    def test_a_cut_answer_stops_it(self, service, run):
        service.scripts = [events(chunk({"content": "half"})), text("never")]
        result = run("chat", "--retry-for", "0", stdin="a\nb\n")
        assert (result.code, result.out, len(service.chats)) == (9, "half\n", 1)

    def test_a_truncated_answer_shows_in_the_exit_code(self, service, run):
        service.scripts = [text("sho", reason="length"), text("fine")]
        result = run("chat", stdin="a\nb\n")
        assert (result.code, result.out) == (10, "sho\nfine\n")

    def test_a_budget_refusal_stops_it_unsent(self, service, run):
        result = run("chat", "--max-cost", "0.000001", stdin="a\nb\n")
        assert (result.code, result.out, service.chats) == (4, "", [])

    def test_the_budgets_of_the_next_turn_are_listed(self, service, run, monkeypatch):
        monkeypatch.setenv("NEURALTERM_BUDGET_DAY", "1")
        run("cost", "budget", "set", "other", "5", "--window", "day", "--tag", "elsewhere")
        result = run("chat", "--max-cost", "0.5", stdin="hi\n/budget\n")
        lines = [line.split() for line in result.err.splitlines()]
        assert lines[0] == ["budget", "limit", "spent", "reserved", "left", "resets"]
        assert [line[:5] for line in lines[2:]] == [
            ["day", "budget", "$1.00", "$0.0000045", "$0.00"],
            ["ceiling", "$0.50", "$0.0000045", "$0.00", "$0.50"],
        ]
        assert lines[2][-1] == "UTC"

    def test_where_no_budget_counts_it_is_said(self, service, run):
        assert run("chat", stdin="/budget\n").err == "no budget counts the next turn\n"

    def test_what_is_piped_in_cannot_lift_the_ceiling(self, service, run):
        result = run("chat", "--max-cost", "0.000001", stdin="/budget none\na\n")
        assert (result.code, result.out, service.chats) == (2, "", [])
        assert result.err.startswith("error: only somebody at a terminal can set a ceiling here\n")

    def test_commands_and_lines_that_begin_with_a_slash(self, service, run):
        result = run("chat", stdin="/system be brief\n//etc/hosts\n/nonsense\nnever\n")
        assert (result.code, result.out) == (2, "Hello there.\n")
        contents = [message["content"] for message in service.chats[0].body["messages"]]
        assert contents == ["be brief", "/etc/hosts"]
        assert "error: there is no command /nonsense\n" in result.err

    def test_it_goes_on_with_the_last_conversation(self, service, run):
        run("send", "-m", "a/b", "before")
        run("chat", "-c", stdin="after\n")
        assert service.chats[1].body["model"] == "a/b"
        assert len(service.chats[1].body["messages"]) == 3

    def test_what_is_no_text_is_refused(self, service, run):
        result = run("chat", stdin=b"fine\ncaf\xe9\n")
        assert (result.code, result.out, len(service.chats)) == (2, "Hello there.\n", 1)
        assert result.err == "error: stdin is not UTF-8 text\n"

    def test_without_a_key_nothing_is_asked(self, service, run, monkeypatch):
        monkeypatch.delenv("OPENROUTER_API_KEY")
        result = run("chat", stdin="hi\n")
        assert (result.code, result.out, service.requests) == (3, "", [])


@pytest.fixture
def chat():
    """Start a chat at a terminal and wait for its prompt."""
    opened = []

    def chat(*options):
        terminal = Terminal("chat", *options)
        opened.append(terminal)
        terminal.expect(READY)
        return terminal

    yield chat
    for terminal in opened:
        terminal.close()


class TestTerminal:
    def test_an_answer_streams_and_control_d_leaves(self, service, chat, stored):
        gate = threading.Event()
        service.scripts = [held(["first"], gate, [" and last"])]
        terminal = chat()
        terminal.type("hi\r")
        terminal.expect("first")
        gate.set()
        terminal.expect(" and last")
        terminal.expect(f"{MODEL} · 14 of 128k · $0.0000045 {READY}")
        terminal.type("\x04")
        assert terminal.end()[0] == 0
        assert stored("SELECT role, content FROM messages ORDER BY position") == [
            ("user", "hi"),
            ("assistant", "first and last"),
        ]

    def test_what_a_stopped_answer_really_cost_frees_the_ceiling(self, service, chat, stored):
        hung_up = threading.Event()
        service.scripts = [endless("begun", hung_up=hung_up), text("still here")]
        service.generations["gen-1"] = 0.00001
        terminal = chat("--max-cost", "0.01")
        terminal.type("go\r")
        terminal.expect("begun")
        terminal.type("\x03")
        terminal.wait_until(lambda: stored("SELECT source, cost FROM calls") == [("reconciled", 10_000_000)])
        terminal.type("/cost\r")
        terminal.expect("ceiling: $0.00999 of $0.01 left")
        terminal.type("and now\r")
        terminal.expect("still here")

    @pytest.mark.parametrize("deltas", [["begun"], []], ids=["in mid-answer", "before the first word"])
    def test_control_c_stops_the_answer_and_keeps_the_chat(self, service, chat, stored, deltas):
        asked, hung_up = threading.Event(), threading.Event()

        def script(exchange):
            asked.set()
            endless(*deltas, hung_up=hung_up)(exchange)

        service.scripts = [script, text("still here")]
        terminal = chat()
        terminal.type("go\r")
        assert asked.wait(10)
        if deltas:
            terminal.expect("begun")
        terminal.type("\x03")
        terminal.expect("stopped; what came is kept" if deltas else "stopped before anything came; /retry asks again")
        terminal.expect("is not known" if not deltas else "whether Stand-in bills the rest of the answer")
        assert hung_up.wait(10)
        terminal.expect(READY)
        terminal.type("again\r")
        terminal.expect("still here")
        terminal.expect(READY)
        terminal.type("/exit\r")
        assert terminal.end()[0] == 0
        statuses = stored("SELECT content, status FROM messages WHERE role = 'assistant' ORDER BY position")
        assert statuses == [("".join(deltas), "interrupted"), ("still here", "complete")]

    def test_control_c_at_the_prompt_drops_the_line_and_stays(self, service, chat):
        terminal = chat()
        terminal.type("half a line\x03")
        terminal.type("\x03")
        terminal.expect("Ctrl-D or /exit leaves")
        terminal.expect(READY)
        terminal.type("whole\r")
        terminal.expect("Hello there.")
        terminal.expect(READY)
        terminal.type("\x04")
        assert terminal.end()[0] == 0
        assert [request.body["messages"][0]["content"] for request in service.chats] == ["whole"]

    @pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
    @pytest.mark.parametrize("place", ["prompt", "answer"])
    def test_other_signals_end_it_wherever_it_is(self, service, chat, stored, place, signum, code):
        service.scripts = [endless("begun", hung_up=threading.Event())]
        terminal = chat()
        if place == "answer":
            terminal.type("go\r")
            terminal.expect("begun")
        terminal.process.send_signal(signum)
        assert terminal.process.wait(10) == code
        assert terminal.has_its_modes()
        assert "Traceback" not in terminal.end()[1]
        if place == "answer":
            assert stored("SELECT content, status FROM messages WHERE role = 'assistant'") == [("begun", "interrupted")]

    @pytest.mark.parametrize("place", ["prompt", "answer"])
    def test_a_terminal_that_goes_away_ends_it_and_what_came_is_kept(self, service, chat, stored, place):
        hung_up = threading.Event()
        service.scripts = [endless("begun", hung_up=hung_up)]
        terminal = chat()
        if place == "answer":
            terminal.type("go\r")
            terminal.expect("begun")
        terminal.hang_up()
        assert terminal.process.wait(10) == 129
        if place == "answer":
            assert hung_up.wait(5)
            assert stored("SELECT content, status FROM messages WHERE role = 'assistant'") == [("begun", "interrupted")]

    def test_the_first_time_there_are_models_to_complete_without_a_word(self, service, chat, run, stored):
        assert run("cost", "budget", "set", "x", "1", "--window", "day").code == 0  # which makes the database
        terminal = chat()
        terminal.wait_until(lambda: stored("SELECT count(*) FROM models") != [(0,)])
        terminal.type(f"/model {MODEL[:-1]}\t")
        terminal.expect(MODEL)
        assert not service.chats

    def test_after_a_suspension_what_is_typed_is_not_shown_in_the_answer_either(self, service, chat):
        gate = threading.Event()
        service.scripts = [held(["first"], gate, [" and last"]), text("and that")]
        terminal = chat()
        terminal.type("hi\r")
        terminal.expect("first")
        os.kill(terminal.process.pid, signal.SIGSTOP)
        termios.tcsetattr(terminal.ours, termios.TCSANOW, terminal.modes)  # as a shell does
        os.kill(terminal.process.pid, signal.SIGCONT)
        terminal.wait_until(lambda: not termios.tcgetattr(terminal.ours)[3] & termios.ECHO)
        terminal.type("next\r")
        gate.set()
        assert "next" not in terminal.expect(" and last")
        terminal.expect("and that")
        assert service.chats[1].body["messages"][-1]["content"] == "next"

    def test_control_c_stops_a_command_too(self, service, chat):
        asked = threading.Semaphore(0)

        def script(exchange):
            asked.release()
            exchange.wait_for_hang_up()

        service.on_models = script
        terminal = chat()
        assert asked.acquire(timeout=10)  # without being told to
        terminal.type("/model no/such\r")
        assert asked.acquire(timeout=10)
        terminal.type("\x03")
        terminal.expect("stopped")
        terminal.expect(READY)
        terminal.type("\x04")
        assert terminal.end()[0] == 0

    @pytest.mark.parametrize(
        ("typed", "sent"),
        [
            (["one\\", "two"], "one\ntwo"),
            (['"""', "one", "", "two", '"""'], "one\n\ntwo"),
            (['"""one', 'two"""'], "one\ntwo"),
            (["one\x1b", "two"], "one\ntwo"),
        ],
        ids=["backslash", "quotes", "quotes in line", "alt-enter"],
    )
    def test_several_lines_are_one_turn(self, service, chat, typed, sent):
        terminal = chat()
        for line in typed[:-1]:
            terminal.type(f"{line}\r")
            terminal.expect("\n.")
        terminal.type(f"{typed[-1]}\r")
        terminal.expect("Hello there.")
        assert service.chats[0].body["messages"][0]["content"] == sent

    def test_commands(self, service, chat, stored):
        terminal = chat()
        terminal.type("/help\r")
        for command in ("/help", "/model", "/system", "/cost", "/budget", "/undo", "/save!", "/new", "/exit"):
            terminal.expect(f"\n{command} ")
        terminal.expect(READY)
        terminal.type("/model no/such\r")
        terminal.expect("error: there is no model ")
        terminal.expect(READY)
        terminal.type("/model small/window\r")
        terminal.expect("\nmodel: small/window")
        terminal.type("/system be kind\r")
        terminal.expect("system: be kind")
        terminal.type("hi\r")
        terminal.expect("Hello there.")
        terminal.expect(READY)
        terminal.type("/cost\r")
        terminal.expect("cost: $0.0000045 in this chat, 15 tokens")
        terminal.type("/new Another\r")
        terminal.expect("a fresh conversation begins")
        terminal.type("hello\r")
        terminal.expect("Hello there.")
        terminal.expect(READY)
        terminal.type("/nonsense\r")
        terminal.expect("error: there is no command /nonsense")
        terminal.type("/exit\r")
        assert terminal.end()[0] == 0
        first, second = (request.body for request in service.chats)
        assert first["model"] == second["model"] == "small/window"
        assert [message["content"] for message in second["messages"]] == ["be kind", "hello"]
        assert stored("SELECT title FROM conversations ORDER BY number") == [("hi",), ("Another",)]

    def test_an_error_ends_the_turn_and_not_the_chat(self, service, chat):
        service.scripts = [error(400, "not so"), text("better")]
        terminal = chat()
        terminal.type("a\r")
        terminal.expect("error: not so")
        terminal.expect(READY)
        terminal.type("b\r")
        terminal.expect("better")
        contents = [message["content"] for message in service.chats[1].body["messages"]]
        assert contents == ["b"]

    def test_a_budget_refusal_keeps_the_chat_usable(self, service, chat):
        usage = {"prompt_tokens": 10, "completion_tokens": 100, "total_tokens": 110, "cost": 0.000099}
        service.scripts = [text("dear", usage=usage)]
        terminal = chat("--max-cost", "0.0001")
        terminal.type("a\r")
        terminal.expect("dear")
        terminal.expect("budget: 99% of $0.0001 used ($0.000099)")
        terminal.expect("$0.000001 left of the ceiling")
        terminal.type("b\r")
        terminal.expect("error: refused by the ceiling of $0.0001: $0.000001 is left")
        terminal.expect(READY)
        terminal.type("/cost\r")
        terminal.expect("cost: $0.000099 in this chat")
        terminal.type("/exit\r")
        assert terminal.end()[0] == 0
        assert len(service.chats) == 1

    def test_a_ceiling_is_set_raised_and_lifted_on_the_way(self, service, chat):
        usage = {"prompt_tokens": 10, "completion_tokens": 100, "total_tokens": 110, "cost": 0.000099}
        service.scripts = [text("dear", usage=usage), text("again", usage=usage), text("free", usage=usage)]
        terminal = chat()
        terminal.type("a\r")
        terminal.expect("dear")
        terminal.expect(READY)
        terminal.type("/budget 0.0001\r")
        terminal.expect("$0.000001 left of the ceiling")
        terminal.type("b\r")
        terminal.expect("error: refused by the ceiling of $0.0001: $0.000001 is left")
        terminal.expect(READY)
        terminal.type("/budget much\r")
        terminal.expect("error: 'much' is not an amount in USD")
        terminal.expect(READY)
        terminal.type("/budget $0.0002\r")
        terminal.expect("$0.000101 left of the ceiling")
        terminal.type("/retry\r")
        terminal.expect("budget: 99% of $0.0002 used ($0.000198)")
        terminal.expect("$0.000002 left of the ceiling")
        terminal.type("/budget none\r")
        terminal.expect("no budget counts the next turn")
        terminal.type("c\r")
        terminal.expect("free")
        assert [call.body.get("max_tokens") is not None for call in service.chats] == [False, True, False]

    def test_the_line_history_is_private(self, service, chat, data_dir):
        terminal = chat()
        terminal.type("remember me\r")
        terminal.expect("Hello there.")
        terminal.expect(READY)
        terminal.type("\x04")
        assert terminal.end()[0] == 0
        path = os.path.join(data_dir, "chat_history")
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        with open(path, encoding="utf-8") as file:
            assert "remember me" in file.read()

    def test_several_lines_typed_while_an_answer_comes_are_not_sent_one_by_one(self, service, chat):
        gate = threading.Event()
        service.scripts = [held(["first"], gate, [" and last"]), text("second")]
        terminal = chat()
        terminal.type("hi\r")
        terminal.expect("first")
        terminal.type("one\rtwo\r/exit\r")
        gate.set()
        terminal.expect(" and last\n")
        terminal.expect("/exit")
        terminal.expect(READY)
        terminal.type("three\r")
        terminal.expect("second")
        assert service.chats[1].body["messages"][-1]["content"] == "one\ntwo\n/exit\nthree"

    def test_files_the_editor_and_coming_back(self, service, chat, stored, tmp_path, monkeypatch):
        editor, notes = tmp_path / "editor", tmp_path / "my notes.txt"
        editor.write_text('#!/bin/sh\nprintf " please" >> "$1"\n')
        editor.chmod(0o700)
        monkeypatch.setenv("EDITOR", str(editor))
        monkeypatch.delenv("VISUAL", raising=False)
        notes.write_text("buy milk\n")
        monkeypatch.chdir(tmp_path)
        service.scripts = [text("one"), text("two")]
        terminal = chat()
        terminal.type("/file my\\ notes.txt\r")
        terminal.expect("with the next turn: 22 characters of text")
        terminal.expect(READY)
        terminal.type("what?\r")
        terminal.expect("one")
        terminal.expect(READY)
        terminal.type("/edit\r")
        terminal.expect("> my notes.txt: buy milk what? please")
        terminal.expect("two")
        terminal.expect(READY)
        terminal.type("/save talk.json\r")
        terminal.expect("written to talk.json")
        terminal.expect(READY)
        terminal.type("\x04")
        code, rest = terminal.end()
        [[conversation]] = stored("SELECT id FROM conversations")
        assert code == 0
        assert f"in this chat; `neuralterm chat --cid {conversation[:8]}` goes on with it" in rest
        assert stat.S_IMODE((tmp_path / "talk.json").stat().st_mode) == 0o600
        contents = [[message["content"] for message in request.body["messages"]] for request in service.chats]
        assert contents == [["my notes.txt:\nbuy milk\n\nwhat?"], ["my notes.txt:\nbuy milk\n\nwhat?\n please"]]
        terminal = chat("--cid", conversation[:8])
        assert "going on with what? (2 messages)" in terminal.seen
        assert "> my notes.txt: buy milk what? please" in terminal.seen
