"""The prompt through stdin, as a real process sees it: silent, endless, closed, binary, large."""

import subprocess
import sys

import pytest

from .stand_in import text

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
    process = start("send", stdin=PIPE)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1.5)
    process.communicate(b"the prompt")
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
