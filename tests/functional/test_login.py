"""`neuralterm login` and `logout` through the front door, against a sandbox on the loopback interface."""

import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from neuralterm.cli.root import cli
from neuralterm.container import Container
from neuralterm.sandbox import running_sandbox

from .stand_in import StandIn, error
from .terminal import Terminal

NO_KEY = 3


class Browser:
    """Opens pages as a user who agrees would: with what the service redirects to."""

    def __init__(self, *, is_there=True, changed=lambda url: url):
        self.pages, self.threads = [], []
        self._is_there, self._changed = is_there, changed

    def open(self, url):
        self.pages.append(url)
        if self._is_there:
            thread = threading.Thread(target=self._visit, args=(self._changed(url),))
            self.threads.append(thread)
            thread.start()
        return self._is_there

    def _visit(self, url):
        with urllib.request.urlopen(url, timeout=20) as reply:
            reply.read()

    def close(self):
        for thread in self.threads:
            thread.join(20)


@pytest.fixture
def sandbox(monkeypatch):
    """A sandbox that stands for the service; returns its base URL."""
    with running_sandbox() as url:
        monkeypatch.setenv("OPENROUTER_BASE_URL", url)
        yield url


@pytest.fixture
def login():
    """Run a command line with a browser: `login(browser, "--wait", "9", stdin="...")`."""
    browsers = []

    def login(browser, *options, stdin="", before=()):
        browsers.append(browser)
        container = Container()
        container.open_browser = browser.open
        line = [*before, "login", *options]
        result = CliRunner().invoke(cli, line, prog_name="neuralterm", input=stdin, obj=container)
        return SimpleNamespace(code=result.exit_code, out=result.stdout, err=result.stderr)

    yield login
    for browser in browsers:
        browser.close()


@pytest.fixture
def file(tmp_path):
    return tmp_path / "config" / "neuralterm" / "credentials.json"


def keep(path, service, key="sk-or-v1-of-the-login"):
    path.parent.mkdir(parents=True)
    path.write_text(f'{{"version": 1, "logins": {{"{service}": {{"key": "{key}"}}}}}}')


def test_a_login_gets_a_key_that_prompts_are_sent_with(sandbox, login, run, file):
    assert run("send", "hi").code == NO_KEY
    done = login(Browser())
    assert (done.code, done.out) == (0, "")
    assert f"logged in; the key is kept in {file}" in done.err
    key = file.read_text().split('"key": "')[1].split('"')[0]
    assert key not in done.err
    assert run("send", "hi").code == 0
    told = run("doctor")
    assert f"key: from `neuralterm login` (kept in {file}); the service takes it" in told.out
    assert key not in told.out


def test_the_key_is_not_kept_in_what_is_stored(sandbox, login, run, file, data_dir):
    login(Browser())
    key = file.read_text().split('"key": "')[1].split('"')[0]
    assert run("send", f"my key is {key}").code == 0
    assert all(key.encode() not in path.read_bytes() for path in Path(data_dir).rglob("*") if path.is_file())


def test_without_a_browser_the_code_is_pasted(sandbox, start, run, file):
    process = start("login", "--no-browser", stdin=subprocess.PIPE)
    address = process.stdout.readline().decode().strip()
    with urllib.request.urlopen(address, timeout=20) as page:
        code = page.read()
    process.stdin.write(code)
    process.stdin.close()
    assert process.wait(20) == 0
    assert process.stdout.read() == b""
    told = process.stderr.read()
    assert told.startswith(b"open this page in any browser, and agree:\n")
    assert b"logged in" in told
    assert run("send", "hi").code == 0


def test_where_no_browser_is_found_the_code_is_asked_for(sandbox, login, file):
    browser = Browser(is_there=False)
    done = login(browser, stdin="a-wrong-code\n")
    assert done.code == NO_KEY
    assert len(browser.pages) == 1
    assert "open this page in any browser" in done.err
    quiet = login(Browser(is_there=False), stdin="a-wrong-code\n", before=("-q",))
    assert (quiet.out.startswith("http"), quiet.err.startswith("error: ")) == (True, True)


