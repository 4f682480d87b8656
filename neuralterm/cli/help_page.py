"""How the help of a command looks: its options under headings, and examples last."""

from __future__ import annotations

from inspect import cleandoc

import click

from neuralterm.cli.help_texts import SECTIONS

_REST = "Options"
# Columns. The text of a longer name begins on the next line; where there is little room, more names have a line of their own.
_WIDEST_NAME, _WIDEST_NARROW_NAME = 30, 10
_NARROW = 60


def path_of(context: click.Context) -> str:
    """Return the words after the program's name; a default subcommand goes by its group's."""
    while context.parent is not None and getattr(context.parent.command, "default", None) == context.info_name:
        context = context.parent
    return context.command_path.partition(" ")[2]


def option_sections(command: click.Command, context: click.Context) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the options, each with what help says of it, under their headings; empty sections are left out."""
    headings = {name: heading for heading, names in SECTIONS.get(path_of(context), {}).items() for name in names}
    found: dict[str, list[tuple[str, str]]] = {heading: [] for heading in (*headings.values(), _REST)}
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and isinstance(parameter, click.Option):
            name, text = record
            again = "  [repeatable]" if parameter.multiple else ""
            found[headings.get(parameter.name or "", _REST)].append((name, text + again))
    return [(heading, records) for heading, records in found.items() if records]


def description_of(command: click.Command) -> str:
    """Return what a command says of itself, without its examples."""
    return "\n\n".join(part for part in _parts(command) if not _is_example(part))


def examples_of(command: click.Command) -> list[str]:
    """Return the command lines among a command's words that show what it is for."""
    return [line for part in _parts(command) if _is_example(part) for line in part.splitlines()[1:]]


def first_sentence(command: click.Command) -> str:
    """Return whole what a command says of itself in its first sentence; Click would cut it."""
    return " ".join(_parts(command)[0].split()).partition(". ")[0].rstrip(".") + "."


def write_description(command: click.Command, formatter: click.HelpFormatter) -> None:
    """Write what a command says of itself."""
    formatter.write_paragraph()
    with formatter.indentation():
        formatter.write_text(description_of(command))


def write_options(command: click.Command, context: click.Context, formatter: click.HelpFormatter) -> None:
    """Write the options, in columns that go through all sections."""
    sections = option_sections(command, context)
    names = [name for _, records in sections for name, _ in records]
    widest = _WIDEST_NAME if formatter.width >= _NARROW else _WIDEST_NARROW_NAME
    column = min(max(map(len, names), default=0), widest)
    for heading, records in sections:
        with formatter.section(heading):
            formatter.write_dl([(name.ljust(column), text) for name, text in records], col_max=widest)


def write_examples(command: click.Command, formatter: click.HelpFormatter) -> None:
    """Write the examples as they are: a line that is broken could not be copied."""
    lines = examples_of(command)
    if lines:
        with formatter.section("Examples"):
            for line in lines:
                formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


def _parts(command: click.Command) -> list[str]:
    return cleandoc(command.help or "").split("\n\n")


def _is_example(part: str) -> bool:
    """Say whether a paragraph is command lines, which are marked as what is not to be wrapped."""
    return part.startswith("\b\n") and "neuralterm " in part
