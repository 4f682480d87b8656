"""Completion, asked as the shells ask it, and in the shells themselves where they are."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.cli.completing import KINDS, words_of
from neuralterm.cli.root import cli
from neuralterm.infrastructure.database import Database

from .terminal import Terminal

MODELS = [
    "deepseek/deepseek-r1",
    "deepseek/deepseek-r1:free",
    "openai/gpt-4o-mini",
    "evil/$(touch pwned);x",
    "bad/\x1b[2J",
]
CONVERSATIONS = {
    "0a000000-0000-4000-8000-000000000001": "first",
    "0b000000-0000-4000-8000-000000000002": "a\tb\x1b]0;title\x07\nnext: 'line'",
    "1c000000-0000-4000-8000-000000000003": None,
}
TAGS = ["ci", "my tag", 'it\'s "quoted"', "a:b", "$HOME", "ende ü", "$(touch pwned)"]
BREAKS = " \t\n\"'><=;|&(:"


@pytest.fixture
def filled(data_dir):
    """A database with words of all kinds; returns its path."""
    path = os.path.join(data_dir, "neuralterm.db")
    database = Database(path)
    with database.transaction():
        for number, model in enumerate(MODELS):
            database.change("INSERT INTO models VALUES ('', ?, NULL, ?, '{}')", (model, number))
        for number, (id_, title) in enumerate(CONVERSATIONS.items()):
            database.change(
                "INSERT INTO conversations (id, title, model_id, created_at, updated_at, total_cost, total_tokens)"
                " VALUES (?, ?, 'm', 0, ?, 0, 0)",
                (id_, title, number),
            )
            for position, tag in enumerate(TAGS):
                database.change("INSERT INTO conversation_tags VALUES (?, ?, ?)", (id_, tag, position))
    database.close()
    return path


@pytest.fixture
def ask(run, monkeypatch):
    """Ask as a shell does; return the lines of the answer, each as its parts."""

    def ask(line, shell="zsh", breaks=BREAKS):
        with monkeypatch.context() as patch:
            patch.setenv("_NEURALTERM_COMPLETE", f"{shell}_complete")
            patch.setenv("_NEURALTERM_LINE", line)
            patch.setenv("_NEURALTERM_BREAKS", breaks)
            result = run()
        assert (result.code, result.err) == (0, "")
        return [tuple(each.split("\t")) for each in result.out.splitlines() if each]

    return ask


def values(lines):
    return [line[1] for line in lines]


class TestWords:
    @pytest.mark.parametrize(
        ("line", "before", "last", "quote"),
        [
            ("neuralterm ", ["neuralterm"], "", ""),
            ("neuralterm  send\t-", ["neuralterm", "send"], "-", ""),
            (r"n a\ b", ["n"], "a b", ""),
            ("n 'a b", ["n"], "a b", "'"),
            ('n "a \\" b', ["n"], 'a " b', '"'),
            ('n "a" b"c d', ["n", "a"], "bc d", '"'),
            ("n '' x", ["n", ""], "x", ""),
            ("n a\\", ["n"], "a", ""),
            ("", [], "", ""),
        ],
    )
    def test_a_line_is_split_as_shells_do(self, line, before, last, quote):
        found = words_of(line)
        assert (found.before, found.last, found.quote) == (before, last, quote)

    @given(st.text(alphabet="ab \\'\"$:=\t", max_size=20))
    def test_any_line_is_split_as_clicks_splitting_has_it(self, line):
        from click.shell_completion import split_arg_string

        found = words_of(line)
        words = [*found.before, found.last]
        # Where a line ends in the middle of an escape, and where `$` is escaped in quotes, shlex has rules of its own.
        if not line.endswith("\\") and "$" not in line:
            assert [word for word in words if word] == [word for word in split_arg_string(line) if word]

    @pytest.mark.parametrize(
        ("line", "replaced_from"),
        [("n a:b", 2), ("n --model=a/b", 8), ("n --model=a:b", 10), ("n 'a:b", 0), ("n a\\:b", 0), ("n ab", 0)],
    )
    def test_bash_replaces_only_what_follows_its_breaks(self, line, replaced_from):
        assert words_of(line, ":=").replaced_from == replaced_from


class TestAnswers:
    def test_commands_with_what_they_do(self, ask):
        found = ask("neuralterm ")
        assert ("word", "send", "One prompt in, one answer out.") in found
        assert values(found) == cli.list_commands(None)

    def test_options_and_choices(self, ask):
        assert "--max-cost" in values(ask("neuralterm send --max"))
        assert values(ask("neuralterm send --reasoning m")) == ["minimal", "medium", "max"]
        assert values(ask("neuralterm --sand")) == ["--sandbox"]

    def test_subcommands_beside_those_of_the_default_one(self, ask):
        assert values(ask("neuralterm models s")) == ["show"]
        found = ask("neuralterm history ")
        assert ("word", "search", "Find messages that hold every word of QUERY, newest first.") in found
        assert {"check", "budget"} <= set(values(ask("neuralterm cost ")))
        assert "--by" in values(ask("neuralterm cost --b"))
        assert values(ask("neuralterm cost budget r")) == ["remove"]

    def test_models(self, ask, filled):
        known = sorted(MODELS[:-1])
        assert values(ask("neuralterm send -m ")) == known
        assert values(ask("neuralterm models show deep")) == known[:2]
        assert values(ask("neuralterm send --fallback deepseek/deepseek-r1:")) == known[1:2]
        assert values(ask("neuralterm send --model=open")) == ["--model=openai/gpt-4o-mini"]

    def test_conversations_last_changed_first_with_their_titles(self, ask, filled):
        found = ask("neuralterm history show ")
        assert [line[1:] for line in found] == [
            ("1c000000-0000-4000-8000-000000000003", "Untitled"),
            ("0b000000-0000-4000-8000-000000000002", "a b␛]0;title␇ next: 'line'"),
            ("0a000000-0000-4000-8000-000000000001", "first"),
        ]
        assert values(ask("neuralterm send --cid 0a")) == ["0a000000-0000-4000-8000-000000000001"]
        assert len(ask("neuralterm history export 0")) == 2

    def test_what_is_on_the_line_already_is_not_said_again(self, ask, filled):
        first, second, third = sorted(CONVERSATIONS)
        assert values(ask(f"neuralterm history export {first} ")) == [third, second]
        assert values(ask("neuralterm send --tag ci --tag c")) == []
        assert values(ask(f"neuralterm history show {first}")) == [first]

    def test_tags(self, ask, filled):
        assert values(ask("neuralterm send --tag ")) == sorted(TAGS)
        assert values(ask("neuralterm cost --tag m")) == ["my tag"]
        assert values(ask("neuralterm cost --tag 'my t")) == ["my tag"]

    def test_budgets_that_were_set_by_command(self, ask, run, filled):
        run("cost", "budget", "set", "daily", "5", "--window", "day")
        run("cost", "budget", "set", "a month", "50", "--window", "month")
        found = ask("neuralterm cost budget remove ")
        assert [line[1:] for line in found] == [("a month", "month"), ("daily", "day")]
        assert values(ask("neuralterm cost budget set d")) == ["daily"]

    def test_templates_of_all_folders_by_name_and_others_as_files(self, ask, tmp_path, monkeypatch):
        project = tmp_path / "project"
        for folder, name in (
            (tmp_path / "templates", "review"),
            (tmp_path / "other", "report"),
            (project / "t", "refine"),
        ):
            folder.mkdir(parents=True)
            (folder / f"{name}.toml").touch()
        (project / ".neuralterm.toml").write_text('templates = "t"')
        (tmp_path / "other.toml").write_text('templates = "other"')
        monkeypatch.chdir(project)
        assert values(ask("neuralterm send -t re")) == ["refine", "review"]
        assert values(ask("neuralterm send -t rev")) == ["review"]
        assert values(ask("neuralterm --config ../other.toml send --template=re")) == [
            "--template=refine", "--template=report",
        ]  # fmt: skip
        assert ask("neuralterm send -t ./re") == [("file",)]
        (project / ".neuralterm.toml").write_text('templates = "../other"')
        assert ask("neuralterm send -t re") == []

    def test_bash_gets_words_that_are_no_commands(self, ask, filled):
        assert values(ask("neuralterm send --tag ", "bash")) == [
            r"\$\(touch\ pwned\)", r"\$HOME", "a:b", "ci", r"ende\ ü", r"it\'s\ \"quoted\"", r"my\ tag",
        ]  # fmt: skip
        assert values(ask('neuralterm send --tag "$', "bash")) == [r"\$(touch pwned)", r"\$HOME"]
        assert values(ask("neuralterm send --tag 'it", "bash")) == ["it'\\''s \"quoted\""]

    def test_bash_gets_what_follows_the_part_that_it_leaves_alone(self, ask, filled):
        assert values(ask("neuralterm send -m deepseek/deepseek-r1:", "bash")) == ["free"]
        assert values(ask("neuralterm send --model=deepseek/deepseek-r1:f", "bash")) == ["free"]
        assert values(ask("neuralterm send --model=open", "bash")) == ["openai/gpt-4o-mini"]
        assert values(ask("neuralterm send --model=open", "bash", breaks=" ")) == ["--model=openai/gpt-4o-mini"]

    def test_files_are_left_to_the_shell(self, ask):
        for line in ("send -f ", "send --attach x", "--config ", "history export x -O ", "history import --from-llm "):
            assert ask(f"neuralterm {line}") == [("file",)]

    def test_the_sandbox_has_words_of_its_own(self, ask, filled, data_dir, monkeypatch):
        assert ask("neuralterm --sandbox history show ") == []
        os.renames(filled, os.path.join(data_dir, "sandbox", "neuralterm.db"))
        assert len(ask("neuralterm --sandbox history show ")) == 3
        assert ask("neuralterm history show ") == []
        monkeypatch.setenv("NEURALTERM_SANDBOX", "1")
        assert len(ask("neuralterm history show ")) == 3

    @pytest.mark.parametrize(
        "line", ["neuralterm send --bogus x ", "neuralterm send --max-cost ", "neuralterm send hi"]
    )
    def test_what_can_t_go_on_gets_no_words(self, ask, line):
        assert ask(line) == []

    def test_without_a_question_the_program_is_as_usual(self, run, monkeypatch):
        monkeypatch.setenv("_NEURALTERM_COMPLETE", "")
        assert run("--version").out.startswith("neuralterm, version")


class TestTheDatabase:
    def test_none_is_made(self, ask, data_dir):
        assert ask("neuralterm history show ") == []
        assert not os.path.exists(data_dir)

    def test_nothing_is_left_beside_it(self, ask, filled, data_dir):
        before = Path(filled).read_bytes()
        assert ask("neuralterm history show ")
        assert os.listdir(data_dir) == ["neuralterm.db"]
        assert Path(filled).read_bytes() == before

    def test_what_is_in_the_log_is_seen_while_others_write(self, ask, filled):
        with closing(sqlite3.connect(filled, isolation_level=None)) as writer:
            writer.execute("UPDATE conversations SET title = 'new'")
            writer.execute("BEGIN IMMEDIATE")
            assert [line[2] for line in ask("neuralterm history show ")] == ["new"] * 3

    def test_a_lock_is_not_waited_for(self, ask, filled):
        with closing(sqlite3.connect(filled, isolation_level=None)) as writer:
            writer.execute("PRAGMA locking_mode = EXCLUSIVE")
            writer.execute("UPDATE conversations SET title = 'new'")
            assert ask("neuralterm history show ") == []

    @pytest.mark.parametrize("content", [b"", b"no database at all " * 500])
    def test_what_is_no_database_has_no_words(self, ask, data_dir, content):
        os.makedirs(data_dir)
        path = os.path.join(data_dir, "neuralterm.db")
        with open(path, "wb") as file:
            file.write(content)
        assert ask("neuralterm history show ") == []

    def test_a_pipe_in_its_place_is_not_opened(self, ask, data_dir):
        os.makedirs(data_dir)
        os.mkfifo(os.path.join(data_dir, "neuralterm.db"))
        assert ask("neuralterm history show ") == []


def parameters(command, context):
    for parameter in command.params:
        yield context.command_path, parameter
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            yield from parameters(inner, click.Context(inner, info_name=name, parent=context))


def test_every_parameter_that_takes_an_id_is_completed():
    """But for the ids of runs, which programs make up."""
    root = click.Context(cli, info_name="neuralterm")
    taking = {each.name for _, each in parameters(cli, root) if (each.metavar or "").startswith("ID")}
    assert taking - set(KINDS) <= {"run"}
    assert {"model", "cid", "conversation_id"} <= taking


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_says_first_how_to_install_it(run, shell):
    script = run("completion", shell)
    assert script.code == 0
    assert script.err == ""
    head = "\n".join(script.out.splitlines()[:7])
    assert f"neuralterm completion {shell}" in head


# Answers questions, and shows with what words it was called otherwise.
PROGRAM = f"""#!/bin/sh
if [ -n "$_NEURALTERM_COMPLETE" ] || [ "$1" = completion ]; then exec {sys.executable} -m neuralterm "$@"; fi
printf 'G%s' OT; printf '<%s>' "$@"; printf '.\\n'
"""
# A shell wants the terminal as its own.
IN_CONTROL = "import os, sys; os.login_tty(0); os.execvp(sys.argv[1], sys.argv[1:])"
# How each shell is started without the settings of whoever runs the tests, and loads the script.
SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "source <(neuralterm completion bash)"),
    "zsh": (["zsh", "-f", "-i"], "autoload -Uz compinit; compinit -u -D; source <(neuralterm completion zsh)"),
    "fish": (["fish", "--no-config", "-i"], "neuralterm completion fish | source"),
}


@pytest.fixture(params=SHELLS)
def shell(request, tmp_path, monkeypatch, filled):
    """A shell with completion loaded, in an empty folder."""
    command, loading = SHELLS[request.param]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{request.param} is not here")
    program = tmp_path / "bin" / "neuralterm"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    program.chmod(0o755)
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "some file.txt").touch()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("PS1", "> ")
    terminal = Terminal(command=[sys.executable, "-c", IN_CONTROL, *command])
    terminal.type(f"{loading}; echo rea''dy\r")
    terminal.expect("ready\n")
    yield terminal
    terminal.close()


def test_the_shell_inserts_words_as_they_are(shell):
    for typed, words in (
        ("mod\t sh\t open\t", "<models><show><openai/gpt-4o-mini>"),
        ("send --tag my\t", "<send><--tag><my tag>"),
        ("send --tag it\t", '<send><--tag><it\'s "quoted">'),
        ("send --tag a:\t", "<send><--tag><a:b>"),
        ("send -m deepseek/deepseek-r1:f\t", "<send><-m><deepseek/deepseek-r1:free>"),
        ("send --model=open\t", "<send><--model=openai/gpt-4o-mini>"),
        ("send -m evil\t", "<send><-m><evil/$(touch pwned);x>"),
        ("history show 0b\t", "<history><show><0b000000-0000-4000-8000-000000000002>"),
        ("send -f som\t", "<send><-f><some file.txt>"),
    ):
        shell.type(f"neuralterm {typed}\r")
        shell.expect(f"GOT{words}.")
    assert os.listdir() == ["some file.txt"]


@pytest.mark.parametrize("shell", ["bash"], indirect=True)
def test_bash_lists_words_with_what_they_are_and_inserts_them_without(shell):
    shell.type("neuralterm history show 0\t\t")
    shell.expect("0a000000-0000-4000-8000-000000000001  (first)")
    shell.type("a\t\r")
    shell.expect("GOT<history><show><0a000000-0000-4000-8000-000000000001>.")


def test_an_answer_imports_little(filled, monkeypatch):
    monkeypatch.setenv("_NEURALTERM_COMPLETE", "bash_complete")
    monkeypatch.setenv("_NEURALTERM_LINE", "neuralterm history show ")
    code = (
        "import atexit, sys; from neuralterm.__main__ import main; atexit.register(lambda: print(*sys.modules)); main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    words = done.stdout.split()
    assert set(CONVERSATIONS) <= set(words)
    assert set(words) & {
        "asyncio", "json", "logging", "neuralterm.config", "neuralterm.infrastructure.database", "pydantic", "shlex",
        "socket", "tabulate", "tomllib",
    } == set()  # fmt: skip
