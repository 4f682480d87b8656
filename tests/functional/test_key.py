"""The API key is shown nowhere and kept nowhere, wherever a service repeats it."""

import base64
import json
import sys
import threading
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner

from neuralterm.cli.root import cli
from neuralterm.container import Container

from .stand_in import MODELS, StandIn, chunk, error, events, held, text

KEY = "sk-or-v1-Mark+ed/Key=0123456789"
MIDDLE = base64.b64encode(f"Bearer {KEY}".encode()).decode()
FORMS = (KEY, quote(KEY, safe=""), MIDDLE[10:-2], MIDDLE[10:-2].replace("+", "-").replace("/", "_"))
ECHO = f"you sent {KEY}, {quote(KEY, safe='')} and {MIDDLE}"
LONG_ECHO = {"code": 400, "message": ECHO, "metadata": {"raw": ECHO, "provider_name": KEY, "headers": {"k": KEY}}}


@pytest.fixture
def echoing(service, monkeypatch):
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    service.models = {"data": [{**entry, "name": KEY, "description": ECHO} for entry in MODELS]}
    return service


def shown(written, *, apart_from=""):
    return [form for form in FORMS if form in written.replace(apart_from or "\0", "")]


def assert_not_kept(data_dir):
    files = [path for path in Path(data_dir).rglob("*") if path.is_file()]
    contents = {path.name: path.read_bytes().decode("latin-1") for path in files}
    assert {name: shown(content) for name, content in contents.items() if shown(content)} == {}


def refusal(status):
    return error(status, ECHO, headers=[("Retry-After", KEY), ("X-Generation-Id", KEY)], metadata=LONG_ECHO["metadata"])


def redirect(exchange):
    exchange.reply(307, "", headers=[("Location", f"https://elsewhere.example/{KEY}?{quote(KEY, safe='')}={MIDDLE}")])


def not_json(exchange):
    exchange.reply(500, f"<html><title>{ECHO}</title></html>", "text/html")


def plain(exchange):
    exchange.reply(403, ECHO, "text/plain")


def broken_off(exchange):
    exchange.begin_stream([("X-Generation-Id", KEY)])
    exchange.delta("so far")
    exchange.event({"id": KEY, "model": KEY, "provider": KEY, "choices": [], "error": LONG_ECHO})


def whole(exchange):
    exchange.begin_stream()
    first = chunk({"content": f"it is {KEY[:11]}", "reasoning": KEY}, native_finish_reason=KEY)
    for document in (first, chunk({"content": KEY[11:]}, finish_reason=KEY), "[DONE]"):
        named = document if isinstance(document, str) else {**document, "id": KEY, "model": KEY, "provider": KEY}
        exchange.event(named)
    exchange.end()


FAULTS = {
    **{f"HTTP {status}": refusal(status) for status in (400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 502, 503)},
    "redirect": redirect,
    "web page": not_json,
    "plain text": plain,
    "error under 200": events({"error": LONG_ECHO}),
    "error as an event": events({"id": KEY, "choices": [{"error": LONG_ECHO, "delta": {}}]}),
    "broken off": broken_off,
    "odd finish reason": whole,
}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *((name, options) for name in FAULTS for options in ((), ("--json",))),
        *((name, ("--ndjson",)) for name in ("HTTP 400", "error as an event", "broken off", "odd finish reason")),
        *((name, ("--no-stream",)) for name in ("HTTP 502", "error under 200")),
        ("HTTP 503", ("--retry-for", "0.5")),
    ],
)
def test_whatever_a_service_does(echoing, run, data_dir, name, options):
    echoing.scripts = [FAULTS[name]]
    verbose = ("--debug",) if options else ("-v",)
    result = run(*verbose, "send", "--retry-for", "0", *options, "hi")
    if name != "odd finish reason":  # an answer, which says what it says
        assert shown(result.out) == []
    elif options in (("--json",), ("--ndjson",)):
        documents = [json.loads(result.out)] if options == ("--json",) else map(json.loads, result.out.splitlines())
        told = [{**document, "content": "", "reasoning": "", "delta": ""} for document in documents]
        assert shown(json.dumps(told)) == []
    assert shown(result.err) == []
    assert_not_kept(data_dir)


COMMANDS = [
    ("models",),
    ("models", "--json"),
    ("models", "show", "openai/gpt-4o-mini"),
    ("cost", "--by", "model", "--by", "provider", "--by", "run", "--by", "tag", "--json"),
    ("cost", "reconcile", "--wait", "0"),
    ("cost", "verify"),
    ("history", "--json"),
    ("history", "search", "it"),
    ("send", "--dry-run", "--json", "hi"),
    ("send", "-m", KEY, "hi"),
    ("send", "--cid", KEY, "hi"),
    ("send", "-f", f"/nowhere/{KEY}", "hi"),
]


def test_no_command_shows_it_afterwards(echoing, run, data_dir):
    echoing.scripts = [whole, text("fine")]
    run("send", "--title", KEY, "--tag", KEY, f"my key is {KEY}")
    identity = json.loads(run("history", "--json").out)["conversations"][0]["id"]
    echoing.scripts = [refusal(400)]
    exports = [("history", "export", identity, "--format", each) for each in ("md", "json", "jsonl")]
    for line in (*COMMANDS, ("history", "show", identity), *exports):
        result = run("--debug", *line)
        assert (line, shown(result.out), shown(result.err)) == (line, [], [])
    assert_not_kept(data_dir)


