"""Signals and standard streams that fail, in real processes: the exit code tells, what came is kept, nobody sees more."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from decimal import Decimal

import pytest

from .stand_in import chunk, endless, error, held, text
from .terminal import Terminal

PIPE = subprocess.PIPE
UNKNOWN = b"note: whether the rest of the answer is billed after a disconnect is not known\n"
UNKNOWN_OF_STAND_IN = b"note: whether Stand-in bills the rest of the answer after a disconnect is not known\n"
ENDINGS = pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)


@pytest.fixture
def hung_up(service):
    """Set when the client has hung up on an answer that would never end."""
    hung_up = threading.Event()
    service.scripts = [endless("The answer ", "is", hung_up=hung_up)]
    return hung_up


@ENDINGS
def test_a_signal_in_mid_answer_keeps_what_came(service, start, stored, hung_up, signum, code):
    process = start("send", "hi")
    assert process.stdout.read(13) == b"The answer is"
    process.send_signal(signum)
    assert (process.stdout.read(), process.wait(), process.stderr.read()) == (b"\n", code, UNKNOWN_OF_STAND_IN)
    assert hung_up.wait(5)
    assert stored("SELECT content, status FROM messages WHERE role = 'assistant'") == [("The answer is", "interrupted")]
    ((status, cost, source),) = stored("SELECT status, cost, source FROM calls")
    assert (status, cost, source) == ("interrupted", None, "unsettled")


def test_with_known_prices_the_cost_of_what_came_is_an_estimate_below_its_bound(service, start, stored, hung_up):
    process = start("send", "--max-cost", "0.01", "hi")
    assert process.stdout.read(13) == b"The answer is"
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    ((cost, source, at_most),) = stored("SELECT cost, source, at_most FROM calls")
    assert source == "estimated"
    assert 0 < cost < at_most <= Decimal("0.01") * 10**12


@ENDINGS
def test_a_signal_before_the_first_word_ends_it_too(service, start, stored, signum, code):
    hung_up, asked = threading.Event(), threading.Event()

    def script(exchange):
        asked.set()
        exchange.wait_for_hang_up()
        hung_up.set()

    service.scripts = [script]
    process = start("send", "hi")
    assert asked.wait(10)
    process.send_signal(signum)
    assert (process.stdout.read(), process.wait(), process.stderr.read()) == (b"", code, UNKNOWN)
    assert hung_up.wait(5)
    assert stored("SELECT status FROM messages WHERE role = 'assistant'") == [("interrupted",)]
    assert stored("SELECT cost FROM calls") == [(None,)]


def test_json_of_an_interrupted_answer_tells_what_came(service, start, hung_up):
    process = start("send", "--ndjson", "hi")
    lines = [process.stdout.readline() for _ in range(3)]
    assert b'"delta":"is"' in lines[2]
    process.send_signal(signal.SIGINT)
    (last,) = process.stdout.readlines()
    assert process.wait() == 130
    assert b'"type":"message.completed"' in last
    assert b'"content":"The answer is"' in last
    assert b'"status":"interrupted"' in last


def test_sigterm_ends_a_background_job_whose_sigint_is_ignored(service, start, stored, hung_up):
    process = start("send", "hi", shell="trap '' INT; exec \"$@\"")
    assert process.stdout.read(13) == b"The answer is"
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    assert (process.wait(10), process.stderr.read()) == (143, UNKNOWN_OF_STAND_IN)
    assert stored("SELECT content, status FROM messages WHERE role = 'assistant'") == [("The answer is", "interrupted")]


@ENDINGS
def test_a_signal_while_the_prompt_is_read_asks_nothing(service, start, signum, code):
    process = start("send", "-", stdin=PIPE)
    # More than a pipe holds, so that this returns only when it is being read.
    process.stdin.write(b"x" * 1_000_000)
    process.send_signal(signum)
    assert (process.wait(10), process.stdout.read(), process.stderr.read()) == (code, b"", b"")
    assert service.requests == []


@ENDINGS
def test_a_signal_while_a_piped_chat_waits_for_its_next_line(service, start, signum, code):
    process = start("chat", stdin=PIPE)
    process.stdin.write(b"hi\n")
    process.stdin.flush()
    assert process.stdout.read(13) == b"Hello there.\n"
    process.send_signal(signum)
    assert process.wait(10) == code
    assert process.stderr.read() == b""


@ENDINGS
def test_a_signal_in_an_answer_of_a_piped_chat(service, start, stored, hung_up, signum, code):
    process = start("chat", stdin=PIPE)
    process.stdin.write(b"hi\nnever sent\n")
    process.stdin.flush()
    assert process.stdout.read(13) == b"The answer is"
    process.send_signal(signum)
    assert (process.stdout.read(), process.wait(), process.stderr.read()) == (b"\n", code, UNKNOWN_OF_STAND_IN)
    assert stored("SELECT status FROM messages WHERE role = 'assistant'") == [("interrupted",)]
    assert len(service.chats) == 1


@pytest.mark.parametrize("command", [["history"], ["history", "--partial"], ["cost"], ["send", "-c", "next"]])
def test_after_kill_the_next_command_finds_what_came_and_the_call_stays_unsettled(
    service, start, run, stored, journals, hung_up, command
):
    # What may be the beginning of the key, as an "s" is, waits for what follows.
    service.scripts = [endless("The answer ", "may", hung_up=hung_up)]
    process = start("send", "hi")
    assert process.stdout.read(14) == b"The answer may"
    while 'may"' not in "".join(journals()):
        pass
    process.kill()
    process.wait()
    assert hung_up.wait(5)
    service.scripts = [text("Hello")]
    result = run(*command)
    assert result.code == 0
    assert result.err.startswith("note: 1 answer broke off when the process ended (`neuralterm history --partial`")
    assert stored("SELECT content, status, cost_source FROM messages WHERE role = 'assistant'")[0] == (
        *("The answer may", "interrupted", "unsettled"),
    )
    assert stored("SELECT status, cost, source, owner FROM calls")[0] == ("interrupted", None, "unsettled", None)
    assert run("history").err == ""


def test_sigterm_while_modules_are_loaded_ends_with_its_own_code(tmp_path, monkeypatch):
    """Making a dataclass runs a text, and an interrupt there has an aftermath in an interpreter that runs a module."""
    (tmp_path / "loading.py").write_text("""
