"""`neuralterm history`: everything said."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neuralterm.cli.options import DefaultGroup, MomentType, json_option, pass_container

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neuralterm.container import Container
    from neuralterm.domain.models import Conversation

FORMATS = ("md", "json", "jsonl")


@click.group(cls=DefaultGroup, default="list")
@click.pass_context
def command(context: click.Context) -> None:
    """Read, search, export, back up and delete what was said."""
    if context.invoked_subcommand != path.name:
        context.obj.recover()


@command.command("list")
@click.option("-n", "limit", type=click.IntRange(1), default=20, show_default=True, metavar="N", help="At most N.")
@click.option("--since", type=MomentType(), metavar="WHEN", help="Changed since then: 2026-11-23, 24h, 7d, ...")
@click.option("--tag", metavar="TAG", help="Only conversations with this tag.")
@click.option("--partial", is_flag=True, help="Only those with an unfinished answer.")
@json_option
@pass_container
def list_conversations(container: Container, /, limit: int, partial: bool, as_json: bool, **given: Any) -> None:
    """List conversations, last changed first.

    ID in the other commands is an id or the beginning of one.
    """
    from neuralterm.application.records import HistoryFilter
    from neuralterm.components import history_view, machine

    # One more than asked for tells whether there are more.
    wanted = HistoryFilter(limit=limit + 1, partial_only=partial, **given)
    found = container.repository.summaries(wanted)
    shown, console = found[:limit], container.console
    if as_json:
        console.print(machine.dumps(history_view.list_document(shown)))
    elif shown:
        console.print(history_view.list_table(shown, width=console.stdout_width, now=container.clock.now()))
    if not found:
        console.note("no conversations")
    elif len(found) > limit:
        console.note("not all shown: -n N shows more")


@command.command("show")
@click.argument("conversation_id", metavar="ID")
@click.option("--raw", is_flag=True, help="Show the text as it was written, also on a terminal.")
@json_option
@pass_container
def show(container: Container, /, conversation_id: str, raw: bool, as_json: bool) -> None:
    """Show a whole conversation."""
    from neuralterm.application.history import transcripts
    from neuralterm.components import history_view, machine

    (transcript,) = transcripts(container.repository, [conversation_id])
    if as_json:
        container.console.print(machine.dumps(history_view.transcript_document(transcript)))
    elif raw or not container.console.renders:
        container.console.print(history_view.transcript_text(transcript))
    else:
        container.console.print_messages(*history_view.transcript_parts(transcript))


@command.command("search")
@click.argument("words", nargs=-1, required=True, metavar="QUERY...")
@click.option("-n", "limit", type=click.IntRange(1), default=20, show_default=True, metavar="N", help="At most N.")
@json_option
@pass_container
def search_messages(container: Container, /, words: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Find messages that hold every word of QUERY, newest first."""
    from neuralterm.application.history import search
    from neuralterm.components import history_view, machine

    found = search(container.repository, " ".join(words), limit + 1)
    shown, console = found[:limit], container.console
    if as_json:
        console.print(machine.dumps(history_view.hits_document(shown)))
    elif shown:
        console.print(history_view.hits_text(shown))
    if not found:
        console.note("nothing found")
    elif len(found) > limit:
        console.note("not all shown: -n N shows more")


@command.command("export")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--format", "format_", type=click.Choice(FORMATS), default="md", show_default=True, help="What to write.")
@click.option("-O", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write to FILE, not to stdout.")
@click.option("--force", is_flag=True, help="Overwrite FILE if it is there.")
@pass_container
def export(container: Container, /, ids: tuple[str, ...], format_: str, output: Path | None, force: bool) -> None:
    """Write out whole conversations: Markdown, one JSON document, or JSON lines (one conversation each)."""
    from neuralterm.application.history import transcripts
    from neuralterm.components import history_view

    text = history_view.exported(transcripts(container.repository, ids), format_)
    if output is None:
        container.console.print(text)
    else:
        _write_file(output, text + "\n", overwrite=force)
        container.console.note(f"written to {output}")


@command.command("delete")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@pass_container
def delete(container: Container, /, ids: tuple[str, ...], yes: bool) -> None:
    """Delete conversations for good; what they cost stays in the ledger. Asks first."""
    from neuralterm.application.history import delete_conversations, resolve_all
    from neuralterm.domain.text import numbered

    found = resolve_all(container.repository, ids)
    if not yes and not _confirmed(container, found):
        container.console.note("nothing deleted")
        return
    count = delete_conversations(container.repository, [conversation.id for conversation in found])
    container.console.note(f"{numbered(count, 'conversation')} deleted")


@command.command("backup")
@click.argument("target", metavar="PATH", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite PATH if it is there.")
@pass_container
def backup(container: Container, /, target: Path, force: bool) -> None:
    """Copy the database to the file PATH as it is now, while others may go on using it.

    To restore a backup, end every neuralterm and put it in the place that `neuralterm history path` names, without the files
    that end in -wal and -shm beside it.
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


@command.command("path")
@pass_container
def path(container: Container, /) -> None:
    """Print where the database is."""
    container.console.print(str(container.settings.database))


def _confirmed(container: Container, conversations: Sequence[Conversation]) -> bool:
    from neuralterm.domain.exceptions import ValidationError

    if not sys.stdin.isatty():
        raise ValidationError("there is nobody to ask: stdin is not a terminal", hint="--yes deletes without asking")
    lines = [f"{conversation.id}  {conversation.title or 'Untitled'}" for conversation in conversations]
    return container.console.confirm("Delete for good?", lines)


def _write_file(path: Path, text: str, *, overwrite: bool) -> None:
    from neuralterm.domain.exceptions import ValidationError

    try:
        # "backslashreplace": half a surrogate pair, as some models send, must not cost the whole export.
        with open(
            path,
            "w" if overwrite else "x",
            encoding="utf-8",
            errors="backslashreplace",
            newline="\n",
            opener=lambda name, flags: os.open(name, flags, 0o600),
        ) as file:
            file.write(text)
    except FileExistsError as exc:
        raise ValidationError(f"{path} exists already", "FILE_EXISTS", hint="--force overwrites it") from exc
    except OSError as exc:
        raise ValidationError(f"{path} can't be written: {exc.strerror}") from exc
