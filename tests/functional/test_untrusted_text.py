"""Text that others wrote, on every way to a terminal: it is shown, it is not obeyed, and it can't pass for a line of ours."""

import io
import logging
import re
import sys

import pytest

from neuralterm.cli.outcome import Outcome
from neuralterm.cli.root import cli
from neuralterm.components.console import Console
from neuralterm.components.log_lines import show_logs
from neuralterm.container import Container
from neuralterm.setting_flags import Flags

from .stand_in import MODELS, chunk, error, events, text
from .terminal import Terminal

# Whatever a terminal obeys, and lines that look like ours, behind every character that something takes for a line end.
LINE_ENDS = ["\n", "\r\n", "\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
HOSTILE = (
    "\x1b[2J\x1b[1;1H\x1b[31m\x1b]0;title\x07\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\\x1b]52;c;ZXZpbA==\x07"
    "\x1bP1$r0m\x1b\\\x1b_apc\x1b\\\x9b2J\x9d0;title\x9c\x90dcs\x9c\x07\x08\x08\x08\x00\x7f\u202eevil\u202c\u2066\u2069"
    + "".join(f"{end}{word}: forged{end}\u200b{word}: forged" for end in LINE_ENDS for word in ("error", "budget"))
    + "\nhint: forged\n\u2060note: forged"
)
ANY_END = "[\r\v\f\x1c-\x1e\x85\u2028\u2029]"
NAMES = {"model": HOSTILE, "provider": HOSTILE}
END = chunk({"content": ""}, finish_reason="stop")


class FakeTerminal(io.StringIO):
    """A stream in memory that calls itself a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def open_terminal(monkeypatch):
    """Put a terminal in the place of stdout and stderr from now on."""
    monkeypatch.setenv("NO_COLOR", "1")

    def open_terminal():
        screen = FakeTerminal()
        monkeypatch.setattr(sys, "stdout", screen)
        monkeypatch.setattr(sys, "stderr", screen)
        return screen

    return open_terminal


@pytest.fixture
def on_terminal(monkeypatch, open_terminal):
    """Run a command line in this process with one terminal for stdout and stderr; return what it was sent."""

    def on_terminal(*args, stdin=None):
        screen = open_terminal()
        monkeypatch.setattr(sys, "stdin", stdin or io.TextIOWrapper(io.BytesIO()))
        cli.main(args=list(args), prog_name="neuralterm", standalone_mode=False)
        return screen.getvalue()

    return on_terminal


UNSEEN = "\u200b\u2060"


def assert_harmless(screen):
    obeyed = [c for c in screen if c != "\n" and not c.isprintable() and c not in UNSEEN]
    assert not obeyed, (obeyed, screen)
    lines = [line.strip(UNSEEN) for line in screen.split("\n")]
    forged = [line for line in lines if re.match("(error|budget|hint|note): forged", line)]
    assert not forged, screen


def stored_conversation(service, run, stored):
    """Send a prompt whose answer, model and provider are hostile; return the id of the conversation."""
    service.scripts = [events(chunk({"content": HOSTILE}) | NAMES, END | NAMES, "[DONE]")]
    run("send", "--title", HOSTILE, HOSTILE, "--tag", "t")
    ((identity,),) = stored("SELECT id FROM conversations")
    return identity


ANSWERS = {
    "an answer": text(HOSTILE),
    "an answer in small pieces": text(*HOSTILE),
    "an answer in pieces within words of ours": text("a\nerr", "or", ": forged", "\n\u200b", "note: forged", "\nhint", ":"),
    "an answer in the middle of a line": text("a ", "error: quoted", "\n", "error", ": forged"),
    "reasoning": events(chunk({"reasoning": HOSTILE}), chunk({"content": "x"}), END, "[DONE]"),
    "reasoning in small pieces": events(*(chunk({"reasoning": c}) for c in HOSTILE), END, "[DONE]"),
    "a refusal": events(chunk({"refusal": HOSTILE}), END, "[DONE]"),
    "model and provider": events(chunk({"content": "x"}) | NAMES, END | NAMES, "[DONE]"),
    "an end": events(chunk({"content": "x"}, finish_reason=HOSTILE), "[DONE]"),
    "an error in the middle": events(chunk({"content": "x"}), chunk(error={"code": 502, "message": HOSTILE})),
    "an error": error(400, HOSTILE),
    "an error of the provider": error(400, "error", metadata={"raw": HOSTILE, "provider_name": HOSTILE}),
    "a hint": error(404, "x", availability={"fallback_models": [HOSTILE]}),
    "a remedy": error(429, "x", metadata={"remedy_hint": HOSTILE}),
    "a moderation": error(403, HOSTILE, metadata={"reasons": [HOSTILE]}),
    "a web page": lambda exchange: exchange.reply(400, f"<title>{HOSTILE}</title>", "text/html"),
    "words": lambda exchange: exchange.reply(400, HOSTILE, "text/plain"),
    "a redirect": lambda exchange: exchange.reply(307, "", headers=[("Location", "http://x/\x1b[2J\x9b2J")]),
}  # fmt: skip


@pytest.mark.parametrize("flags", [[], ["--debug"]], ids=["plain", "debug"])
@pytest.mark.parametrize("script", ANSWERS.values(), ids=ANSWERS)
def test_what_the_service_says(service, on_terminal, script, flags):
    service.scripts = [script]
    assert_harmless(on_terminal(*flags, "send", "hi", "-u", "--retry-for", "0"))


@pytest.mark.parametrize("form", ["--json", "--ndjson"])
def test_what_the_service_says_as_json(service, on_terminal, form):
    service.scripts = [ANSWERS["model and provider"], ANSWERS["an error in the middle"]]
    assert_harmless(on_terminal("send", form, "hi"))
    assert_harmless(on_terminal("send", form, "hi"))


def test_a_retry(service, on_terminal):
    service.scripts = [error(503, HOSTILE, headers=[("Retry-After", "0")]), text("x")]
    screen = on_terminal("send", "hi", "--retry-for", "9")
    assert "retry: " in screen
    assert_harmless(screen)


HISTORY = {
    "list": ["history"],
    "show": ["history", "show", "ID"],
    "search": ["history", "search", "forged"],
    "markdown": ["history", "export", "ID"],
    "json": ["history", "export", "--format", "json", "ID"],
    "jsonl": ["history", "export", "--format", "jsonl", "ID"],
    "list for programs": ["history", "list", "--json"],
    "cost": ["cost"],
    "cost by model": ["cost", "--by", "model"],
    "cost by provider": ["cost", "--by", "provider"],
    "cost by conversation": ["cost", "--by", "conversation", "--by", "tag"],
    "csv": ["cost", "--by", "model", "--csv"],
    "check": ["cost", "check", "--max", "1", "--markdown"],
    "going on": ["send", "--dry-run", "--cid", "ID", "x"],
}  # fmt: skip


def test_what_is_stored(service, run, stored, on_terminal):
    identity = stored_conversation(service, run, stored)
    for name, words in HISTORY.items():
        screen = on_terminal(*(identity if word == "ID" else word for word in words))
        assert screen.strip(), name
        assert_harmless(screen)


def test_names_stay_on_their_line_in_a_pipe(service, run, stored):
    identity = stored_conversation(service, run, stored)
    headings = [line for line in run("history", "show", identity).out.split("\n") if line.startswith("--- ")]
    assert len(headings) == 2
    assert all(line.endswith(" ---") for line in headings)


def test_a_model_stays_on_its_line_in_a_pipe(service, run):
    service.models = {"data": [MODELS[0] | {"id": f"a/b{HOSTILE}", "name": HOSTILE}]}
    first, blank, name, *_ = run("models", "show", f"a/b{HOSTILE}").out.split("\n")
    assert (first[:3], blank, name[:4]) == ("a/b", "", "name")


def test_the_question_before_deleting(service, run, stored, on_terminal):
    identity = stored_conversation(service, run, stored)
    screen = on_terminal("history", "delete", identity, stdin=FakeTerminal("n\n"))
    assert "nothing deleted" in screen
    assert_harmless(screen)


def test_a_list_of_models(service, on_terminal):
    hostile = MODELS[0] | {
        "id": f"a/b{HOSTILE}",
        "canonical_slug": f"c/{HOSTILE}",
        "name": HOSTILE,
        "description": HOSTILE,
        "expiration_date": HOSTILE,
        "supported_parameters": [HOSTILE],
        "architecture": {"input_modalities": [HOSTILE], "output_modalities": [HOSTILE]},
        "pricing": {"prompt": "0.1", "completion": HOSTILE, HOSTILE: HOSTILE},
    }
    service.models = {"data": [hostile]}
    assert_harmless(on_terminal("models"))
    assert_harmless(on_terminal("models", "show", hostile["id"]))
    assert_harmless(on_terminal("models", "show", "b"))


MISTAKES = {
    "an option": ["send", f"--{HOSTILE}"],
    "a choice": ["send", "--reasoning", HOSTILE, "x"],
    "a number": ["send", "--timeout", HOSTILE, "x"],
    "a command": [HOSTILE],
    "a file": ["send", "-f", HOSTILE.replace("\0", "")],
    "an attachment": ["send", "-a", HOSTILE.replace("\0", ""), "x"],
    "a template": ["send", "-t", HOSTILE.replace("\0", "")],
    "a conversation": ["send", "--cid", HOSTILE, "x"],
    "a configuration": ["--config", HOSTILE.replace("\0", ""), "send", "x"],
    "a model": ["models", "show", HOSTILE],
    "a schema": ["send", "--schema", HOSTILE.replace("\0", ""), "x"],
    "a time": ["cost", "--since", HOSTILE],
    "a zone": ["cost", "-z", HOSTILE.replace("\0", "")],
    "a budget": ["cost", "budget", "set", HOSTILE, "1", "--window", "day"],
    "a budget to remove": ["cost", "budget", "remove", HOSTILE],
    "a tag": ["send", "--tag", HOSTILE, "x"],
    "a field": ["send", "-o", HOSTILE, HOSTILE, "x"],
    "a dry run": ["send", "--dry-run", "-m", HOSTILE, "x"],
}  # fmt: skip


@pytest.mark.parametrize("words", MISTAKES.values(), ids=MISTAKES)
def test_what_is_asked_for(service, on_terminal, words):
    screen = on_terminal(*words)
    assert_harmless(screen)


def test_a_project_file(service, on_terminal, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    escaped = "".join(f"\\u{ord(character):04x}" for character in HOSTILE if character != "\0")
    (tmp_path / ".neuralterm.toml").write_text(f'"{escaped}" = 1\n')
    screen = on_terminal("send", "x")
    assert "warning: " in screen
    assert_harmless(screen)
    (tmp_path / ".neuralterm.toml").write_text(f'model = "{escaped}"\n')
    screen = on_terminal("send", "x")
    assert "error: " in screen
    assert_harmless(screen)
    assert_harmless(on_terminal("send", "--dry-run", "x"))


def test_a_traceback(open_terminal):
    screen = open_terminal()
    container = Container()
    container.flags = Flags(debug=True)
    with Outcome(container):
        raise RuntimeError(HOSTILE)
    assert "| RuntimeError: " in screen.getvalue()
    assert_harmless(screen.getvalue())


def test_log_lines(open_terminal, monkeypatch):
    screen = open_terminal()
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setattr(logging.getLogger("neuralterm"), "level", logging.NOTSET)
    show_logs(everything=True)
    logging.getLogger("neuralterm.test").info("what %s says", HOSTILE, exc_info=RuntimeError(HOSTILE))
    assert "| INFO neuralterm.test: what " in screen.getvalue()
    assert_harmless(screen.getvalue())


def test_log_lines_that_nobody_asked_for(open_terminal, service, run, monkeypatch):
    run("send", "hi")
    screen = open_terminal()
    monkeypatch.setattr(logging.root, "handlers", [])
    logging.getLogger("neuralterm.test").error(HOSTILE)
    assert screen.getvalue().startswith("| ")
    assert_harmless(screen.getvalue())


def test_any_question(open_terminal, monkeypatch):
    screen = open_terminal()
    monkeypatch.setattr(sys, "stdin", FakeTerminal("n\n"))
    assert not Console().confirm(HOSTILE, [HOSTILE])
    assert_harmless(screen.getvalue())


@pytest.mark.anyio
async def test_the_question_before_a_dear_prompt(open_terminal):
    screen = open_terminal()
    console = Console()
    await console.ask(HOSTILE)
    assert_harmless(screen.getvalue())


@pytest.mark.parametrize("script", ANSWERS.values(), ids=ANSWERS)
def test_a_script_reads_lines_of_ours_only(service, run, script):
    service.scripts = [script]
    result = run("send", "hi", "-u", "--retry-for", "0")
    assert not re.search(r"^[\u200b\u2060]*(error|budget|hint|note): forged", re.sub(ANY_END, "\n", result.err), re.M)
    assert "\x1b" not in result.err


def test_a_pipe_gets_the_bytes_of_the_answer(service, run):
    service.scripts = [text(*HOSTILE)]
    assert run("send", "hi").raw == HOSTILE.encode() + b"\n"


# What no line editor needs: the window's title, links, the clipboard, and controls of a single byte.
NEVER = re.compile("\x1b[]P_]|[\x80-\x9f]|\u202e|(?:^|\n|\r)(?:error|budget|hint|note): forged")


def test_a_real_terminal(service):
    service.scripts = [ANSWERS["reasoning in small pieces"], text(HOSTILE, "\n\nthe end")]
    for _ in range(2):
        terminal = Terminal("send", "hi", "-u")
        try:
            code, _ = terminal.end()
            assert code == 0
            assert not NEVER.search(terminal.raw)
        finally:
            terminal.close()


def test_a_chat_with_its_status_line(service):
    service.scripts = [ANSWERS["reasoning"], text(HOSTILE, "\n\nthe end"), error(400, HOSTILE)]
    terminal = Terminal("chat", "-m", "\u202e\x1b]0;t\x07\nerror: forged\x9b2J")
    try:
        for _ in range(3):
            terminal.expect("in this chat")
            terminal.type("hi\r")
            terminal.expect("forged")
        terminal.expect("in this chat")
        terminal.type("/system " + "x" * 20 + "\r")
        terminal.expect("system: x")
        terminal.type("/exit\r")
        terminal.end()
        assert not NEVER.search(terminal.raw)
    finally:
        terminal.close()