import os, signal, sys
from neuralterm.cli.outcome import Outcome
from neuralterm.container import Container

outcome = Outcome(Container())
with outcome:
    exec("os.kill(os.getpid(), signal.SIGTERM)")
sys.exit(outcome.exit_code)
""")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", ""))))
    process = subprocess.run([sys.executable, "-m", "loading"], capture_output=True)
    assert (process.returncode, process.stderr) == (143, b"")


def test_ctrl_c_while_the_command_line_is_loaded_shows_no_traceback(tmp_path, monkeypatch):
    (tmp_path / "click.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", ""))))
    process = subprocess.run(
        [sys.executable, "-c", "from neuralterm.__main__ import main; main()"], capture_output=True
    )
    assert (process.returncode, process.stderr) == (130, b"")


def test_ctrl_c_at_the_very_end_shows_no_traceback():
    code = """
import atexit, os, signal
from neuralterm.__main__ import main
atexit.register(os.kill, os.getpid(), signal.SIGINT)
main()
"""
    process = subprocess.run([sys.executable, "-c", code, "--version"], capture_output=True)
    assert (process.returncode, process.stderr) == (130, b"")
    assert process.stdout.startswith(b"neuralterm")


def test_a_full_disk_under_stdout_is_told_and_the_answer_is_kept(service, start, stored):
    gate = threading.Event()
    service.scripts = [held(["some", " text"], gate, [])]
    with open("/dev/full", "wb") as full:
        process = start("send", "hi", stdout=full)
        code, err = process.wait(), process.stderr.read()
    gate.set()
    told, error_line, hint = err.splitlines(keepends=True)
    assert (code, told) == (9, UNKNOWN_OF_STAND_IN)
    assert error_line == b"error: stdout can't be written: no space left on device\n"
    assert re.fullmatch(rb"hint: `neuralterm send --resume [0-9a-f-]{36}` asks for the rest\n", hint)
    ((content, status),) = stored("SELECT content, status FROM messages WHERE role = 'assistant'")
    assert content.startswith("some")
    assert status == "interrupted"


@pytest.mark.parametrize("line", [["send", "hi"], ["chat"]], ids=["send", "chat"])
def test_with_stdout_closed_from_the_start_nothing_is_bought(service, start, line):
    process = start(*line, shell='exec "$@" >&-')
    assert process.wait() == 2
    assert process.stderr.read().startswith(b"error: stdout is closed, so the answer has nowhere to go\nhint: ")
    assert service.requests == []


@pytest.mark.parametrize("kind", ["closed", "full", "nobody reads"])
def test_what_stderr_does_not_take_changes_nothing(service, start, stored, kind):
    ours, theirs = os.pipe()
    os.close(ours)
    full = os.open("/dev/full", os.O_WRONLY)
    shell = 'exec "$@" 2>&-' if kind == "closed" else None
    process = start("send", "-u", "hi", shell=shell, stderr=full if kind == "full" else theirs)
    os.close(full)
    os.close(theirs)
    assert (process.stdout.read(), process.wait()) == (b"Hello there.\n", 0)
    assert stored("SELECT status FROM messages WHERE role = 'assistant'") == [("complete",)]


def test_no_file_of_ours_gets_the_number_of_a_stream_that_is_closed():
    """What a library writes to stderr would go into it."""
    show = (
        "import atexit, os; atexit.register(lambda: print(*map(os.readlink, ['/proc/self/fd/0', '/proc/self/fd/2'])))"
    )
    command = [sys.executable, "-c", f"{show}; from neuralterm.__main__ import main; main()", "--version"]
    done = subprocess.run(["sh", "-c", 'exec "$@" <&- 2>&-', "sh", *command], capture_output=True)
    assert done.stdout.endswith(b"\n/dev/null /dev/null\n")


def test_a_reader_of_help_that_leaves_is_no_fault(start):
    process = start("--help", stdout=PIPE)
    process.stdout.close()
    assert process.wait() in (0, 141)
    assert process.stderr.read() == b""


def test_a_reader_that_leaves_before_the_first_word_is_noticed_at_once(service, start, stored):
    asked, hung_up = threading.Event(), threading.Event()

    def script(exchange):
        asked.set()
        exchange.wait_for_hang_up()
        hung_up.set()

    service.scripts = [script]
    process = start("send", "hi")
    assert asked.wait(10)
    process.stdout.close()
    assert (process.wait(10), process.stderr.read()) == (141, b"")
    assert hung_up.wait(5)
    assert stored("SELECT status FROM messages WHERE role = 'assistant'") == [("interrupted",)]


def test_a_reader_that_leaves_a_chat_while_the_model_thinks(service, start, stored):
    hung_up = threading.Event()

    def script(exchange):
        exchange.begin_stream()
        exchange.event(chunk({"content": "", "reasoning": "let me think"}))
        thinking.set()
        exchange.wait_for_hang_up()
        hung_up.set()

    thinking = threading.Event()
    service.scripts = [script]
    process = start("chat", stdin=PIPE)
    process.stdin.write(b"hi\n")
    process.stdin.flush()
    assert thinking.wait(10)
    process.stdout.close()
    assert (process.wait(10), process.stderr.read()) == (141, b"")
    assert hung_up.wait(5)


def test_nothing_is_asked_when_there_is_no_reader_from_the_start(service, start):
    ours, theirs = os.pipe()
    os.close(ours)
    process = start("send", "hi", stdout=theirs)
    os.close(theirs)
    assert (process.wait(10), process.stderr.read(), service.chats) == (141, b"", [])


@pytest.mark.parametrize("kind", ["file", "null", "socket", "own fifo"])
def test_whatever_else_stdout_is_the_answer_is_waited_for(service, start, stored, tmp_path, kind):
    seen, gate = threading.Event(), threading.Event()
    service.scripts = [held(["one "], gate, ["two"], seen)]
    if kind == "own fifo":  # it has data to read as soon as something is written to it
        os.mkfifo(tmp_path / "fifo")
    ours, theirs = socket.socketpair()
    stdout = {
        "file": lambda: os.open(tmp_path / "out", os.O_CREAT | os.O_WRONLY),
        "null": lambda: os.open(os.devnull, os.O_WRONLY),
        "socket": theirs.detach,
        "own fifo": lambda: os.open(tmp_path / "fifo", os.O_RDWR),
    }[kind]()
    process = start("send", "hi", stdout=stdout)
    assert seen.wait(10)
    gate.set()
    assert (process.wait(10), process.stderr.read()) == (0, b"")
    os.close(stdout)
    ours.close()
    theirs.close()
    assert stored("SELECT content, status FROM messages WHERE role = 'assistant'") == [("one two", "complete")]


@pytest.mark.parametrize("stderr", [PIPE, subprocess.STDOUT], ids=["stdout", "both"])
def test_a_signal_while_the_reader_does_not_read(service, start, stored, stderr):
    full = threading.Event()

    def script(exchange):
        exchange.connection.settimeout(0.3)
        exchange.begin_stream()
        try:
            while True:
                exchange.delta("more and more and more\n" * 1000)
        except TimeoutError:  # nothing is read any more, neither there nor here
            full.set()
        exchange.wait_for_hang_up()

    service.scripts = [script]
    process = start("send", "hi", stderr=stderr)
    assert full.wait(20)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    ((content, status),) = stored("SELECT content, status FROM messages WHERE role = 'assistant'")
    assert content.startswith("more and more")
    assert status == "interrupted"


def test_a_signal_between_two_tries(service, start, stored):
    service.scripts = [error(503, "busy", headers=[("Retry-After", "20")])]
    process = start("send", "--retry-for", "60", "hi")
    assert process.stderr.readline().startswith(b"retry: ")
    process.send_signal(signal.SIGINT)
    assert (process.wait(10), process.stdout.read(), process.stderr.read()) == (130, b"", b"")
    assert stored("SELECT status, cost FROM calls") == [("failed", 0)]


def test_a_signal_while_money_is_waited_for(service, start, stored, monkeypatch):
    monkeypatch.setenv("NEURALTERM_BUDGET_DAY", "0.0001")
    service.scripts = [endless("first", hung_up=threading.Event())]
    running = start("send", "--max-tokens", "100", "hi")
    assert running.stdout.read(5) == b"first"
    process = start("send", "--budget-wait", "30", "--max-tokens", "150", "hi")
    assert process.stderr.readline().startswith(b"budget: waiting ")
    process.send_signal(signal.SIGTERM)
    assert (process.wait(10), process.stdout.read(), process.stderr.read()) == (143, b"", b"")
    assert len(service.chats) == 1


def test_a_name_that_is_looked_up_holds_up_no_end(tmp_path, monkeypatch, start):
    (tmp_path / "sitecustomize.py").write_text("""
