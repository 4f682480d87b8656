"""Ctrl-C, SIGTERM and streams that fail, in real processes: the exit code tells, what came is kept, nothing is shown."""

import os
import re
import signal
import subprocess
import sys
import threading
from decimal import Decimal

import pytest

from .stand_in import endless, held, text

PIPE = subprocess.PIPE
ENDINGS = pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])


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
    assert (process.stdout.read(), process.wait(), process.stderr.read()) == (b"\n", code, b"")
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
    assert (process.stdout.read(), process.wait(), process.stderr.read()) == (b"", code, b"")
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
    assert (process.wait(10), process.stderr.read()) == (143, b"")
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
    assert (process.stdout.read(), process.wait(), process.stderr.read()) == (b"\n", code, b"")
    assert stored("SELECT status FROM messages WHERE role = 'assistant'") == [("interrupted",)]
    assert len(service.chats) == 1


@pytest.mark.parametrize("command", [["history"], ["history", "--partial"], ["cost"], ["send", "-c", "next"]])
def test_after_kill_the_next_command_finds_what_came_and_the_call_stays_unsettled(
    service, start, run, stored, journals, hung_up, command
):
    process = start("send", "hi")
    assert process.stdout.read(13) == b"The answer is"
    while '"text":"is"' not in "".join(journals()):
        pass
    process.kill()
    process.wait()
    assert hung_up.wait(5)
    service.scripts = [text("Hello")]
    result = run(*command)
    assert result.code == 0
    assert result.err.startswith("note: 1 answer broke off when the process ended (`neuralterm history --partial`")
    assert stored("SELECT content, status, cost_source FROM messages WHERE role = 'assistant'")[0] == (
        *("The answer is", "interrupted", "unsettled"),
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


def test_a_full_disk_under_stdout_is_told_and_the_answer_is_kept(service, start, stored):
    gate = threading.Event()
    service.scripts = [held(["some", " text"], gate, [])]
    with open("/dev/full", "wb") as full:
        process = start("send", "hi", stdout=full)
        code, err = process.wait(), process.stderr.read()
    gate.set()
    assert (code, err) == (9, b"error: stdout can't be written: no space left on device\n")
    ((content, status),) = stored("SELECT content, status FROM messages WHERE role = 'assistant'")
    assert content.startswith("some")
    assert status == "interrupted"


@pytest.mark.parametrize("descriptor", [1, 2])
def test_a_stream_that_is_closed_from_the_start_is_no_fault(service, start, stored, descriptor):
    process = start("send", "-u", "hi", shell=f'exec "$@" {descriptor}>&-')
    out, err = process.communicate()
    assert process.returncode == 0
    assert out == (b"" if descriptor == 1 else b"Hello there.\n")
    assert re.match(rb"usage: " if descriptor == 1 else rb"\Z", err)
    assert stored("SELECT status FROM messages WHERE role = 'assistant'") == [("complete",)]


def test_a_reader_of_help_that_leaves_is_no_fault(start):
    process = start("--help", stdout=PIPE)
    process.stdout.close()
    assert process.wait() in (0, 141)
    assert process.stderr.read() == b""