def test_a_terminal_does_not_show_what_is_pasted(sandbox):
    terminal = Terminal("login", "--no-browser")
    terminal.expect("code from the page (or the address it sends you to): ")
    terminal.type("the-secret-code\r")
    terminal.expect("error: the service refuses the login")
    code, _ = terminal.end()
    assert code == NO_KEY
    assert "the-secret-code" not in terminal.raw
    terminal.close()


def test_ctrl_c_leaves_the_terminal_as_it_was(sandbox, file):
    terminal = Terminal("login", "--no-browser")
    terminal.expect("code from the page (or the address it sends you to): ")
    terminal.type("\x03")
    code, rest = terminal.end()
    assert (code, rest[-1:]) == (130, "\n")
    assert terminal.has_its_modes()
    terminal.close()
    assert not file.exists()


def test_what_is_pasted_is_not_shown(sandbox, login, file):
    done = login(Browser(), "--no-browser", stdin="a-wrong-code\n")
    assert done.code == NO_KEY
    assert "a-wrong-code" not in done.out + done.err
    assert "error: the service refuses the login (HTTP status 403)" in done.err
    assert login(Browser(), "--no-browser", stdin="").code == NO_KEY
    assert not file.exists()


def test_a_browser_that_does_not_come_back(sandbox, login, file):
    done = login(
        Browser(changed=lambda url: url.split("?")[0] + "?code_challenge_method=S256&code_challenge=x"), "--wait", "0.2"
    )
    assert done.code == NO_KEY
    assert "error: nobody has agreed in the browser within 0.2 seconds\n" in done.err
    assert not file.exists()


def test_a_port_that_is_taken(sandbox, login):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = login(Browser(), "--port", f"{port}")
    assert done.code == NO_KEY
    assert done.err.startswith(f"error: port {port} can't be listened on: ")


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        (error(403, "Invalid code"), 3, "refuses the login (HTTP status 403): Invalid code"),
        (error(400, "bad the-code and method"), 3, "refuses the login (HTTP status 400): bad [code] and method"),
        (error(405, "use POST"), 3, "HTTP status 405"),
        (error(429, "slow down"), 8, "can't exchange the code now"),
        (error(503, "down"), 8, "can't exchange the code now"),
        (lambda exchange: exchange.reply(200, {"kee": "sk-or-secret"}), 3, "sent no key for the code"),
        (lambda exchange: exchange.reply(200, "sk-or-secret"), 3, "sent no key for the code"),
        (lambda exchange: exchange.reply(200, {"key": "sk-or secret"}), 3, "sent no key for the code"),
        (lambda exchange: exchange.send(b""), 8, "the connection to"),
    ],
)
def test_an_exchange_that_fails_is_one_sentence(service, login, file, monkeypatch, script, code, words):
    monkeypatch.delenv("OPENROUTER_API_KEY")
    service.scripts = [script]
    done = login(Browser(), "--no-browser", stdin="the-code\n")
    assert done.code == code
    assert words in next(line for line in done.err.splitlines() if line.startswith("error: "))
    assert "secret" not in done.err
    assert "the-code" not in done.err
    assert not file.exists()
    assert len(service.chats) == 1  # a code can be used once


def test_the_exchange_shows_no_other_key(service, login):
    service.scripts = [lambda exchange: exchange.reply(200, {"key": "sk-or-v1-fresh", "user_id": "u"})]
    done = login(Browser(), "--no-browser", stdin="the-code\n")
    assert done.code == 0
    assert "authorization" not in service.chats[0].headers
    assert sorted(service.chats[0].body) == ["code", "code_challenge_method", "code_verifier"]
    assert "note: OPENROUTER_API_KEY is set, and goes before this key" in done.err


def test_a_service_that_can_t_be_reached(service, login):
    service.close()
    assert login(Browser(), "--no-browser", stdin="the-code\n").code == 8


