"""`neuralterm history export|backup|path`: what was said, as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from neuralterm.cli.command import Command
from neuralterm.cli.options import pass_container
from neuralterm.components.export_formats import EXPORT_FORMATS, format_of

if TYPE_CHECKING:
    from neuralterm.container import Container

_STDOUT = Path("-")


@click.command("export", cls=Command)
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option(
    "--format", "format_", type=click.Choice(EXPORT_FORMATS), help="What to write; by default what FILE ends in, or md."
)
@click.option(
    "-O",
    "--output",
    type=click.Path(path_type=Path),
    default=_STDOUT,
    metavar="FILE",
    help="Write to FILE, not to stdout.",
)
@click.option("--force", is_flag=True, help="Overwrite FILE if it is there.")
@pass_container
def export(container: Container, /, ids: tuple[str, ...], format_: str | None, output: Path, force: bool) -> None:
    """Write out whole conversations, as text or for programs.

    As Markdown, one JSON document, JSON lines (one conversation each), or a page of HTML.

    \b
    neuralterm history export 3f2a -O talk.html
    neuralterm history export --format jsonl 3f2a 77b0 > talks.jsonl
    """
    from neuralterm.application.history import transcripts
    from neuralterm.components.history_export import exported

    text = exported(transcripts(container.repository, ids), format_ or format_of(output) or "md")
    if output == _STDOUT:
        container.console.print(text)
    else:
        from neuralterm.cli.writing import write_file

        write_file(output, text + "\n", overwrite=force)
        container.console.note(f"written to {output}")


@click.command("backup", cls=Command)
@click.argument("target", metavar="PATH", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite PATH if it is there.")
@pass_container
def backup(container: Container, /, target: Path, force: bool) -> None:
    """Copy the database as it is now to the file PATH, while others go on using it.

    To restore a backup, end every neuralterm and put it in the place that `neuralterm history path` names, without the files
    that end in -wal and -shm beside it.

    \b
    neuralterm history backup neuralterm-backup.db
    """
    from neuralterm.components.progress import Progress
    from neuralterm.components.tables import grouped
    from neuralterm.domain.exceptions import ValidationError
    from neuralterm.domain.text import numbered

    if str(target) == "-":
        raise ValidationError("a backup can't be written to stdout", hint="name a file")
    console = container.console
    progress = Progress("copied", console.note, container.clock.monotonic)
    report = container.back_up(target, overwrite=force, on_progress=progress)
    counts = f"{numbered(report.conversations, 'conversation')}, {numbered(report.calls, 'call')}"
    console.note(f"written to {target}: {grouped(report.size)} bytes, {counts}")


@click.command("path", cls=Command)
@pass_container
def path(container: Container, /) -> None:
    """Print where the database is.

    \b
    neuralterm history path
    """
    container.console.print(str(container.settings.database))
