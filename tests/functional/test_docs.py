"""The documentation is true: its commands run and print what it shows, its tables agree with the code."""

import json
import re
import subprocess
import sys
from itertools import zip_longest
from pathlib import Path

import click
import pytest

from neuralterm.cli.exit_codes import ExitCode
from neuralterm.cli.root import cli
from neuralterm.domain.budget import Window
from neuralterm.sandbox.scenarios import SCENARIOS
from neuralterm.setting_sources import PROJECT_KEYS, USER_KEYS

from .examples import blocks, blocks_of, transcript, write_file

ROOT = Path(__file__).resolve().parents[2]
# The languages of examples that can be run, and what a CI job knows of itself.
RUN = {"console", "sh", "python", "toml", "yaml"}
CI_JOB = {
    "GITHUB_RUN_ID": "17",
    "CI_PIPELINE_ID": "17",
    "NEURALTERM_RUN_ID": "build-17",
    "GITHUB_STEP_SUMMARY": "summary.md",
}
README = (ROOT / "README.md").read_text(encoding="utf-8")
SANDBOX_GUIDE = (ROOT / "docs" / "guides" / "sandbox.md").read_text(encoding="utf-8")
EXIT_CODES_GUIDE = (ROOT / "docs" / "guides" / "exit-codes.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


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


@pytest.mark.parametrize("block", blocks("console", README))
def test_readme_transcripts(shell, block):
    """Commands print what the page shows, on stdout and stderr together."""
    _, printed = shell(transcript(block))
    assert printed == block


def test_readme_examples_without_output(shell):
    lines = [line for block in blocks("sh", README) for line in block.splitlines() if "neuralterm " in line]
    assert len(lines) > 5
    code, printed = shell("set -e -o pipefail\n" + "\n".join(lines))
    assert code == 0, printed


# A measurement takes minutes and prints other figures each time.
EXAMPLES = [page for page in sorted((ROOT / "docs").rglob("*.md")) if page.name != "performance.md"]
EXAMPLES = [
    page for page in EXAMPLES if {block.language for block in blocks_of(page.read_text(encoding="utf-8"))} & RUN
]


def test_no_example_is_left_out():
    """A block in another language than those that are run, or in none, would be shown without being tried."""
    fences = [line for page in PAGES for line in re.findall(r"^```\S*", page.read_text(encoding="utf-8"), re.MULTILINE)]
    assert {fence.removeprefix("```") for fence in fences} == RUN | {"", "text", "{toctree}"}
    assert fences.count("```") == len(fences) / 2


@pytest.mark.parametrize("page", EXAMPLES, ids=lambda page: page.stem)
def test_examples_of_the_pages(page, shell, checkout, home, run, monkeypatch, capsys):
    """What a page shows works, from top to bottom: later examples may use what earlier ones made."""
    assert run("send", "hello").code == 0  # somebody who reads on has a database
    monkeypatch.chdir(checkout)
    names = {"__name__": "__main__"}
    found = blocks_of(page.read_text(encoding="utf-8"))
    for block, following in zip_longest(found, found[1:]):
        if block.file_name:
            write_file(block, checkout, home)
        elif block.language == "toml":
            (home / "config.toml").write_text(block.body, encoding="utf-8")
            assert run("--config", str(home / "config.toml"), "cost").err == ""
        elif block.language == "console":
            assert shell(transcript(block.body))[1] == block.body
        elif block.language == "sh":
            code, printed = shell(f"set -e -o pipefail\n{block.body}")
            assert code == 0, f"{block.body}{printed}"
        elif block.language == "python":
            exec(compile(block.body, page.name, "exec"), names)
            printed = capsys.readouterr().out
            if following is not None and following.language == "text":
                assert printed == following.body
        if block.language == "yaml":
            assert block.calls
            code, printed = shell(f"set -e\n{block.calls}", **CI_JOB)
            assert code == 0, printed


def test_readme_library_example(tmp_path):
    [code] = blocks("python", README)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"Hello from a script\ncost in USD: 0\.0\d+\n", done.stdout)


