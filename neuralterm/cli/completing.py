"""Answers a shell that asks how a command line may go on. Whatever goes wrong, it is told nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem, ShellComplete, _resolve_context, _resolve_incomplete

from neuralterm.cli.options import DefaultGroup
from neuralterm.components.foreign_text import unbroken, visible
from neuralterm.domain.record import record

if TYPE_CHECKING:
    from neuralterm.container import Container

# What completes the value of a parameter, by the parameter's name: "file" is left to the shell.
KINDS = {
    "attachments": "file",
    "cid": "conversations",
    "config": "file",
    "conversation_id": "conversations",
    "fallbacks": "models",
    "files": "file",
    "ids": "conversations",
    "llm": "file",
    "model": "models",
    "model_id": "models",
    "model_ids": "models",
    "name": "budgets",
    "page": "file",
    "resume": "conversations",
    "schema": "file",
    "tag": "tags",
    "tags": "tags",
    "template": "templates",
    "unwanted": "tags",
}
_LONGEST_DESCRIPTION = 70
# What a shell would take for something else than a part of a word.
_SPECIAL = frozenset("\\\"'`$&|;<>()[]{}*?!#~^ \t")


@record
class Words:
    """A command line up to the cursor: the words before the last one, the last one without its quotes, and about that one
    which quote is open, and where the part of it begins that the shell replaces."""

    before: list[str]
    last: str
    quote: str
    replaced_from: int


def words_of(line: str, breaks: str = "") -> Words:
    """Split a line as shells do. At `breaks`, outside of quotes, the part begins that the shell replaces."""
    before: list[str] = []
    word, quote, is_word, replaced_from = "", "", False, 0
    characters = iter(line)
    for character in characters:
        if character == "\\" and quote != "'":
            following = next(characters, "")
            word += following if not quote or following in '\\"$`' else character + following
        elif character == quote:
            quote = ""
        elif quote:
            word += character
        elif character in "\"'":
            quote = character
        elif character.isspace():
            if is_word:
                before.append(word)
            word, is_word, replaced_from = "", False, 0
            continue
        else:
            word += character
            if character in breaks:
                replaced_from = len(word)
        is_word = True
    return Words(before, word, quote, replaced_from)


def answer(root: click.Group, container: Container, shell: str, line: str, breaks: str) -> str:
    """Return a line for each way to go on: its kind, the text, and a description, which may be empty."""
    words = words_of(line, "".join(each for each in ":=" if each in breaks) if shell == "bash" else "")
    completing = _Completing(root, {"obj": container}, "neuralterm", "_NEURALTERM_COMPLETE")
    items = completing.get_completions(words.before[1:], words.last)
    # An option and its value may be one word, of which items are the end.
    start = words.last[: len(words.last) - len(completing.incomplete)]
    lines = []
    for item in items:
        if item.type != "plain":
            lines.append(item.type)
        elif f"{item.value}".isprintable():
            text = start + item.value
            if shell == "bash":
                text = _quoted(text[words.replaced_from :], words.quote)
            lines.append(f"word\t{text}\t{_description(item.help)}")
    return "\n".join(lines)


class _Completing(ShellComplete):
    """As Click's, and with the words that only the database knows."""

    incomplete = ""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        context = _resolve_context(self.cli, self.ctx_args, self.prog_name, args)
        target, self.incomplete = _resolve_incomplete(context, args, incomplete)
        kind = KINDS.get(target.name or "") if isinstance(target, click.Parameter) else None
        if kind is None:
            return [*target.shell_complete(context, self.incomplete), *_subcommands(context, args, self.incomplete)]
        if kind == "conversations" and context.info_name == "restore":
            kind = "trash"
        is_path = kind == "templates" and "/" in self.incomplete
        if kind == "file" or is_path:
            return [CompletionItem(self.incomplete, type="file")]
        flags = context.find_root().params
        if kind == "templates":
            names = context.obj.template_names(flags.get("config"))
            return [CompletionItem(name) for name in names if name.startswith(self.incomplete)]
        is_sandbox = bool(flags.get("sandbox"))
        known = context.obj.completion_words(kind, self.incomplete, sandbox=is_sandbox)
        given = context.params.get(target.name or "")
        taken = given if isinstance(given, tuple) else ()
        return [CompletionItem(word, help=description) for word, description in known if word not in taken]


def _subcommands(context: click.Context, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
    """Return the subcommands that may stand here beside the words of the default one, which is the context's."""
    parent = context.parent
    if parent is None or not isinstance(parent.command, DefaultGroup) or args[-1:] != [parent.info_name]:
        return []
    group = parent.command
    return [
        CompletionItem(name, help=command.get_short_help_str(_LONGEST_DESCRIPTION))
        for name, command in group.commands.items()
        if name.startswith(incomplete) and name != group.default
    ]


def _description(text: str | None) -> str:
    shown = " ".join(visible(unbroken(text or "")).split())
    return shown if len(shown) <= _LONGEST_DESCRIPTION else shown[: _LONGEST_DESCRIPTION - 3] + "..."


def _quoted(text: str, quote: str) -> str:
    """Return the text as bash has to have it, which inserts it as it is: words of others must not become commands."""
    if quote == "'":
        return text.replace("'", "'\\''")
    special = frozenset('\\"$`') if quote else _SPECIAL
    return "".join(f"\\{each}" if each in special else each for each in text)
