"""What a command does at most, in numbers that are the same on every machine: modules, SQL, system calls, bytes.

A change that makes one larger makes every call slower: raise the number in the table only for something that is worth it.
"""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "scripts" / "bench"
# An interpreter without what an editable installation imports at its start.
PYTHON = (sys.executable, "-S", "-c")
PATH = f"import sys; sys.path[:] = {[str(ROOT), *filter(None, sys.path)]!r}\n"

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="counts system calls with strace")

# Runs the command line as the console script does, and tells at the end which modules are there.
MODULES = """
import atexit, sys

statements = []

def tell():
    modules = list(sys.modules)
    import json
    print(json.dumps({"modules": modules, "statements": statements}), file=sys.stderr)

atexit.register(tell)
from neuralterm.__main__ import main
main()
"""
# The same, with what SQLite is told.
STATEMENTS = """
import sqlite3

connect = sqlite3.connect

def traced(*arguments, **options):
    connection = connect(*arguments, **options)
    statements.append("CONNECT")
    connection.set_trace_callback(statements.append)
    return connection

sqlite3.connect = traced
"""


@dataclass(frozen=True)
class Limits:
    """`modules` besides those of `import click`, own ones included; SQL `statements` without those of triggers;
    `transactions` that write; `file_calls`: system calls on files of the data directory."""

    line: tuple[str, ...]
    modules: int
    statements: int = 0
    transactions: int = 0
    file_calls: int = 0


LIMITS = [
    Limits(("--version",), modules=23),
    Limits(("--help",), modules=27),
    Limits(("send", "--help"), modules=45),
    Limits(("send", "one"), modules=154, statements=56, transactions=3, file_calls=280),
    Limits(("models",), modules=89, statements=7, file_calls=95),
    Limits(("cost", "--json"), modules=91, statements=8, file_calls=100),
    Limits(("history",), modules=85, statements=8, file_calls=104),
    Limits(("history", "search", "one"), modules=66, statements=10, file_calls=111),
]
NEVER = {
    "anyio", "asyncio", "email", "http.client", "httpx", "importlib.metadata", "neuralterm.components.markdown",
    "pathlib", "prompt_toolkit", "pydantic", "pygments", "random", "rich", "ssl", "tiktoken", "urllib.parse", "wcwidth",
}  # fmt: skip
NOT_FOR_HELP = NEVER | {"sqlite3", "tabulate", "socket", "tomllib", "platformdirs"}


@dataclass(frozen=True)
class Observed:
    """What a process did."""

    modules: frozenset[str]
    statements: list[str]


@pytest.fixture
def service(tmp_path, monkeypatch):
    """The bench's server, with the environment pointing at it and one call made, so that nothing is done for the first time."""
    models = tmp_path / "models.json"
    models.write_text('{"data": [{"id": "openai/gpt-4o-mini", "pricing": {"prompt": "0", "completion": "0"}}]}')
    command = [sys.executable, str(BENCH / "server.py"), str(models), str(tmp_path / "arrivals")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        monkeypatch.setenv("OPENROUTER_BASE_URL", f"http://127.0.0.1:{int(process.stdout.readline())}/api/v1")
        monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-v1-key")
        yield
        process.kill()


@pytest.fixture
def used(service, run):
    """A data directory in which there is an answer and a list of models."""
    assert run("models", "--refresh").code == 0
    assert run("send", "one").code == 0


@cache
def modules_of_click():
    code = f"{PATH}import click; print(*sys.modules)"
    return frozenset(subprocess.run([*PYTHON, code], capture_output=True, check=True).stdout.decode().split())


def observe(*line, watch_sql):
    code = PATH + MODULES.replace("\nfrom", f"{STATEMENTS if watch_sql else ''}\nfrom", 1)
    done = subprocess.run([*PYTHON, code, *line], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    told = json.loads(done.stderr.splitlines()[-1])
    # What triggers do is told as a comment, with the statement that set them off once more.
    statements = [
        each for before, each in zip(["", *told["statements"]], told["statements"], strict=False) if each != before
    ]
    return Observed(frozenset(told["modules"]), [each for each in statements if not each.startswith("--")])


def traced(tmp_path, *line):
    """Return the lines of strace for a command line; file descriptors with their paths."""
    log = tmp_path / "strace"
    command = ["strace", "-f", "-y", "-s", "1", "-o", str(log), sys.executable, "-m", "neuralterm", *line]
    with (tmp_path / "stdout").open("wb") as stdout:
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, check=True)
    return log.read_text(errors="replace").splitlines()


@pytest.mark.parametrize("limits", LIMITS, ids=lambda limits: " ".join(limits.line))
def test_a_command_imports_and_asks_no_more_than_it_needs(used, limits):
    observed = observe(*limits.line, watch_sql=limits.statements > 0)
    modules = observed.modules - modules_of_click()
    is_help = limits.line[-1].startswith("--") and "--json" not in limits.line
    assert modules & (NOT_FOR_HELP if is_help else NEVER) == set()
    assert len(modules) <= limits.modules, sorted(modules)
    statements = observed.statements
    assert statements.count("CONNECT") == min(limits.statements, 1)
    assert len(statements) <= limits.statements, statements
    assert sum(each.startswith("BEGIN") for each in statements) <= limits.transactions, statements


@needs_strace
@pytest.mark.parametrize("limits", LIMITS, ids=lambda limits: " ".join(limits.line))
def test_a_command_touches_its_files_no_more_than_it_needs(used, tmp_path, data_dir, limits):
    calls = [line for line in traced(tmp_path, *limits.line) if str(data_dir) in line]
    assert len(calls) <= limits.file_calls
    if limits.transactions == 0:
        assert not [line for line in calls if re.search(r" (fsync|fdatasync|pwrite64)\(", line) and "-shm>" not in line]


@needs_strace
def test_many_deltas_are_written_read_by_read_and_journalled_once(used, tmp_path):
    calls = traced(tmp_path, "send", "burst 5000 0")
    text = (tmp_path / "stdout").read_bytes()
    reads = [line for line in calls if re.search(r" (recvfrom|recv|read)\(\d+<(TCP|socket)", line)]
    writes = [line for line in calls if re.search(r" write\(1<", line)]
    journal = [line for line in calls if re.search(r" p?write(64)?\(\d+<[^>]*-spool/", line)]
    assert len(text) > 5000 * len(" word0")
    assert len(writes) <= len(reads) + 2
    assert sum(int(line.rpartition("= ")[2]) for line in journal) <= 1.2 * len(text) + 4096
    assert 0 < len(journal) <= len(reads) + 8
