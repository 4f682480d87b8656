"""`neuralterm history`: everything said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from neuralterm.cli.history_editing import delete, fork, purge, rename, restore, tag
from neuralterm.cli.history_files import backup, export, path
from neuralterm.cli.history_import import import_command
from neuralterm.cli.options import (
    DecimalType,
    DefaultGroup,
    EndType,
    MomentType,
    TextType,
    WholeRange,
    json_option,
    pass_container,
)

if TYPE_CHECKING:
    from neuralterm.container import Container

_limit = click.option("-n", "limit", type=WholeRange(1), default=20, show_default=True, metavar="N", help="At most N.")
_tag = click.option("--tag", type=TextType(), metavar="TAG", help="Only conversations with this tag.")
_model = click.option("--model", metavar="PATTERN", help="Only what is of these models: openai/*.")


@click.group(cls=DefaultGroup, default="list")
@click.pass_context
def command(context: click.Context) -> None:
    """Read, search, export, back up, fork and delete what was said."""
    if context.invoked_subcommand != path.name:
        context.obj.recover()
        context.obj.empty_expired_trash()


@command.command("list")
@_limit
@click.option("--since", type=MomentType(), metavar="WHEN", help="Changed since then: 2026-11-23, 24h, 7d, ...")
@click.option("--until", type=EndType(), metavar="WHEN", help="Changed before then; a date is taken in.")
@_tag
@_model
@click.option("--min-cost", type=DecimalType(), metavar="USD", help="Only those that cost so much, or more.")
@click.option("--partial", is_flag=True, help="Only those with an unfinished answer.")
@click.option("--deleted", is_flag=True, help="Those in the trash; `restore` takes them out.")
@json_option
@pass_container
def list_conversations(container: Container, /, limit: int, partial: bool, as_json: bool, **given: Any) -> None:
    """List conversations, last changed first.

    ID in the other commands is an id or the beginning of one.

    \b
    neuralterm history -n 5
    neuralterm history --since 7d --tag ci --json
    neuralterm history show 3f2a
    """
    from neuralterm.application.records import HistoryFilter
    from neuralterm.components import history_view, machine
    from neuralterm.components.history_table import list_table

    # One more than asked for tells whether there are more.
    wanted = HistoryFilter(limit=limit + 1, partial_only=partial, **given)
    found = container.repository.summaries(wanted)
    shown, console = found[:limit], container.console
    if as_json:
        console.print(machine.dumps(history_view.list_document(shown)))
    elif shown:
        console.print(list_table(shown, width=console.stdout_width, now=container.clock.now()))
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
    """Show a whole conversation.

    \b
    neuralterm history show 3f2a
    neuralterm history show --json 3f2a | jq -r '.messages[-1].content'
    """
    from neuralterm.application.history import transcripts
    from neuralterm.components import history_view, machine

    (transcript,) = transcripts(container.repository, [conversation_id])
    console = container.console
    if as_json:
        console.print(machine.dumps(history_view.transcript_document(transcript)))
    elif raw or not console.renders:
        console.print(history_view.transcript_text(transcript, with_numbers=console.stdout_is_terminal))
    else:
        console.print_messages(*history_view.transcript_parts(transcript, with_numbers=True))


@command.command("search")
@click.argument("words", nargs=-1, type=TextType(), required=True, metavar="QUERY...")
@_limit
@click.option("--since", type=MomentType(), metavar="WHEN", help="Said since then: 2026-11-23, 24h, 7d, ...")
@click.option("--until", type=EndType(), metavar="WHEN", help="Said before then; a date is taken in.")
@_tag
@_model
@json_option
@pass_container
def search_messages(container: Container, /, words: tuple[str, ...], limit: int, as_json: bool, **given: Any) -> None:
    """Find messages that hold every word of QUERY, newest first.

    \b
    neuralterm history search sky blue
    """
    from neuralterm.application.history import search
    from neuralterm.application.records import SearchFilter
    from neuralterm.cli.indexing import index_for
    from neuralterm.components import history_view, machine

    query = " ".join(words)
    with container.console.busy("searching"):
        found = search(container.repository, query, limit + 1, SearchFilter(**given))
    shown, console = found[:limit], container.console
    if as_json:
        console.print(machine.dumps(history_view.hits_document(shown)))
    elif shown:
        text, matches = history_view.hits_text(shown)
        console.print(text, bold=matches)
    if not found:
        console.note("nothing found")
    elif len(found) > limit:
        console.note("not all shown: -n N shows more")
    index_for(container, query)


for subcommand in (export, fork, rename, tag, delete, restore, purge, import_command, backup, path):
    command.add_command(subcommand)
