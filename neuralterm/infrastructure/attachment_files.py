"""Reads what is attached to a prompt: files, stdin, addresses. What a file is, is told from its first bytes."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import SplitResult, unquote, urlsplit

from neuralterm.application.attachments import AttachmentFile
from neuralterm.domain.attachments import Attachment, AttachmentKind
from neuralterm.domain.exceptions import ValidationError
from neuralterm.domain.loopback import is_loopback

SIZE_LIMIT = 20_000_000
STDIN = "-"

_URL = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_TAKEN = "taken are images (PNG, JPEG, WebP, GIF), PDF, and audio (WAV, MP3, FLAC, M4A, Ogg, AIFF, AAC)"
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"GIF87a", 0, "image/gif"),
    (b"GIF89a", 0, "image/gif"),
    (b"WEBP", 8, "image/webp"),
    (b"WAVE", 8, "audio/wav"),
    (b"AIFF", 8, "audio/aiff"),
    (b"AIFC", 8, "audio/aiff"),
    (b"fLaC", 0, "audio/flac"),
    (b"OggS", 0, "audio/ogg"),
    (b"%PDF-", 0, "application/pdf"),
)
_CONTAINER_AT_8 = {"image/webp": b"RIFF", "audio/wav": b"RIFF", "audio/aiff": b"FORM"}
_SUFFIXES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".pdf": "application/pdf",
}
_AUDIO_SUFFIXES = frozenset({".wav", ".mp3", ".flac", ".m4a", ".ogg", ".oga", ".opus", ".aif", ".aiff", ".aac"})


def read_attachment(source: str, read_stdin: Callable[[int], bytes]) -> AttachmentFile:
    """Read a path, `-` for stdin, or take an address as it is.

    `read_stdin` returns stdin to its end, or at least so many bytes of it as it is told.

    Raises:
        ValidationError: it can't be read, is empty, larger than `SIZE_LIMIT`, or nothing that models take.
    """
    if source[:5].lower() == "data:":
        raise ValidationError("a data: URL can't be attached", hint="put the data in a file, or pipe it to `-a -`")
    if scheme := _URL.match(source):
        return AttachmentFile(_address(source, scheme[1].lower()))
    if source == STDIN:
        return _file("stdin", read_stdin(SIZE_LIMIT + 1))
    name = os.fsencode(Path(source).name).decode("utf-8", "replace")
    try:
        with Path(source).open("rb") as file:
            content = file.read(SIZE_LIMIT + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValidationError(f"the attachment {source} can't be read: {reason}") from error
    return _file(name, content)


def media_type_of(content: bytes) -> str | None:
    """Return the media type that a content begins like; None for what models don't take."""
    for magic, position, media_type in _MAGIC:
        if content.startswith(magic, position) and content.startswith(_CONTAINER_AT_8.get(media_type, b"")):
            return media_type
    if content.startswith(b"ID3"):
        return media_type_of(_after_id3(content)) or "audio/mpeg"
    if content[4:8] == b"ftyp":
        return "audio/mp4" if _is_m4a(content) else None
    # Some programs put a line of their own before a PDF's first.
    return "application/pdf" if b"%PDF-" in content[:1024] else _raw_audio(content)


def _file(name: str, content: bytes) -> AttachmentFile:
    if not content:
        raise ValidationError(f"the attachment {name} is empty")
    if len(content) > SIZE_LIMIT:
        raise ValidationError(
            f"the attachment {name} is larger than {SIZE_LIMIT // 1_000_000} MB",
            "ATTACHMENT_TOO_LARGE",
            hint="make it smaller, or put it on the web and attach its https address",
        )
    media_type = media_type_of(content)
    if media_type is None:
        raise ValidationError(
            f"the attachment {name} is of no kind that models take",
            "ATTACHMENT_KIND",
            hint=f"{_TAKEN}; text goes by -f",
        )
    digest = hashlib.sha256(content).hexdigest()
    return AttachmentFile(Attachment(_kind(media_type), name, media_type, len(content), digest), content)


def _address(url: str, scheme: str) -> Attachment:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError as error:
        raise ValidationError(f"{url} is no usable address: {error}") from error
    if scheme != "https" and not (scheme == "http" and is_loopback(host)):
        raise ValidationError(
            f"{url} can't be attached: only https addresses can", hint="download it and attach the file"
        )
    if not host or any(character.isspace() or not character.isprintable() for character in url):
        raise ValidationError(f"{url!r} is no usable address")
    if "@" in parts.netloc:
        raise ValidationError("an address with a user name or a password can't be attached, for others would see it")
    return _attachment_at(url, parts)


def _attachment_at(url: str, parts: SplitResult) -> Attachment:
    path = PurePosixPath(unquote(parts.path))
    suffix = path.suffix.lower()
    if suffix in _AUDIO_SUFFIXES:
        raise ValidationError(
            f"{url} can't be attached: audio is not taken by address", hint="download it and attach the file"
        )
    media_type = _SUFFIXES.get(suffix)
    # Addresses of images often tell nothing, those of PDFs seldom.
    kind = AttachmentKind.IMAGE if media_type is None else _kind(media_type)
    return Attachment(kind, path.name or parts.netloc, media_type, url=url)


def _kind(media_type: str) -> AttachmentKind:
    if media_type == "application/pdf":
        return AttachmentKind.PDF
    return AttachmentKind(media_type.partition("/")[0])


def _after_id3(content: bytes) -> bytes:
    """Return what follows an ID3 tag, whose size is four times seven bits."""
    size = 0
    for byte in content[6:10]:
        size = size << 7 | byte & 0x7F
    return content[10 + size : 10 + size + 64]


def _is_m4a(content: bytes) -> bool:
    """Tell sound from moving pictures by the brands at the beginning of an MPEG-4 file."""
    size = int.from_bytes(content[:4], "big")
    brands = content[8 : min(size, 256)]
    return any(brands[start : start + 4] in (b"M4A ", b"M4B ") for start in range(0, len(brands), 4))


def _raw_audio(content: bytes) -> str | None:
    """Recognise a stream of MP3 or AAC frames by the header of the first."""
    if len(content) < 4 or content[0] != 0xFF:
        return None
    if content[1] & 0xF6 == 0xF0:
        return "audio/aac"
    is_layer_3 = content[1] & 0xE6 == 0xE2
    bit_rate, sample_rate = content[2] >> 4, content[2] >> 2 & 3
    return "audio/mpeg" if is_layer_3 and bit_rate not in (0, 15) and sample_rate != 3 else None
