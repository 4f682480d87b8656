"""`neuralterm history`: everything said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from neuralterm.cli.options import (
    DecimalType,
    DefaultGroup,
    MomentType,
    TextType,
    WholeRange,
    json_option,
    not_empty,
    pass_container,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from neuralterm.container import Container

_limit = click.option("-n", "limit", type=WholeRange(1), default=20, show_default=True, metavar="N", help="At most N.")
_tag = click.option(
    "--tag", type=TextType(), metavar="TAG", callback=not_empty, help="Only conversations with this tag."
)
_model = click.option(
    "--model",
    metavar="PATTERN",
    callback=not_empty,
    help="Only what is of these models: 'openai/*', '*gpt*'.",
)

_changed_since = click.option(
    "--since", type=MomentType(), metavar="WHEN", help="Changed since then: 2026-11-23, 24h, 7d, ..."
)
_changed_until = click.option(
    "--until", type=MomentType(is_end=True), metavar="WHEN", help="Changed before then; a date is taken in."
)


def choice_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose conversations."""
    for option in (_model, _tag, _changed_until, _changed_since):
        function = option(function)
    return function


@click.group(cls=DefaultGroup, default="list")
@click.pass_context
def command(context: click.Context) -> None:
    """Read, search, export, back up, fork and delete what was said."""
    if context.invoked_subcommand != "path":
        context.obj.recover()
        context.obj.empty_expired_trash()


@command.command("list")
@_limit
@choice_options
@click.option("--min-cost", type=DecimalType(), metavar="USD", help="Only those known to have cost so much, or more.")
@click.option("--partial", is_flag=True, help="Only those whose last answer is unfinished.")
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
    from neuralterm.cli.misspelt import warn_of_misspelt
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
        is_filtered = partial or any(given.values())
        console.note("no such conversations" if is_filtered else "no conversations")
        warn_of_misspelt(container, given["model"])
    elif len(found) > limit:
        console.note("not all shown: -n N shows more")


@command.command("show")
@click.argument("conversation_id", metavar="[ID]", required=False)
@click.option("--raw", is_flag=True, help="Show the text as it was written, also on a terminal.")
@json_option
@pass_container
def show(container: Container, /, conversation_id: str | None, raw: bool, as_json: bool) -> None:
    """Show a whole conversation; without ID the one that was changed last.

    \b
    neuralterm history show
    neuralterm history show 3f2a
    neuralterm history show --json 3f2a | jq -r '.messages[-1].content'
    """
    from neuralterm.application.history import last_conversation, transcripts
    from neuralterm.components import history_view, machine
    from neuralterm.domain.exceptions import NotFoundError

    if conversation_id is None:
        last = last_conversation(container.repository)
        if last is None:
            raise NotFoundError("there is no conversation to show")
        conversation_id = str(last.id)
    (transcript,) = transcripts(container.repository, [conversation_id])
    console = container.console
    if as_json:
        console.print(machine.dumps(history_view.transcript_document(transcript)))
    elif raw or not console.renders:
        console.print(history_view.transcript_text(transcript, width=console.stdout_width))
    else:
        console.print_messages(*history_view.transcript_parts(transcript, width=console.stdout_width))


@command.command("search")
@click.argument("words", nargs=-1, type=TextType(), required=True, metavar="QUERY...")
@_limit
@click.option("--since", type=MomentType(), metavar="WHEN", help="Said since then: 2026-11-23, 24h, 7d, ...")
@click.option("--until", type=MomentType(is_end=True), metavar="WHEN", help="Said before then; a date is taken in.")
@_tag
@_model
@json_option
@pass_container
def search_messages(container: Container, /, words: tuple[str, ...], limit: int, as_json: bool, **given: Any) -> None:
    """Find messages that hold every word of QUERY, newest first.

    \b
    neuralterm history search sky blue
    """
    from neuralterm.application.search import SearchFilter, search
    from neuralterm.cli.indexing import index_for

    query = " ".join(words)
    with container.console.busy("searching"):
        found = search(container.repository, query, limit + 1, SearchFilter(**given))
    shown, console = found[:limit], container.console
    if as_json:
        from neuralterm.components import history_view, machine

        console.print(machine.dumps(history_view.hits_document(shown)))
    elif shown:
        from neuralterm.components.history_hits import hits_text

        text, matches = hits_text(shown, width=console.stdout_width, now=container.clock.now())
        console.print(text, bold=matches)
    if not found:
        from neuralterm.cli.misspelt import warn_of_misspelt

        console.note("nothing found")
        warn_of_misspelt(container, given["model"])
    elif len(found) > limit:
        console.note("not all shown: -n N shows more")
    index_for(container, query)


command.add_by_need("export", "history_files:export")
for name in ("fork", "rename", "tag", "delete", "restore", "purge"):
    command.add_by_need(name, f"history_editing:{name}")
command.add_by_need("import", "history_import:import_command")
command.add_by_need("backup", "history_files:backup")
command.add_by_need("path", "history_files:path")
