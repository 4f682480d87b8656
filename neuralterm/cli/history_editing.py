"""`neuralterm history fork|rename|tag|delete|restore|purge`: second thoughts about what was said."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from neuralterm.cli.command import Command
from neuralterm.cli.options import WholeRange, pass_container

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neuralterm.container import Container
    from neuralterm.domain.models import Conversation


# More conversations than this are only counted in a question.
_MOST_NAMED = 20


@click.command("fork", cls=Command)
@click.argument("conversation_id", metavar="ID")
@click.option("--at", type=WholeRange(1), metavar="N", help="Only up to message N; `show` numbers them on a terminal.")
@click.option("--title", metavar="TEXT", help="The title of the fork.")
@pass_container
def fork(container: Container, /, conversation_id: str, at: int | None, title: str | None) -> None:
    """Begin a conversation with a copy of another, and print its id.

    What the copied answers cost stays with the conversation that paid for it.

    \b
    neuralterm history fork 3f2a
    neuralterm history fork 3f2a --at 4 --title "the other way"
    """
    from neuralterm.application.editing import fork_conversation
    from neuralterm.application.history import resolve_conversation
    from neuralterm.cli.stdin import argument_text

    repository = container.kept_conversations
    original = resolve_conversation(repository, conversation_id)
    title = title and argument_text(title)
    made = fork_conversation(repository, original.id, at, title=title, now=container.clock.now())
    container.console.print(str(made.id))


@click.command("rename", cls=Command)
@click.argument("conversation_id", metavar="ID")
@click.argument("title", nargs=-1, required=True, metavar="TITLE...")
@pass_container
def rename(container: Container, /, conversation_id: str, title: tuple[str, ...]) -> None:
    """Give a conversation another title.

    \b
    neuralterm history rename 3f2a "Why the sky is blue"
    """
    from neuralterm.application.editing import rename_conversation
    from neuralterm.application.history import resolve_conversation
    from neuralterm.cli.stdin import argument_text

    repository = container.kept_conversations
    found = resolve_conversation(repository, conversation_id)
    rename_conversation(repository, found.id, argument_text(" ".join(title)))
    container.console.note("renamed")


@click.command("tag", cls=Command)
@click.argument("conversation_id", metavar="ID")
@click.argument("tags", nargs=-1, metavar="[TAG]...")
@click.option("--remove", "unwanted", multiple=True, metavar="TAG", help="Take this tag away.")
@pass_container
def tag(container: Container, /, conversation_id: str, tags: tuple[str, ...], unwanted: tuple[str, ...]) -> None:
    """Add tags to a conversation or take some away, and print those it has then.

    `cost --by tag` goes on counting calls under the tags that they were made with.

    \b
    neuralterm history tag 3f2a physics
    neuralterm history tag 3f2a --remove draft
    """
    from neuralterm.application.editing import add_tags, remove_tags
    from neuralterm.application.history import resolve_conversation
    from neuralterm.cli.stdin import argument_text
    from neuralterm.setting_values import checked_tag

    added, taken = ([checked_tag(argument_text(each)) for each in given] for given in (tags, unwanted))
    repository = container.kept_conversations
    found = resolve_conversation(repository, conversation_id)
    with repository.transaction():
        kept = add_tags(repository, found.id, added) if added else found.tags
        kept = remove_tags(repository, found.id, taken) if taken else kept
    if kept:
        container.console.print("\n".join(kept))
    else:
        container.console.note("no tags")


@click.command("delete", cls=Command)
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--purge", "for_good", is_flag=True, help="For good, also what is in the trash.")
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@pass_container
def delete(container: Container, /, ids: tuple[str, ...], for_good: bool, yes: bool) -> None:
    """Put conversations into the trash; after 30 days there they are deleted for good. Asks first.

    What they cost stays in the ledger.

    \b
    neuralterm history delete 3f2a
    neuralterm history delete --yes 3f2a 77b0
    """
    from neuralterm.application.history import delete_conversations, resolve_all, resolve_anywhere
    from neuralterm.application.trash import KEPT_FOR, move_to_trash
    from neuralterm.domain.text import numbered

    repository, console = container.repository, container.console
    found = resolve_anywhere(repository, ids) if for_good else resolve_all(repository, ids)
    question = "Delete for good?" if for_good else "Put into the trash?"
    if not yes and not _confirmed(container, question, found):
        console.note("nothing deleted")
        return
    chosen = [conversation.id for conversation in found]
    if for_good:
        with console.busy("deleting"):
            count = delete_conversations(repository, chosen)
        console.note(f"{numbered(count, 'conversation')} deleted for good")
        return
    count = move_to_trash(repository, chosen, container.clock.now())
    console.note(
        f"{numbered(count, 'conversation')} deleted; `history restore` brings back what was deleted"
        f" in the last {KEPT_FOR.days} days"
    )


@click.command("restore", cls=Command)
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@pass_container
def restore(container: Container, /, ids: tuple[str, ...]) -> None:
    """Take conversations out of the trash.

    `history list --deleted` shows what is there.

    \b
    neuralterm history restore 3f2a
    """
    from neuralterm.application.history import resolve_all
    from neuralterm.application.trash import take_out
    from neuralterm.domain.text import numbered

    found = resolve_all(container.repository, ids, deleted=True)
    count = take_out(container.repository, [conversation.id for conversation in found])
    container.console.note(f"{numbered(count, 'conversation')} restored")


@click.command("purge", cls=Command)
@click.option("-y", "--yes", is_flag=True, help="Don't ask.")
@pass_container
def purge(container: Container, /, yes: bool) -> None:
    """Delete for good all that is in the trash. Asks first.

    \b
    neuralterm history purge --yes
    """
    from neuralterm.application.history import delete_conversations
    from neuralterm.application.records import HistoryFilter
    from neuralterm.domain.text import numbered

    repository, console = container.repository, container.console
    found = [each.conversation for each in repository.summaries(HistoryFilter(limit=None, deleted=True))]
    if not found:
        console.note("the trash is empty")
    elif yes or _confirmed(container, "Delete for good?", found):
        with console.busy("deleting"):
            count = delete_conversations(repository, [conversation.id for conversation in found])
        console.note(f"{numbered(count, 'conversation')} deleted for good")
    else:
        console.note("nothing deleted")


def _confirmed(container: Container, question: str, conversations: Sequence[Conversation]) -> bool:
    from neuralterm.domain.exceptions import ValidationError

    if not sys.stdin.isatty():
        raise ValidationError("there is nobody to ask: stdin is not a terminal", hint="--yes deletes without asking")
    lines = [f"{each.id}  {each.title or 'Untitled'}" for each in conversations[:_MOST_NAMED]]
    if others := len(conversations) - len(lines):
        lines.append(f"... and {others:,} more")
    return container.console.confirm(question, lines)
