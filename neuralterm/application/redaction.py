"""Secrets blotted out of what is stored: always the API key, and what further patterns find where they are switched on.

What is sent to the model and what is printed stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from neuralterm.domain.models import ATTACHMENTS, Conversation, Message
from neuralterm.domain.record import replace
from neuralterm.domain.text import key_forms

if TYPE_CHECKING:
    from neuralterm.application.records import Call

KEY_MARK = "[redacted: api key]"
# So much of the beginning of a key says nothing yet.
CONTEXT = 7
_CUT_MARK = "…"
_TEXTS_OF_ATTACHMENTS = ("name", "url")


class Patterns(Protocol):
    """Finds secrets of other kinds."""

    def redact(self, text: str) -> str:
        """Return the text with every secret replaced by a mark that names its kind."""

    def held_from(self, text: str) -> int:
        """Return where the end of the text begins that may become a secret when more comes; its length if nothing may."""


class Redaction:
    """Blots secrets out. `keys` returns the API keys that are known now; `patterns` find secrets of other kinds."""

    def __init__(self, keys: Callable[[], Sequence[str]], patterns: Patterns | None = None) -> None:
        self._keys = keys
        self._patterns = patterns

    def without_keys(self, text: str) -> str:
        """Return the text without API keys."""
        for form in self._forms():
            if form in text:
                text = text.replace(form, KEY_MARK)
        return text

    def redact(self, text: str) -> str:
        """Return the text without secrets of any kind."""
        text = self.without_keys(text)
        return text if self._patterns is None else self._patterns.redact(text)

    def split(self, text: str, before: str = "") -> tuple[str, str]:
        """Return what can be stored of a text that goes on, redacted, and what must wait: it may begin a secret.

        A few characters of a key don't wait, they may be those of any word. So `before` is the end of the text that was let
        through before this one (`CONTEXT` characters do), and a key that began there is blotted out from here on.
        """
        whole, forms = before + text, self._forms()
        if self._patterns is None and not any(form[: CONTEXT + 1] in whole for form in forms):
            return text, ""
        cut = len(whole) if self._patterns is None else self._patterns.held_from(whole)
        for form in forms:
            cut = min(cut, _start_of_beginning(whole, form))
        while (earlier := min((_before_whole(whole, form, cut) for form in forms), default=cut)) < cut:
            cut = earlier
        cut = max(cut, len(before))
        begun = max((_end_of_begun(whole, form, len(before)) for form in forms), default=-1)
        if begun < 0:
            return self.redact(whole[len(before) : cut]), whole[cut:]
        return KEY_MARK + self.redact(whole[begun:cut]), whole[max(begun, cut) :]

    def redact_title(self, title: str) -> str:
        """Return a title without secrets, nor the beginning of one that was cut by shortening the title."""
        if not title.endswith(_CUT_MARK):
            return self.redact(title)
        return self.split(title.removesuffix(_CUT_MARK))[0] + _CUT_MARK

    def _forms(self) -> list[str]:
        return [form for key in self._keys() for form in key_forms(key)]


def _start_of_beginning(text: str, form: str) -> int:
    """Return where the end of the text begins that is a telling part of a form of the key; its length if there is none."""
    start = max(len(text) - len(form) + 1, 0)
    while (start := text.find(form[: CONTEXT + 1], start)) >= 0:
        if form.startswith(text[start:]):
            return start
        start += 1
    return len(text)


def _end_of_begun(text: str, form: str, position: int) -> int:
    """Return where a form of the key ends that begins before the position and ends behind it; -1 if none does."""
    start = text.find(form, max(position - len(form) + 1, 0), position + len(form) - 1)
    return -1 if start < 0 else start + len(form)


def _before_whole(text: str, form: str, cut: int) -> int:
    """Return the cut, or the start of a whole form of the key that it would go through."""
    start = text.find(form, max(cut - len(form) + 1, 0), cut + len(form) - 1)
    return cut if start < 0 else start


def redacted_conversation(conversation: Conversation, redaction: Redaction) -> Conversation:
    """Return a copy with its title redacted; tags and model hold no key."""
    title = conversation.title and redaction.redact_title(conversation.title)
    clean = redaction.without_keys
    return replace(
        conversation, title=title, tags=tuple(map(clean, conversation.tags)), model_id=clean(conversation.model_id)
    )


def redacted_message(message: Message, redaction: Redaction) -> Message:
    """Return a copy with everything that was said redacted, and names of attachments."""
    redact, clean = redaction.redact, redaction.without_keys
    return replace(
        message,
        content=redact(message.content),
        reasoning=message.reasoning and redact(message.reasoning),
        model_id=message.model_id and clean(message.model_id),
        finish_reason=message.finish_reason and clean(message.finish_reason),
        metadata=_redacted_metadata(message.metadata, redact),
    )


def redacted_call(call: Call, redaction: Redaction) -> Call:
    """Return a copy whose texts hold no key; budgets go by them, so that nothing else is taken out."""
    return call.cleaned(redaction.without_keys)


def _redacted_metadata(metadata: dict[str, Any], redact: Callable[[str], str]) -> dict[str, Any]:
    if ATTACHMENTS not in metadata:
        return metadata
    records = [
        {key: redact(value) if key in _TEXTS_OF_ATTACHMENTS and value else value for key, value in record.items()}
        for record in metadata[ATTACHMENTS]
    ]
    return {**metadata, ATTACHMENTS: records}
