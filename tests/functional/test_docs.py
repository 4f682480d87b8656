"""The documentation is true: its commands run and print what it shows, its tables agree with the code."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from neuralterm.cli.exit_codes import ExitCode
from neuralterm.cli.root import cli
from neuralterm.domain.budget import Window
from neuralterm.sandbox.scenarios import SCENARIOS
from neuralterm.setting_sources import PROJECT_KEYS, USER_KEYS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(language, text=README):
    """Return the insides of the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def table(heading, text=README):
    """Return the rows of the first table below a heading, header left out, as lists of cells."""
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[2:]]


def commands():
    """Yield every command with its path."""

    def below(command, context):
        yield context.command_path, command
        for name in command.list_commands(context) if isinstance(command, click.Group) else ():
            inner = command.get_command(context, name)
            yield from below(inner, inner.make_context(name, [], parent=context, resilient_parsing=True))

    return below(cli, cli.make_context("neuralterm", [], resilient_parsing=True))


COMMANDS = dict(commands())


@pytest.fixture
def shell(tmp_path):
    """Run a script in bash, in a git checkout with a change in it, against the sandbox: `shell(script)`."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "notes.md").write_text("buy milk\n")
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.com"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "Begin"]):
        subprocess.run([*git, *arguments], cwd=work, check=True)
    (work / "notes.md").write_text("buy milk\nand bread\n")
    here = str(Path(sys.executable).parent)
    environment = os.environ | {"NEURALTERM_SANDBOX": "1", "PATH": f"{here}{os.pathsep}{os.environ['PATH']}"}

    def run(script):
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout

    return run


def transcript(block):
    """Return the script that prints a block of commands after `$ ` and their output, when all is as the block says."""
    lines = [line[2:] for line in block.splitlines() if line.startswith("$ ")]
    return "\n".join(f"(exit $code); cat <<'END'\n$ {line}\nEND\n(exit $code)\n{line}\ncode=$?" for line in lines)


@pytest.mark.parametrize("block", blocks("console"))
def test_readme_transcripts(shell, block):
    """Commands print what the page shows, on stdout and stderr together."""
    _, printed = shell(f"code=0\n{transcript(block)}")
    assert printed == block


def test_readme_examples_without_output(shell):
    lines = [line for block in blocks("sh") for line in block.splitlines() if "neuralterm " in line]
    assert len(lines) > 5
    code, printed = shell("set -e -o pipefail\n" + "\n".join(lines))
    assert code == 0, printed


def test_readme_library_example(tmp_path):
    [code] = blocks("python")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"Hello from a script\ncost in USD: 0\.0\d+\n", done.stdout)


def test_readme_make_commands():
    [block] = [block for block in blocks("sh") if "make" in block]
    assert block == "make demo\nmake test\n"
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "test"} <= targets
    assert "\nmake test\n" in (ROOT / ".ci" / "run").read_text()


def test_exit_code_table():
    assert [int(row[0]) for row in table("Exit codes")] == [int(code) for code in ExitCode]


def test_sandbox_table_is_complete():
    listed = [row[0].strip("`") for row in table("Rehearse in the sandbox")]
    assert sorted(listed) == sorted(scenario.id for scenario in SCENARIOS)


# Half a minute of `sandbox/slow` would show nothing that a shorter answer does not.
QUICK_ROWS = [row for row in table("Rehearse in the sandbox") if row[0] != "`sandbox/slow`"]


@pytest.mark.parametrize("row", QUICK_ROWS, ids=lambda row: row[0].strip("`"))
def test_sandbox_table_is_true(run, row):
    model, codes = row[0].strip("`"), row[2]
    ceiling = re.search(r"or (\d+) under .*(--max-cost) (\S+)`", codes)
    extra = ceiling.groups()[1:] if ceiling else ()
    done = run("--sandbox", "send", "-m", model, "--retry-for", "0", "--idle-timeout", "1", *extra, "hello")
    assert done.code == int(ceiling[1] if ceiling else codes), done.err


def test_every_setting_is_on_the_configuration_page():
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    keys = {f"`{key}`" for key in USER_KEYS}
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "neuralterm").rglob("*.py"))
    names = set(re.findall(r"\b(?:NEURALTERM|OPENROUTER)_[A-Z]+(?:_[A-Z]+)*\b", sources))
    names |= {f"NEURALTERM_BUDGET_{window.name}" for window in Window if window is not Window.CALL}
    assert "OPENROUTER_API_KEY" in names
    assert [name for name in sorted(keys | names) if name not in page] == []


def test_project_rights_on_the_configuration_page():
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    rows = [row for row in table("Settings", page) if row[2].startswith("`")]
    by_key = {row[2].strip("`"): row[3] for row in rows}
    assert set(by_key) == USER_KEYS
    assert {key for key, right in by_key.items() if right != "no"} == PROJECT_KEYS


@pytest.mark.parametrize("script", ["write_reference", "write_man", "write_faults"])
def test_pages_that_scripts_write_are_up_to_date(script):
    done = subprocess.run([sys.executable, ROOT / "scripts" / script, "--check"], capture_output=True)
    assert done.returncode == 0, done.stdout.decode()


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_and_option_has_help(path):
    command = COMMANDS[path]
    assert command.help
    assert [p.opts for p in command.params if isinstance(p, click.Option) and not p.help] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)]+)\)", text)]
    local = [target for target in targets if target and "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_named_in_the_pages_exist(page):
    """What looks like a path of the source tree, such as `cli/root.py`, is one."""
    names = re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)`", page.read_text(encoding="utf-8"))
    places = (ROOT, ROOT / "neuralterm")
    assert [name for name in names if not any((place / name).exists() for place in places)] == []


def keys_in(document):
    """Return the names of all keys of a JSON document, at any depth."""
    if isinstance(document, list):
        return {key for item in document for key in keys_in(item)}
    if not isinstance(document, dict):
        return set()
    return set(document) | {key for name, value in document.items() if name != "pricing" for key in keys_in(value)}


def test_json_page_names_every_key(run, monkeypatch):
    page = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    monkeypatch.setenv("NEURALTERM_SANDBOX", "1")
    answer = json.loads(run("send", "--json", "hello").out)
    stopped = run("send", "--ndjson", "-m", "sandbox/long", "--max-cost", "0.001", "hello").out
    events = [json.loads(line) for line in stopped.splitlines()]
    assert {"budget.threshold", "budget.exceeded", "message.completed"} <= {event["type"] for event in events}
    monkeypatch.setenv("NEURALTERM_BUDGET_DAY", "1")
    refused = json.loads(run("send", "--json", "--max-cost", "0", "hello").err.splitlines()[-1])
    reports = (
        ("cost", "--by", "model"),
        ("cost", "check", "--max", "1"),
        ("cost", "reconcile", "--wait", "0"),
        ("cost", "verify"),
        ("cost", "budget"),
        ("cost", "budget", "set", "mine", "1", "--window", "day"),
        ("models", "-n", "1"),
        ("models", "show", answer["model"]),
        ("history",),
        ("history", "show", answer["conversation_id"]),
        ("history", "search", "hello"),
        ("doctor",),
    )
    documents = [answer, *events, refused, *(json.loads(run(*command, "--json").out) for command in reports)]
    assert len(keys_in(documents)) > 80
    assert [key for key in sorted(keys_in(documents)) if f"`{key}`" not in page] == []
