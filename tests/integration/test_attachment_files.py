"""What can be attached: told from the first bytes, within limits, by https."""

import hashlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.domain.attachments import AttachmentKind
from neuralterm.domain.exceptions import ValidationError
from neuralterm.infrastructure.attachment_files import SIZE_LIMIT, media_type_of, read_attachment

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
M4A = b"\x00\x00\x00\x20ftypM4A \x00\x00\x00\x00M4A mp42isom\x00\x00\x00\x00" + bytes(20)


def read(source, stdin=b""):
    return read_attachment(str(source), lambda enough: stdin[:enough])


def refusal(source, stdin=b""):
    with pytest.raises(ValidationError) as caught:
        read(source, stdin)
    return caught.value


BEGINNINGS = [
    (PNG, "image/png"),
    (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
    (b"GIF87a....", "image/gif"),
    (b"GIF89a....", "image/gif"),
    (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp"),
    (b"RIFF\x10\x00\x00\x00WAVEfmt ", "audio/wav"),
    (b"FORM\x00\x00\x00\x10AIFFCOMM", "audio/aiff"),
    (b"FORM\x00\x00\x00\x10AIFCFVER", "audio/aiff"),
    (b"fLaC\x00\x00\x00\x22", "audio/flac"),
    (b"OggS\x00\x02", "audio/ogg"),
    (M4A, "audio/mp4"),
    (b"\x00\x00\x00\x1cftypmp42\x00\x00\x00\x00mp42M4A isom", "audio/mp4"),
    (b"\xff\xfb\x90\x64", "audio/mpeg"),
    (b"\xff\xf3\x82\xc4", "audio/mpeg"),
    (b"ID3\x04\x00\x00\x00\x00\x00\x02..\xff\xfb\x90\x64", "audio/mpeg"),
    (b"ID3\x04\x00\x00\x00\x00\x00\x02..\xff\xf1\x50\x80", "audio/aac"),
    (b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(128) + b"fLaC", "audio/flac"),
    (b"ID3\x04\x00\x00", "audio/mpeg"),
    (b"\xff\xf1\x50\x80\x00", "audio/aac"),
    (b"\xff\xf9\x50\x80\x00", "audio/aac"),
    (b"%PDF-1.7\n", "application/pdf"),
    (b"@PJL\r\n%PDF-1.4\n", "application/pdf"),
    (b"", None),
    (b"plain text, not more", None),
    (b"RIFF\x10\x00\x00\x00AVI LIST", None),
    (b"....\x10\x00\x00\x00WEBPVP8 ", None),
    (b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2", None),
    (b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1", None),
    (b"\xff\xfeh\x00i\x00", None),
    (b"\xff\xfb\xf0\x64", None),
    (b"\xff\xfb\x9c\x64", None),
    (b"\xff", None),
    (b"PK\x03\x04", None),
    (b"<svg xmlns='http://www.w3.org/2000/svg'/>", None),
]


@pytest.mark.parametrize(("content", "media_type"), BEGINNINGS)
def test_a_content_is_known_by_its_beginning(content, media_type):
    assert media_type_of(content) == media_type


@given(st.binary(max_size=80), st.sampled_from([content for content, _ in BEGINNINGS]), st.integers(0, 30))
def test_no_content_confuses(tail, head, length):
    known = {media_type for _, media_type in BEGINNINGS}
    assert media_type_of(head[:length] + tail) in known


def test_a_file_is_read_whole_and_named_without_its_folder(tmp_path):
    (tmp_path / "cat.txt").write_bytes(PNG)
    file = read(tmp_path / "cat.txt")
    assert file.content == PNG
    found = file.attachment
    assert (found.kind, found.name, found.media_type) == (AttachmentKind.IMAGE, "cat.txt", "image/png")
    assert (found.size, found.sha256, found.url) == (len(PNG), hashlib.sha256(PNG).hexdigest(), None)


def test_a_name_that_is_no_text_is_made_one(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"c\xe4t.png")
    with open(path, "wb") as file:
        file.write(PNG)
    assert read(os.fsdecode(path)).attachment.name == "c\ufffdt.png"


def test_a_dash_is_stdin():
    file = read("-", M4A)
    assert (file.content, file.attachment.name, file.attachment.kind) == (M4A, "stdin", AttachmentKind.AUDIO)


def test_the_largest_file_that_is_taken(tmp_path):
    path = tmp_path / "large.png"
    path.write_bytes(PNG.ljust(SIZE_LIMIT, b"."))
    assert read(path).attachment.size == SIZE_LIMIT
    with path.open("ab") as file:
        file.write(b".")
    error = refusal(path)
    assert (error.code, error.message) == ("ATTACHMENT_TOO_LARGE", "the attachment large.png is larger than 20 MB")
    assert "https" in error.hint


def test_no_more_of_stdin_is_asked_for_than_tells_that_it_is_too_much():
    asked = []

    def stdin(enough):
        asked.append(enough)
        return PNG.ljust(enough, b".")

    with pytest.raises(ValidationError, match="larger than 20 MB"):
        read_attachment("-", stdin)
    assert asked == [SIZE_LIMIT + 1]


def test_what_can_not_be_read_is_refused(tmp_path):
    assert "No such file" in refusal(tmp_path / "none.png").message
    assert "can't be read" in refusal(tmp_path).message
    assert "can't be read" in refusal("a\0b.png").message
    (tmp_path / "empty.png").touch()
    assert refusal(tmp_path / "empty.png").message == "the attachment empty.png is empty"
    assert refusal("-").message == "the attachment stdin is empty"


def test_what_models_do_not_take_is_refused_whatever_its_name(tmp_path):
    (tmp_path / "fake.png").write_bytes(b"I am a text")
    error = refusal(tmp_path / "fake.png")
    assert error.code == "ATTACHMENT_KIND"
    assert "-f" in error.hint


@pytest.mark.parametrize(
    ("url", "kind", "name", "media_type"),
    [
        ("https://example.org/a/cat.JPG?size=2#top", "image", "cat.JPG", "image/jpeg"),
        ("HTTPS://example.org/a%20paper.pdf", "pdf", "a paper.pdf", "application/pdf"),
        ("https://example.org/images/17", "image", "17", None),
        ("https://example.org", "image", "example.org", None),
        ("http://localhost:8000/x.png", "image", "x.png", "image/png"),
        ("http://127.0.0.1/x.png", "image", "x.png", "image/png"),
        ("http://[::1]:80/x.gif", "image", "x.gif", "image/gif"),
    ],
)
def test_an_address_is_passed_on_as_it_is(url, kind, name, media_type):
    file = read(url)
    assert file.content is None
    found = file.attachment
    assert (found.kind.value, found.name, found.media_type, found.url) == (kind, name, media_type, url)
    assert (found.size, found.sha256) == (None, None)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://example.org/cat.png", "only https"),
        ("http://localhost.example.org/cat.png", "only https"),
        ("ftp://example.org/cat.png", "only https"),
        ("file:///etc/passwd", "only https"),
        ("https://", "no usable address"),
        ("https://[::1/cat.png", "no usable address"),
        ("https://example.org/a cat.png", "no usable address"),
        ("https://example.org/a\x1b[2Jcat.png", "no usable address"),
        ("https://me:secret@example.org/cat.png", "would see it"),
        ("https://example.org/speech.mp3", "audio is not taken by address"),
        ("data:image/png;base64,AAAA", "data: URL"),
        ("DATA:image/png;base64,AAAA", "data: URL"),
    ],
)
def test_other_addresses_are_refused(url, reason):
    error = refusal(url)
    assert reason in error.message
    assert "secret" not in error.message
