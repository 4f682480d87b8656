"""Whole conversations as files: Markdown, JSON, and lines of JSON."""

from __future__ import annotations

from collections.abc import Sequence

from neuralterm.application.history import Transcript
from neuralterm.components import machine
from neuralterm.components.attachments_view import with_attachments
from neuralterm.components.history_view import facts_of, heading_of, transcript_document
from neuralterm.domain.text import one_line


def exported(transcripts: Sequence[Transcript], format: str) -> str:
    """Return conversations in one of `EXPORT_FORMATS`: Markdown, one JSON document, JSON one a line, or one page of HTML."""
    if format == "md":
        return "\n\n---\n\n".join(_markdown_of(transcript) for transcript in transcripts)
    if format == "html":
        from neuralterm.components.history_html import page

        return page(transcripts)
    documents = [transcript_document(transcript) for transcript in transcripts]
    if format == "jsonl":
        return "\n".join(machine.dumps(document, one_line=True) for document in documents)
    for document in documents:
        del document["schema_version"]
    return machine.dumps({"conversations": documents})


def _markdown_of(transcript: Transcript) -> str:
    conversation = transcript.conversation
    head = [
        f"# {one_line(conversation.title or 'Untitled')}",
        f"`{conversation.id}`, {facts_of(transcript)}",
    ]
    return "\n\n".join([*head, *(f"## {heading_of(each)}\n\n{with_attachments(each)}" for each in transcript.messages)])
