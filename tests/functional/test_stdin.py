"""The prompt through stdin, as a real process sees it: silent, endless, closed, binary, large."""

import os
import re
import signal
import subprocess
import sys
import threading

import pytest

from neuralterm.cli.stdin import PATIENCE_S

from .stand_in import text
from .terminal import Terminal

PIPE = subprocess.PIPE


def prompt(service):
    """Return the question of the one request."""
    (request,) = service.chats
    return request.body["messages"][-1]["content"]


def test_stdin_goes_before_the_argument(service, start):
    process = start("send", "summarise", stdin=PIPE)
    out, err = process.communicate(b"some text\n")
    assert (process.returncode, out, err) == (0, b"Hello there.\n", b"")
    assert prompt(service) == "some text\n\nsummarise"


def test_an_open_but_silent_stdin_is_left_out_and_told(service, start):
    process = start("send", "hi", stdin=PIPE)
    # Stdin stays open all the time.
    assert process.stdout.read() == b"Hello there.\n"
    assert process.wait() == 0
    assert (
        process.stderr.read()
        == b"note: stdin is open but silent, so it is left out (`-` as an argument waits for it)\n"
    )
    assert prompt(service) == "hi"


def test_a_dash_waits_for_stdin_however_long(service, start):
    process = start("send", "-", "hi", stdin=PIPE)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1.5)
    assert service.requests == []
    out, err = process.communicate(b"late text")
    assert (process.returncode, out, err) == (0, b"Hello there.\n", b"")
    assert prompt(service) == "late text\n\nhi"


def test_without_an_argument_stdin_is_waited_for(service, start):
    ours, theirs = os.openpty()
    process = start("send", stdin=PIPE, stderr=theirs)
    os.close(theirs)
    assert os.read(ours, 1000) == b"waiting for stdin\r\n"  # who sits at the terminal is told
    assert service.requests == []
    process.communicate(b"the prompt")
    os.close(ours)
    assert (process.returncode, prompt(service)) == (0, "the prompt")


@pytest.mark.parametrize(
    ("arguments", "given"),
    [([], b""), ([], b" \n\t\n"), (["-"], b""), ([""], b""), (["  "], b"\n"), (["-f", "-"], b"")],
)
def test_an_empty_prompt_is_an_error_before_any_request(service, run, arguments, given):
    result = run("send", *arguments, stdin=given)
    assert (result.code, result.out, service.requests) == (2, "", [])
    assert result.err.startswith("error: the prompt is empty\nhint: ")


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (b"\x7fELF\x02\x01\x01\x00\x00", b"error: stdin is binary, not text\n"),
        (b"good " * 30000 + b"\x00", b"error: stdin is binary, not text\n"),
        (b"caf\xe9 cr\xe8me", b"error: stdin is not UTF-8 text (byte 3)\n"),
        (b"good " * 30000 + b"\xc3", b"error: stdin is not UTF-8 text (byte 150000)\n"),
    ],
    ids=["binary", "binary later", "latin-1", "cut character"],
)
def test_what_is_no_text_is_refused(service, start, given, complaint):
    process = start("send", "hi", stdin=PIPE)
    out, err = process.communicate(given)
    assert (process.returncode, out, service.requests) == (2, b"", [])
    assert err.startswith(complaint)


def test_five_megabytes_go_through_whole_where_no_window_is_known(service, start):
    log = "".join(f"line {number} of a long log\n" for number in range(220_000))
    assert len(log) > 5_000_000
    process = start("send", "-m", "not/listed", "summarise", stdin=PIPE)
    out, _ = process.communicate(log.encode())
    assert (process.returncode, out) == (0, b"Hello there.\n")
    assert prompt(service) == log.rstrip("\n") + "\n\nsummarise"


def test_five_megabytes_are_refused_where_the_window_is_smaller(service, start):
    process = start("send", "summarise", stdin=PIPE)
    out, err = process.communicate(b"words and more words\n" * 250_000)
    assert (process.returncode, out, service.chats) == (11, b"", [])
    assert err.startswith(b"error: the input does not fit the window of openai/gpt-4o-mini: 128,000 tokens\n")


@pytest.mark.parametrize(
    ("arguments", "code"), [(["hi"], 0), ([], 2), (["-"], 2), (["-f", "-"], 2)], ids=["words", "none", "dash", "file"]
)
def test_a_closed_stdin_is_no_fault(service, start, arguments, code):
    process = start("send", *arguments, shell='exec "$@" <&-')
    out, err = process.communicate()
    assert (process.returncode, out) == (code, b"Hello there.\n" if code == 0 else b"")
    assert b"fault" not in err
    assert len(service.chats) == (code == 0)