def test_a_server_without_a_login(login, monkeypatch):
    monkeypatch.setenv("OPENROUTER_BASE_URL", "http://127.0.0.1:11434/v1")
    done = login(Browser())
    assert (done.code, done.err.splitlines()[0]) == (
        3,
        "error: http://127.0.0.1:11434/v1 has no login as OpenRouter has it",
    )


class TestWhichKeyIsUsed:
    @pytest.fixture(autouse=True)
    def no_key(self, service, monkeypatch):
        monkeypatch.delenv("OPENROUTER_API_KEY")

    def sent(self, service):
        return [request.headers.get("authorization") for request in service.chats]

    def test_that_of_the_login(self, service, run, file):
        keep(file, service.url)
        assert run("send", "hi").code == 0
        assert self.sent(service) == ["Bearer sk-or-v1-of-the-login"]

    def test_the_environment_goes_first_and_the_file_is_not_read(self, service, run, file, monkeypatch):
        file.parent.mkdir(parents=True)
        file.write_text("damaged")
        monkeypatch.setenv("OPENROUTER_KEY", "sk-or-v1-of-the-environment")
        assert run("send", "hi").code == 0
        assert self.sent(service) == ["Bearer sk-or-v1-of-the-environment"]
        monkeypatch.delenv("OPENROUTER_KEY")
        refused = run("send", "hi")
        assert (refused.code, refused.err.splitlines()[0]) == (
            3,
            f"error: the file {file} can't be read: it is damaged",
        )

    def test_key_command_goes_before_a_login(self, service, run, file):
        keep(file, service.url)
        Path(os.environ["NEURALTERM_CONFIG"]).write_text('key_command = "echo sk-or-v1-of-the-command"\n')
        assert run("send", "hi").code == 0
        assert self.sent(service) == ["Bearer sk-or-v1-of-the-command"]

    def test_it_is_found_without_a_keyring_and_without_what_logins_need(self, service, file):
        keep(file, service.url)
        code = "import atexit, sys; from neuralterm.__main__ import main; atexit.register(lambda: print(*sys.modules)); main()"
        done = subprocess.run([sys.executable, "-c", code, "send", "hi"], capture_output=True, text=True, check=True)
        modules = set(done.stdout.split())
        assert "neuralterm.infrastructure.credentials" in modules
        assert modules & {"keyring", "secrets", "random", "webbrowser", "http", "asyncio"} == set()

    def test_a_key_goes_to_no_other_server(self, service, run, file):
        keep(file, "https://openrouter.ai/api/v1")
        refused = run("send", "hi")
        assert (refused.code, self.sent(service)) == (3, [])
        assert refused.err.startswith("error: there is no API key\nhint: `neuralterm login` gets one")

    def test_a_redirect_takes_it_nowhere(self, service, run, file):
        keep(file, service.url)
        other = StandIn()
        service.scripts = [lambda exchange: exchange.reply(307, "", headers=[("Location", f"{other.url}/chat")])]
        assert run("send", "hi").code != 0
        assert other.requests == []
        other.close()


def test_the_sandbox_has_logins_of_its_own(login, run, file, data_dir):
    done = login(Browser(), before=["--sandbox"])
    own = os.path.join(data_dir, "sandbox", "credentials.json")
    assert (done.code, done.err.splitlines()[-1]) == (0, f"logged in; the key is kept in {own}")
    assert not file.exists()
    assert run("send", "hi").code == NO_KEY
    assert run("--sandbox", "send", "hi").code == 0
    assert run("--sandbox", "logout").code == 0
    assert not os.path.exists(own)


def test_logging_out(service, run, file):
    keep(file, service.url)
    done = run("logout")
    assert (done.code, done.out) == (0, "")
    assert "logged out; the key works until you revoke it at https://openrouter.ai/settings/keys" in done.err
    assert not file.exists()
    again = run("logout")
    assert (again.code, again.err) == (0, "there was no login\n")


def test_a_process_that_is_stopped_leaves_nothing(sandbox, start, file, monkeypatch):
    monkeypatch.setenv("BROWSER", "true")
    process = start("login")
    assert b"waiting for the browser" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert process.stderr.read() == b""
    assert not file.exists()
