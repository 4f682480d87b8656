import json

from neuralterm.application.context import ATTACHMENTS
from neuralterm.components.attachments_view import attachment_documents, with_attachments
from neuralterm.components.machine import dumps
from neuralterm.domain.models import Message
from tests.fakes.attachments import attached, linked


def message(*files, content="Look.\n"):
    records = [file.attachment.to_record() for file in files]
    return Message(content=content, metadata={ATTACHMENTS: records} if records else {})


def test_documents_tell_what_was_read_and_what_is_fetched():
    files = attached("pdf", b"x" * 12345, "a.pdf"), linked(url="https://example.org/17", media_type=None)
    documents = attachment_documents(message(*files))
    assert documents == [
        {"kind": "pdf", "name": "a.pdf", "media_type": "application/pdf", "bytes": 12345, "url": None},
        {"kind": "image", "name": "17", "media_type": None, "bytes": None, "url": "https://example.org/17"},
    ]
    assert json.loads(dumps({"attachments": documents}))["attachments"] == documents


def test_text_is_followed_by_what_is_attached():
    assert with_attachments(message(attached("audio", b"x" * 1234, "a\nb.wav"), linked())) == (
        "Look.\n\n[audio: a b.wav, audio/wav, 1,234 bytes]\n[image: https://example.org/cat.png]"
    )


def test_text_with_nothing_attached_stays_as_it_is():
    assert with_attachments(message()) == "Look."
    assert attachment_documents(message()) == []