import socket, sys, threading
def look_up(*args, **names):
    print("asked", flush=True)
    threading.Event().wait()
socket.getaddrinfo = look_up
""")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", ""))))
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-v1-this-is-the-secret-key")
    process = start("send", "hi")
    assert process.stdout.readline() == b"asked\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130


def test_a_second_control_c_ends_what_the_first_could_not(tmp_path):
    code = """
import anyio
from neuralterm.cli.loop import run
from neuralterm.cli.outcome import Outcome
from neuralterm.container import Container

async def stubborn():
    try:
        print("running", flush=True)
        await anyio.sleep_forever()
    finally:
        print("stopping", flush=True)
        with anyio.CancelScope(shield=True):
            await anyio.sleep_forever()

container = Container()
with Outcome(container):
    run(container, stubborn)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=PIPE, stderr=PIPE)
    assert process.stdout.readline() == b"running\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == b"stopping\n"
    while True:  # one that comes at once is taken for the same key press
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(0.2) == 130
            break
        except subprocess.TimeoutExpired:
            continue
    assert process.communicate() == (b"", b"")


@pytest.mark.parametrize(("before", "code"), [("", 129), ("import signal; signal.signal(1, signal.SIG_IGN)", 9)])
def test_a_terminal_that_goes_away_in_mid_answer(service, stored, before, code):
    gate, hung_up = threading.Event(), threading.Event()

    def script(exchange):
        with suppress(ConnectionError):
            exchange.begin_stream()
            exchange.delta("The answer")
            exchange.wait_for(gate)
            while True:
                exchange.delta(" is")
        hung_up.set()

    service.scripts = [script]
    terminal = Terminal("send", "hi", before=before)
    try:
        terminal.expect("The answer")
        terminal.hang_up()
        gate.set()
        assert terminal.process.wait(10) == code
    finally:
        terminal.close()
    assert hung_up.wait(5)
    ((content, status),) = stored("SELECT content, status FROM messages WHERE role = 'assistant'")
    assert content.startswith("The answer")
    assert status == "interrupted"


def test_a_signal_at_the_question_whether_to_send(service):
    terminal = Terminal("send", "--confirm-above", "0.000001", "hi")
    try:
        terminal.expect("[y/N] ")
        terminal.type("\x03")
        code, rest = terminal.end()
    finally:
        terminal.close()
    assert (code, rest.strip(), service.chats) == (130, "^C", [])
