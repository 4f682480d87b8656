"""Runs the command line against the stand-in: in this process where that shows the same, else as a process of its own."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from neuralterm.cli.root import cli
from neuralterm.sandbox import running_sandbox

from .money_service import MoneyService
from .stand_in import StandIn

KEY = "sk-or-v1-this-is-the-secret-key"


@pytest.fixture
def service(monkeypatch):
    """The service, with the environment pointing at it."""
    service = StandIn()
    monkeypatch.setenv("OPENROUTER_BASE_URL", service.url)
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    yield service
    service.close()
    assert not service.failures


@pytest.fixture
def money(monkeypatch):
    """The service that keeps its own bill, with the environment pointing at it; no limit on the bill may be exceeded."""
    service = MoneyService()
    monkeypatch.setenv("OPENROUTER_BASE_URL", service.url)
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    yield service
    service.close()
    assert service.bill.overruns == []
    assert service.failures == []


@pytest.fixture
def data_dir():
    """Where the history is; a string, the directory need not exist."""
    return os.environ["NEURALTERM_DATA_DIR"]


@pytest.fixture
def run():
    """Run a command line in this process: `run("send", "hi", stdin="...")`."""

    def run(*args, stdin=""):
        result = CliRunner().invoke(cli, list(args), prog_name="neuralterm", input=stdin)
        return SimpleNamespace(code=result.exit_code, out=result.stdout, err=result.stderr, raw=result.stdout_bytes)

    return run


@pytest.fixture
def start(monkeypatch):
    """Start a process of its own and hand it over; what still runs at the end of the test is killed.

    `shell` is a line of shell that ends in `exec "$@"`, which becomes the command.
    """
    # With it, output that nobody flushes would come all the same.
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    started = []

    def start(*args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, shell=None):
        command = [sys.executable, "-m", "neuralterm", *args]
        if shell is not None:
            command = ["sh", "-c", shell, "sh", *command]
        process = subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None and not stream.closed:
                stream.close()
        process.wait()


@pytest.fixture
def stored(data_dir):
    """Ask the database directly: `stored("SELECT ...")` returns the rows."""

    def stored(sql, *parameters):
        connection = sqlite3.connect(os.path.join(data_dir, "neuralterm.db"))
        try:
            return connection.execute(sql, parameters).fetchall()
        finally:
            connection.close()

    return stored


@pytest.fixture
def journals(data_dir):
    """Return what the journal files of answers that run, or were not stored, have in them."""

    def journals():
        return [path.read_text().rstrip("\0") for path in Path(data_dir).glob("neuralterm.db-spool/*.jsonl")]

    return journals


@pytest.fixture
def home(tmp_path):
    """The home directory of scripts, where their configuration is."""
    home = tmp_path / "home"
    home.mkdir()
    return home


@pytest.fixture
def checkout(tmp_path, home, monkeypatch):
    """A git checkout with a change in it, and with the scripts of the project."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "test")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "test@example.com")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    work = tmp_path / "work"
    work.mkdir()
    (work / "notes.md").write_text("buy milk\n")
    (work / "scripts").symlink_to(Path(__file__).parents[2] / "scripts")
    for arguments in (["init", "-q"], ["add", "notes.md"], ["commit", "-qm", "Begin"]):
        subprocess.run(["git", *arguments], cwd=work, check=True)
    (work / "notes.md").write_text("buy milk\nand bread\n")
    return work


@pytest.fixture
def sandbox_url(monkeypatch):
    """A sandbox beside the test, with the environment pointing at it: quicker than one in each process."""
    with running_sandbox(delay=0) as url:
        monkeypatch.setenv("OPENROUTER_BASE_URL", url)
        monkeypatch.setenv("OPENROUTER_API_KEY", "no-real-key")
        yield url


@pytest.fixture
def shell(checkout, home, sandbox_url):
    """Run a script in bash, in the checkout, against the sandbox: `shell(script, NAME="value")` with more environment."""
    here = str(Path(sys.executable).parent)
    environment = os.environ | {
        "NEURALTERM_CONFIG": str(home / ".config" / "neuralterm" / "config.toml"),
        "HOME": str(home),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # for an example that runs pytest
        "PATH": f"{here}{os.pathsep}{os.environ['PATH']}",
    }

    def run(script, **more):
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=checkout,
            env=environment | more,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout

    return run


@pytest.fixture
def listed(run):
    """List conversations as programs see them: `listed(*options)`."""

    def listed(*options):
        result = run("history", "--json", *options)
        assert result.code == 0
        return json.loads(result.out)["conversations"]

    return listed