@pytest.mark.parametrize("arguments", [["hi"], ["-f", "/dev/zero", "hi"]], ids=["stdin", "file"])
def test_what_no_window_holds_is_refused_before_all_of_it_is_read(service, start, arguments):
    process = start("send", "-m", "not/listed", *arguments, shell='cat /dev/zero | exec "$@"')
    out, err = process.communicate()
    assert (process.returncode, out, service.requests) == (11, b"", [])
    assert re.match(
        rb"error: (stdin|/dev/zero) is longer than 64 MB, which is more than any model's window holds\n", err
    )


def test_a_signal_while_a_large_prompt_is_counted(service, start):
    """A window of ten million tokens takes half a minute to fill."""
    asked = threading.Event()
    service.models["data"][0] = {**service.models["data"][0], "context_length": 10_000_000}
    service.on_models = lambda exchange: (exchange.reply(200, service.models), asked.set())
    process = start("send", "hi", stdin=PIPE)
    process.stdin.write(b"words and more words\n" * 2_500_000)
    process.stdin.close()
    assert asked.wait(20)
    process.send_signal(signal.SIGINT)
    assert process.wait(5) == 130
    assert (process.stdout.read(), process.stderr.read(), service.chats) == (b"", b"", [])


def test_a_writer_who_takes_his_time_is_read_to_the_end(service, start):
    process = start("send", "hi", stdin=PIPE)
    process.stdin.write(b"begun, ")
    process.stdin.flush()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(PATIENCE_S + 1)
    out, err = process.communicate(b"and ended")
    assert (process.returncode, out, err, prompt(service)) == (0, b"Hello there.\n", b"", "begun, and ended\n\nhi")


def test_a_stdin_that_does_not_block_is_read_to_its_end_all_the_same(service, start):
    theirs, ours = os.pipe()
    os.set_blocking(theirs, False)
    process = start("send", "-", stdin=theirs)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    os.write(ours, b"late ")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.2)
    os.write(ours, b"and later")
    os.close(ours)
    os.close(theirs)
    assert process.communicate() == (b"Hello there.\n", b"")
    assert prompt(service) == "late and later"


@pytest.mark.parametrize("line", [["send", "hi"], ["chat"]], ids=["send", "chat"])
def test_a_stdin_that_can_not_be_read_is_told(service, start, line):
    with open(os.devnull, "wb") as written:
        process = start(*line, stdin=written)
    out, err = process.communicate()
    assert (process.returncode, out, err, service.chats) == (
        2,
        b"",
        b"error: stdin can't be read: bad file descriptor\n",
        [],
    )


def test_a_prompt_typed_at_a_terminal(service):
    terminal = Terminal("send")
    try:
        terminal.expect("reading the prompt from the terminal; end it with Ctrl-D")
        terminal.type("hello\n\x04")
        terminal.expect("Hello there.")
        assert terminal.end()[0] == 0
    finally:
        terminal.close()
    assert prompt(service) == "hello"


def test_a_reader_that_leaves_early_ends_it_quietly_and_the_answer_is_kept(service, start, stored):
    hung = []

    def script(exchange):
        exchange.begin_stream()
        exchange.delta("first line\nsecond line\n")
        while not hung:
            exchange.delta("more and more and more\n")

    service.scripts = [script]
    process = start("send", "summarise", stdin=PIPE)
    process.stdin.write(b"text")
    process.stdin.close()
    assert process.stdout.readline() == b"first line\n"
    process.stdout.close()
    code = process.wait()
    hung.append(True)
    assert (code, process.stderr.read()) == (141, b"")
    ((content, status),) = stored("SELECT content, status FROM messages WHERE role = 'assistant'")
    assert content.startswith("first line\nsecond line\n")
    assert status == "interrupted"


def test_the_shell_idiom_with_head(service, stored):
    service.scripts = [text(*(f"line {number}\n" for number in range(100)))]
    line = f"printf 'text' | {sys.executable} -m neuralterm send summarise | head -n 1; echo ${{PIPESTATUS[1]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, check=True)
    first, code = done.stdout.splitlines()
    assert first == b"line 0"
    assert code in (b"0", b"141")
    assert done.stderr == b""
    ((content,),) = stored("SELECT content FROM messages WHERE role = 'assistant'")
    assert content.startswith("line 0\nline 1\n")
