"""The help of every command: options under headings, examples that can be run as they are, at any width."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from neuralterm.cli.help_page import examples_of, option_sections, path_of
from neuralterm.cli.help_texts import SECTIONS
from neuralterm.cli.root import cli
from neuralterm.container import Container

MANUAL = Path(__file__).resolve().parents[2] / "docs" / "man"
KNOWN_REQUEST = re.compile(r"\.(TH|SH|SS|TP|PP|EX|EE)( |$)")


def root_context(**settings):
    return click.Context(cli, info_name="neuralterm", **(cli.context_settings | settings))


def contexts(command=cli, context=None):
    """Yield the context of every command below one, and its own."""
    context = context or root_context()
    yield context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            if name != getattr(command, "default", None):
                inner = command.get_command(context, name)
                yield from contexts(inner, click.Context(inner, info_name=name, parent=context))


COMMANDS = {path_of(context): context for context in contexts()}
EVERY_COMMAND = pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path or "neuralterm")


def shown(path):
    """Return the command whose options the help of this path shows."""
    command = COMMANDS[path].command
    return command.commands[command.default] if hasattr(command, "default") else command


def examples():
    return [(path, line) for path, context in COMMANDS.items() for line in examples_of(shown(path))]


@EVERY_COMMAND
def test_help_ends_with_examples(path, run):
    lines = examples_of(shown(path))
    assert lines
    result = run(*path.split(), "--help")
    assert result.code == 0
    assert result.out.endswith("\n\nExamples:\n" + "".join(f"  {line}\n" for line in lines))


def test_the_default_subcommand_has_the_help_of_its_group(run):
    for group, default in (("models", "list"), ("history", "list"), ("cost", "report")):
        tail = run(group, "--help").out.partition("\nExamples:\n")[2]
        assert run(group, default, "--help").out.endswith(tail)


@pytest.mark.parametrize(("path", "line"), examples())
def test_examples_are_command_lines_that_there_are(path, line):
    calls = [part for part in re.split(r"\||<\(", line) if part.strip().startswith("neuralterm")]
    assert calls
    for call in calls:
        words = shlex.split(re.sub(r"(>>?|<) *\S+|\)", "", call))[1:]
        context = cli.make_context("neuralterm", list(words), obj=Container())
        while isinstance(context.command, click.Group):
            name, command, rest = context.command.resolve_command(context, [*context._protected_args, *context.args])
            context = command.make_context(name, rest, parent=context)
        assert path_of(context).startswith(path)


def test_every_text_belongs_to_a_command():
    assert set(SECTIONS) <= set(COMMANDS)
    for path, sections in SECTIONS.items():
        known = {parameter.name for each in ("send", path) for parameter in shown(each).params}
        assert set().union(*sections.values()) <= known


@EVERY_COMMAND
def test_options_that_may_be_repeated_say_so_and_no_value_has_the_name_of_a_type(path):
    command = shown(path)
    records = [record for _, section in option_sections(command, COMMANDS[path]) for record in section]
    repeatable = [each for each in command.params if isinstance(each, click.Option) and each.multiple]
    assert len([text for _, text in records if text.endswith("[repeatable]")]) == len(repeatable)
    assert [name for name, _ in records if "RANGE" in name or "INTEGER" in name or "FLOAT" in name] == []


@EVERY_COMMAND
def test_subcommands_are_listed_with_a_whole_sentence(path, run):
    text = run(*path.split(), "--help").out.partition("\nSubcommands:\n")[2].partition("\nExamples:\n")[0]
    names = [each.split()[-1] for each in COMMANDS if each.rpartition(" ")[0] == path and path]
    assert sorted(re.findall(r"(?m)^  (\S+)", text)) == names
    assert "..." not in text


def test_more_tokens_than_any_model_writes_are_a_slip(run):
    result = run("send", "--max-tokens", "1000000001", "hi")
    assert (result.code, "more tokens than any model writes" in result.err) == (2, True)


@EVERY_COMMAND
def test_every_option_is_listed_once(path):
    command = shown(path)
    listed = [name for _, records in option_sections(command, COMMANDS[path]) for name, _ in records]
    options = [
        each for each in command.get_params(COMMANDS[path]) if isinstance(each, click.Option) and not each.hidden
    ]
    assert len(listed) == len(set(listed)) == len(options)


@pytest.mark.parametrize("path", ["send", "chat"])
def test_the_options_of_a_prompt_are_all_under_headings(path):
    sections = dict(option_sections(shown(path), COMMANDS[path]))
    assert [name for name, _ in sections.pop("Options")] == ["-h, --help"]
    assert list(sections) == [heading for heading in SECTIONS[path] if heading in sections]
    assert {"Conversation", "Model and answer", "Output", "Money", "Network"} <= set(sections)


@pytest.mark.parametrize("columns", [38, 50, 80, 300])
@EVERY_COMMAND
def test_help_keeps_to_the_width(path, columns):
    root = root_context(terminal_width=columns)
    (context,) = [each for each in contexts(context=root) if path_of(each) == path]
    text = context.command.get_help(context).partition("\nExamples:\n")[0]
    # A long name of an option has a line for itself.
    assert [line for line in text.splitlines() if len(line) > columns and not line.startswith("  -")] == []


def test_there_is_a_manual_page_for_every_command_and_roff_can_read_it():
    pages = {path.stem: path for path in MANUAL.glob("*.1")}
    assert set(pages) == {"neuralterm", *(f"neuralterm-{name}" for name in cli.list_commands(None))}
    for path in COMMANDS:
        name = "-".join(["neuralterm", *path.split()[:1]])
        lines, page = examples_of(shown(path)), pages[name].read_text(encoding="utf-8")
        assert [line for line in lines if roff_of(line) not in page] == []
    for path in pages.values():
        lines = path.read_text(encoding="utf-8").splitlines()
        assert [line for line in lines if line.startswith((".", "'")) and not KNOWN_REQUEST.match(line)] == []
    assert pages["neuralterm"].read_text(encoding="utf-8").count("\\fBNEURALTERM_") > 10
    for name in ("neuralterm", "neuralterm-send", "neuralterm-chat"):
        assert ".SH EXIT STATUS" in pages[name].read_text(encoding="utf-8")
    if shutil.which("groff"):
        done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", *pages.values()], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


def roff_of(line):
    return line.replace("\\", "\\e").replace("-", "\\-")
