"""What may follow on the line of a chat: commands, and what their arguments name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from neuralterm.application.records import ConversationSummary
from neuralterm.components.chat_commands import COMMANDS, Names
from neuralterm.components.chat_view import SHORT_ID
from neuralterm.domain.exceptions import NeuralTermError
from neuralterm.domain.record import record
from neuralterm.domain.text import one_line

# So many are offered at most.
_MOST = 200


@record
class Suggestion:
    """`text` takes the place of the last `replaced` characters; `shown` stands for it in the list, with a `note`."""

    text: str
    replaced: int
    shown: str
    note: str = ""


class Suggestions:
    """Suggests what may have been begun. `models` and `conversations` are asked when they are first needed."""

    def __init__(
        self, models: Callable[[], Sequence[str]], conversations: Callable[[], Sequence[ConversationSummary]]
    ) -> None:
        self._models = models
        self._conversations = conversations
        self._known_models: Sequence[str] = ()

    def __call__(self, before: str) -> list[Suggestion]:
        """Return what may stand there, likeliest first; nothing where there is nothing to say, or it can't be read."""
        if not before.startswith("/") or "\n" in before:
            return []
        name, space, argument = before[1:].partition(" ")
        if not space:
            return _commands(name)
        names = next((command.names for command in COMMANDS if command.name == name), Names.NOTHING)
        try:
            return [each for each in self._arguments(names, argument.lstrip()) if each.text.isprintable()][:_MOST]
        except (NeuralTermError, OSError):
            return []

    def _arguments(self, names: Names, begun: str) -> Iterable[Suggestion]:
        if names is Names.MODEL:
            self._known_models = self._known_models or self._models()
            return [Suggestion(each, len(begun), each) for each in ranked(begun, self._known_models)]
        if names is Names.CONVERSATION:
            return _conversations(begun, self._conversations())
        if names is Names.FILE:
            return _files(begun)
        if names is Names.SWITCH:
            return [Suggestion(each, len(begun), each) for each in ("on", "off") if each.startswith(begun)]
        return []


def ranked(words: str, ids: Iterable[str]) -> list[str]:
    """Return the ids that hold every word, whatever its case: first those that begin so, then those whose name does."""
    wanted = words.casefold().split()
    found = [each for each in ids if all(word in each.casefold() for word in wanted)]
    return sorted(found, key=lambda each: _rank(each.casefold(), wanted)) if wanted else found


def _rank(identity: str, wanted: Sequence[str]) -> int:
    if identity.startswith(wanted[0]):
        return 0
    return 1 if identity.partition("/")[2].startswith(wanted[0]) else 2


def _commands(begun: str) -> list[Suggestion]:
    return [
        Suggestion(f"/{each.name}", len(begun) + 1, f"/{each.name} {each.argument}".rstrip(), each.summary)
        for each in COMMANDS
        if each.name.startswith(begun)
    ]


def _conversations(begun: str, summaries: Iterable[ConversationSummary]) -> Iterable[Suggestion]:
    wanted = begun.casefold().split()
    for summary in summaries:
        identity, title = str(summary.conversation.id), one_line(summary.conversation.title or summary.preview)
        if all(word in title.casefold() or identity.startswith(word) for word in wanted):
            yield Suggestion(identity, len(begun), identity[:SHORT_ID], title)


def _files(begun: str) -> Iterable[Suggestion]:
    """Return the files that the last name in the argument may become; outside quotes white space in names gets backslashes."""
    quote, word = _open_quote(begun)
    word = word if quote else _last_word(begun)
    folder, _, start = (word if quote else word.replace("\\", "")).rpartition("/")
    place = Path(f"{folder}/" if "/" in word else ".").expanduser()
    with os.scandir(place) as entries:
        found = [(each.name, each.is_dir()) for each in entries if each.name.startswith(start)]
    for name, is_folder in sorted(found):
        if (start or not name.startswith(".")) and not (quote and quote in name):
            shown = name + "/" * is_folder
            text = shown + quote * (not is_folder) if quote else _escaped(shown)
            yield Suggestion(text, len(word) - len(word.rpartition("/")[0]) - ("/" in word), shown)


def _open_quote(text: str) -> tuple[str, str]:
    """Return the quote that is open at the end of a text, and what follows it; empty where there is none."""
    quote, start = "", 0
    for at, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"" and text[at - 1 : at] != "\\":
            quote, start = character, at + 1
    return quote, text[start:] if quote else ""


def _last_word(text: str) -> str:
    """Return what follows the last space that has no backslash before it."""
    at = len(text)
    while at > 0 and not (text[at - 1] == " " and text[at - 2 : at - 1] != "\\"):
        at -= 1
    return text[at:]


def _escaped(name: str) -> str:
    return "".join(f"\\{character}" if character in " \\'\"" else character for character in name)