def test_an_unexpected_fault_shows_its_traceback_without_it(echoing):
    class Broken(Container):
        @property
        def conversations(self):
            try:
                raise KeyError({"Authorization": f"Bearer {KEY}"})
            except KeyError as error:
                error.add_note(MIDDLE)
                raise RuntimeError(f"headers: {ECHO}") from error

    result = CliRunner().invoke(cli, ["--debug", "send", "--json", "hi"], obj=Broken())
    assert result.exit_code == 1
    assert "Traceback" in result.stderr
    assert shown(result.output) == []


def test_a_chat_that_goes_on_after_an_error_does_not_show_it(echoing, run):
    echoing.scripts = [refusal(401)]
    assert shown(run("chat", stdin="hi\n").err) == []


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="other systems show processes in other ways")
def test_a_key_from_a_command_is_in_no_argument_and_no_environment(service, start, tmp_path, monkeypatch):
    monkeypatch.delenv("OPENROUTER_API_KEY")
    (tmp_path / "key").write_text(f"{KEY}\nand a second line\n")
    (tmp_path / "config.toml").write_text(f'key_command = "cat {tmp_path / "key"}"\n')
    gate, seen = threading.Event(), threading.Event()
    service.scripts = [held(["begun"], gate, [], seen)]
    process = start("send", "hi")
    assert seen.wait(20)
    facts = [Path(f"/proc/{process.pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
    gate.set()
    process.communicate()
    assert service.chats[0].headers["authorization"] == f"Bearer {KEY}"
    assert not any(KEY.encode() in fact for fact in facts)


class TestKeyCommand:
    @pytest.fixture
    def command(self, monkeypatch, tmp_path):
        monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)

        def command(script):
            (tmp_path / "key.py").write_text(script)
            line = f"{sys.executable} -I -S {tmp_path / 'key.py'}"
            (tmp_path / "config.toml").write_text(f"key_command = {json.dumps(line)}")

        return command

    @pytest.mark.parametrize(
        ("script", "complaint"),
        [
            (f"print('{KEY}'); raise SystemExit(3)", "key_command failed with exit code 3"),
            ("", "key_command printed no key"),
            ("print('  '); print('second line')", "key_command printed no key"),
            (f"print('{KEY} and more')", "the API key has characters that no key has"),
            (r"import sys; sys.stdout.buffer.write(b'\xff\xfe')", "the API key has characters that no key has"),
        ],
    )
    def test_one_that_gives_no_key(self, service, run, command, script, complaint, data_dir):
        command(script)
        result = run("send", "hi")
        assert (result.code, result.out, service.chats) == (3, "", [])
        assert result.err.startswith(f"error: {complaint}\nhint: ")
        assert shown(result.err) == []

    @pytest.mark.parametrize("line", ["/nowhere/there-is-no-such-command", "'", " "])
    def test_one_that_cannot_be_run(self, service, run, tmp_path, monkeypatch, line):
        monkeypatch.delenv("OPENROUTER_API_KEY")
        (tmp_path / "config.toml").write_text(f"key_command = {json.dumps(line)}")
        result = run("send", "hi")
        assert (result.code, service.chats) == (3, [])
        assert "error: key_command can't be run" in result.err

    def test_what_a_pipe_brings_is_not_for_the_command(self, service, start, command):
        command(f"import sys; sys.stdin.read(); print('{KEY}')")
        process = start("chat", stdin=-1)
        out, _ = process.communicate(b"hi\n")
        assert (out, process.returncode) == (b"Hello there.\n", 0)
        assert service.chats[0].body["messages"][0]["content"] == "hi"

    @pytest.mark.parametrize(
        "line",
        [
            ("--sandbox", "send", "hi"),
            ("--sandbox", "models"),
            ("models",),
            ("send", "--dry-run", "hi"),
            ("cost",),
            ("cost", "budget"),
            ("history",),
            ("history", "path"),
        ],
        ids=" ".join,
    )
    def test_it_is_not_run_where_no_key_is_needed(self, service, run, command, tmp_path, line):
        command(f"open({str(tmp_path / 'was-run')!r}, 'w')")
        assert run(*line).code == 0
        assert not (tmp_path / "was-run").exists()

    def test_what_looked_a_model_up_before_has_the_key_afterwards(self, service, run, command):
        command(f"print('{KEY}')")
        result = run("send", "--confirm-above", "100", "--max-tokens", "10", "hi")
        assert (result.code, result.out) == (0, "Hello there.\n")
        assert [request.headers.get("authorization") for request in service.requests] == [None, f"Bearer {KEY}"]


class TestOtherHosts:
    def test_a_redirect_is_not_followed_to_another_host(self, service, run):
        other = StandIn()
        service.scripts = [
            lambda exchange: exchange.reply(307, "", headers=[("Location", f"{other.url}/chat/completions")])
        ]
        result = run("send", "--retry-for", "0", "hi")
        other.close()
        assert (result.code, result.out, other.requests) == (6, "", [])
        assert len(service.chats) == 1