def test_readme_make_commands():
    [block] = [block for block in blocks("sh", README) if "make" in block]
    assert block == "make demo\nmake test\n"
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "test"} <= targets
    assert "\nmake test\n" in (ROOT / ".ci" / "run").read_text()


def test_the_demo_shows_what_the_readme_promises(shell):
    code, printed = shell("scripts/demo", NEURALTERM_BUDGET_DAY="0", NEURALTERM_MODEL="nobody/knows")
    assert code == 0
    assert re.findall(r"\(exit code (\d+)\)", printed) == ["5", "9"]
    assert "\x1b" not in printed


def test_commands_of_chat():
    from neuralterm.components.chat_commands import COMMANDS

    page = (ROOT / "docs" / "chat.md").read_text(encoding="utf-8")
    listed = [row[0].strip("`").replace("\\|", "|") for row in table("Commands", page)]
    assert listed == [f"/{each.name} {each.argument}".rstrip() for each in COMMANDS]


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


REHEARSALS = [row for row in table("Rehearse each outcome", SANDBOX_GUIDE) if "`NEURALTERM_" in row[1]]


@pytest.mark.parametrize("row", [row for row in REHEARSALS if int(row[0]) < 128], ids=lambda row: row[0])
def test_rehearsals_of_the_sandbox_guide(run, monkeypatch, row):
    """The settings that a row names lead to its exit code."""
    for name, value in re.findall(r"(NEURALTERM_[A-Z_]+)=([^ `]+)", row[1]):
        monkeypatch.setenv(name, value)
    assert run("--sandbox", "send", "--retry-for", "0", "hello").code == int(row[0])


def test_exit_codes_of_the_guide():
    assert [int(row[0]) for row in table("What a script does", EXIT_CODES_GUIDE)] == [int(code) for code in ExitCode]


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


def test_settings_that_are_flags_of_send_are_named_as_such():
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    flags = {option for parameter in COMMANDS["neuralterm send"].params for option in parameter.opts}
    by_key = {row[2].strip("`"): row[0] for row in table("Settings", page)}
    own = {key: f"--{key.replace('_', '-')}" for key in USER_KEYS}
    assert "--soft-budget" in flags
    assert [key for key, flag in own.items() if flag in flags and f"`{flag}`" not in by_key[key]] == []


@pytest.mark.parametrize("script", ["write_reference", "write_man", "write_faults"])
def test_pages_that_scripts_write_are_up_to_date(script):
    done = subprocess.run([sys.executable, ROOT / "scripts" / script, "--check"], capture_output=True)
    assert done.returncode == 0, done.stdout.decode()


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_and_option_has_help(path):
    command = COMMANDS[path]
    assert command.help
    assert [p.opts for p in command.params if isinstance(p, click.Option) and not p.help] == []


def test_every_command_is_told_of_besides_the_reference():
    """A command that stands in the reference only is found by nobody. A default subcommand goes by the name of its group."""
    written = [
        page for page in PAGES if page.name not in ("reference.md", "CHANGELOG.md") and page.parent.name != "adr"
    ]
    text = "\n".join(page.read_text(encoding="utf-8") for page in written)
    defaults = {f"{path} {command.default}" for path, command in COMMANDS.items() if hasattr(command, "default")}
    names = [path.removeprefix("neuralterm ") for path in COMMANDS if path not in defaults]
    assert len(names) > 15
    assert [name for name in names if name not in text] == []


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


def test_modules_on_the_architecture_page_exist_and_every_package_is_there():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = [(row[0].strip("`"), re.findall(r"`(\w+)`", row[2])) for row in table("What is where", page)]
    folders = {package: ROOT / "neuralterm" / package.replace(".", "/") for package, _ in rows}
    assert [name for package, names in rows for name in names if not (folders[package] / f"{name}.py").exists()] == []
    packages = {
        path.parent for path in (ROOT / "neuralterm").rglob("__init__.py") if len(list(path.parent.glob("*.py"))) > 3
    }
    # Of commands each has its module, and the package itself has what stands above the layers.
    assert packages - set(folders.values()) == {ROOT / "neuralterm", ROOT / "neuralterm" / "cli" / "commands"}


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
