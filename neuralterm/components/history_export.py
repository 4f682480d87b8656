"""Whole conversations as files: Markdown, JSON, and lines of JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from neuralterm.application.history import Transcript
from neuralterm.components import machine
from neuralterm.components.attachments_view import with_attachments
from neuralterm.components.history_view import facts_of, heading_of, transcript_document
from neuralterm.domain.text import one_line


def exported(transcripts: Iterable[Transcript], format: str) -> Iterator[str]:
    """Yield conversations in one of `EXPORT_FORMATS`, in parts that a newline ends.

    Markdown and JSON lines come one conversation at a time, one JSON document and one page of HTML as a whole.
    """
    if format == "md":
        for number, transcript in enumerate(transcripts):
            yield ("\n---\n\n" if number else "") + _markdown_of(transcript)
    elif format == "jsonl":
        for transcript in transcripts:
            yield machine.dumps(transcript_document(transcript), one_line=True)
    elif format == "html":
        from neuralterm.components.history_html import page

        yield page(list(transcripts))
    else:
        documents = [transcript_document(transcript) for transcript in transcripts]
        for document in documents:
            del document["schema_version"]
        yield machine.dumps({"conversations": documents})


def _markdown_of(transcript: Transcript) -> str:
    conversation = transcript.conversation
    head = [
        f"# {one_line(conversation.title or 'Untitled')}",
        f"`{conversation.id}`, {facts_of(transcript)}",
    ]
    return "\n\n".join([*head, *(f"## {heading_of(each)}\n\n{with_attachments(each)}" for each in transcript.messages)])
