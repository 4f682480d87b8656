"""Attachments on their way: onto a message, past the model's modalities, into the request and into storage."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from neuralterm.application.turn import Prompt
from neuralterm.domain.attachments import Attachment, AttachmentKind, attachments_of
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.exceptions import ValidationError
from neuralterm.domain.models import ATTACHMENTS, Message
from neuralterm.domain.record import record, replace

# What an attachment takes of the window, roughly: a large image, a few pages, a minute of speech.
TOKENS_OF = {AttachmentKind.IMAGE: 1_600, AttachmentKind.PDF: 3_000, AttachmentKind.AUDIO: 2_000}

# The service's names of the sound formats it takes.
AUDIO_FORMATS = {
    "audio/wav": "wav",
    "audio/mpeg": "mp3",
    "audio/flac": "flac",
    "audio/mp4": "m4a",
    "audio/ogg": "ogg",
    "audio/aiff": "aiff",
    "audio/aac": "aac",
}


@record
class AttachmentFile:
    """An attachment as it was read; `content` is None for one that the service fetches from its URL."""

    attachment: Attachment
    content: bytes | None = None


class AttachmentStore(Protocol):
    """Contents of attachments by their SHA-256. One that belongs to no message any more is forgotten."""

    def add(self, sha256: str, content: bytes) -> None:
        """Keep a content, if it is not there yet; make the message that has it part of the same transaction."""

    def content(self, sha256: str) -> bytes:
        """Return a content. Raises `StorageError` when it is not there."""


class Attachments:
    """What the way of a prompt needs to know of attachments."""

    def __init__(self, store: AttachmentStore) -> None:
        self._store = store

    def attach(self, message: Message, files: Sequence[AttachmentFile]) -> None:
        """Put attachments on a message that is not stored yet."""
        message.metadata[ATTACHMENTS] = [file.attachment.to_record() for file in files]

    def prepare(self, prompt: Prompt, files: Sequence[AttachmentFile], fallback_ids: Sequence[str] = ()) -> Prompt:
        """Return the prompt with the contents of all its attachments: those of `files`, and stored ones.

        Raises:
            ValidationError: a model that may answer is known not to take one of them.
            StorageError: a stored content is not there.
        """
        attached = [each for message in prompt.messages for each in attachments_of(message)]
        models = zip((prompt.model_id, *fallback_ids), (prompt.model, *prompt.fallbacks), strict=True)
        for model_id, model in models:
            _check_modalities(model_id, model, attached)
        contents = {file.attachment.sha256: file.content for file in files}
        wanted = dict.fromkeys(each.sha256 for each in attached if each.sha256)
        found = {digest: contents.get(digest) or self._store.content(digest) for digest in wanted}
        return replace(prompt, contents=found)

    def keep(self, prompt: Prompt) -> None:
        """Store the contents that the prompt brings along, before its messages are."""
        for message in prompt.new:
            for attachment in attachments_of(message):
                if attachment.sha256:
                    self._store.add(attachment.sha256, prompt.contents[attachment.sha256])


def estimated_tokens(message: Message) -> int:
    """Return about how much of the window a message's attachments take; neither their size nor the model is looked at."""
    return sum(TOKENS_OF[attachment.kind] for attachment in attachments_of(message))


def content_parts(message: Message, contents: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """Return the content of a message as the service takes it: its text, then its attachments in order."""
    text = {"type": "text", "text": message.content}
    return [text, *(_part(attachment, contents) for attachment in attachments_of(message))]


def in_words(messages: Iterable[Message]) -> str:
    """Return the names of everything attached, for a sentence: `cat.png`, `cat.png and 2 more`."""
    names = [attachment.name for message in messages for attachment in attachments_of(message)]
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _check_modalities(model_id: str, model: OpenRouterModel | None, attached: Iterable[Attachment]) -> None:
    known = model.input_modalities if model else ()
    for attachment in attached:
        modality = attachment.kind.modality
        if known and modality and modality not in known:
            raise ValidationError(
                f"{model_id} takes no {modality} input, and {attachment.name} is one",
                "MODALITY_UNSUPPORTED",
                hint=f"`neuralterm models --input {modality}` lists the models that do",
            )


def _part(attachment: Attachment, contents: Mapping[str, bytes]) -> dict[str, Any]:
    content = "" if attachment.sha256 is None else b64encode(contents[attachment.sha256]).decode("ascii")
    if attachment.kind is AttachmentKind.AUDIO:
        sound_format = AUDIO_FORMATS[attachment.media_type or ""]
        return {"type": "input_audio", "input_audio": {"data": content, "format": sound_format}}
    address = attachment.url or f"data:{attachment.media_type};base64,{content}"
    if attachment.kind is AttachmentKind.PDF:
        return {"type": "file", "file": {"filename": attachment.name, "file_data": address}}
    return {"type": "image_url", "image_url": {"url": address}}
