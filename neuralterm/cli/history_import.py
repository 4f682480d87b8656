"""`neuralterm history import`: what was said through other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from neuralterm.cli.command import Command
from neuralterm.cli.options import pass_container

if TYPE_CHECKING:
    from neuralterm.container import Container

_USUAL_PLACE = ""


@click.command("import", cls=Command)
@click.option(
    "--from-llm",
    "llm",
    is_flag=False,
    flag_value=_USUAL_PLACE,
    metavar="[PATH]",
    help="The log of the program llm; without PATH where that keeps it.",
)
@click.option("--dry-run", is_flag=True, help="Import nothing, and say what would be.")
@pass_container
def import_command(container: Container, /, llm: str | None, dry_run: bool) -> None:
    """Take in conversations of another program; what is there already is not doubled.

    \b
    neuralterm history import --from-llm "$(llm logs path)"

    The file is only read. The conversations get the tag imported:llm. Nothing of them counts as money that was spent here.
    Attachments are named in the text, their contents are not taken in.
    """
    from pathlib import Path

    from neuralterm.application.importing import import_history
    from neuralterm.components.progress import Progress
    from neuralterm.domain.text import numbered
    from neuralterm.setting_foreign import llm_logs_path

    if llm is None:
        raise click.UsageError("Say what to import: --from-llm PATH.")
    console = container.console
    history = container.llm_logs(llm_logs_path() if llm == _USUAL_PLACE else Path(llm))
    progress = Progress("looked at" if dry_run else "imported", console.note, container.clock.monotonic)
    report = import_history(
        container.kept_conversations, history, now=container.clock.now(), dry_run=dry_run, on_progress=progress
    )
    counts = f"{numbered(report.conversations, 'conversation')}, {numbered(report.messages, 'message')}"
    done = "would be imported" if dry_run else "imported"
    console.note(f"{counts} {done}, {report.already:,} already there")
    if report.attachments:
        console.note(f"attachments come by name only, without their contents: {report.attachments:,}")
