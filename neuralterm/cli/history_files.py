"""`neuralterm history export|backup|path`: what was said, as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neuralterm.cli.command import Command
from neuralterm.cli.commands.history import choice_options
from neuralterm.cli.options import pass_container
from neuralterm.components.export_formats import EXPORT_FORMATS, format_of

if TYPE_CHECKING:
    from neuralterm.container import Container
    from neuralterm.domain.models import Conversation

_STDOUT = Path("-")


@click.command("export", cls=Command)
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="Export all conversations.")
@choice_options
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
def export(
    container: Container, /, ids: tuple[str, ...], format_: str | None, output: Path, force: bool, **choice: Any
) -> None:
    """Write out whole conversations, as text or for programs.

    Those that are named by their IDs, or all that are chosen, the last changed one last. As Markdown, one JSON document,
    JSON lines (one conversation each), or a page of HTML.

    \b
    neuralterm history export 3f2a -O talk.html
    neuralterm history export --format jsonl 3f2a 77b0 > talks.jsonl
    neuralterm history export --since 7d --tag ci -O week.jsonl
    """
    from neuralterm.application.history import transcripts_of
    from neuralterm.components.history_export import exported

    found = _chosen(container, ids, **choice)
    wanted = format_ or format_of(output) or "md"
    if not found:
        from neuralterm.cli.misspelt import warn_of_misspelt

        container.console.note("no conversations" if choice["everything"] else "no such conversations")
        warn_of_misspelt(container, choice["model"])
        if wanted != "json":
            return
    parts = exported(transcripts_of(container.repository, found), wanted)
    if output == _STDOUT:
        for part in parts:
            container.console.print(part)
    else:
        from neuralterm.cli.writing import write_file

        write_file(output, (f"{part}\n" for part in parts), overwrite=force)
        container.console.note(f"written to {output}")


def _chosen(container: Container, ids: tuple[str, ...], *, everything: bool, **choice: Any) -> list[Conversation]:
    from neuralterm.application.history import resolve_all
    from neuralterm.application.records import HistoryFilter

    given = [f"--{name}" for name, value in {"all": everything, **choice}.items() if value]
    if ids and given:
        raise click.UsageError(f"IDs and {given[0]} exclude each other.")
    if ids:
        return resolve_all(container.repository, ids)
    if not given:
        raise click.UsageError(
            "No conversations are named; give their IDs, choose by --since, --tag, ..., or say --all."
        )
    summaries = container.repository.summaries(HistoryFilter(limit=None, **choice))
    return [summary.conversation for summary in reversed(summaries)]


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
    container.console.print(container.settings.database)
