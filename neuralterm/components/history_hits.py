"""What a search found, to be read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from neuralterm.application.records import SearchHit
from neuralterm.components.tables import ago, clipped, digits_needed, in_order, minute
from neuralterm.domain.text import one_line


def hits_text(hits: Sequence[SearchHit], *, width: int | None, now: datetime) -> tuple[str, list[tuple[int, int]]]:
    """Return what a search found (where and when, then the text around the matches), and where the matches are in it.

    For a terminal `width` columns wide, the line above each text is shortened to it, with the beginning of the id and a time
    relative to `now`; without a width everything is written out.
    """
    digits = digits_needed({str(hit.conversation_id) for hit in hits}) if width else None
    text, places = "", []
    for hit in hits:
        when = ago(hit.created_at, now) if width else minute(hit.created_at)
        title = f"  {one_line(hit.title)}" if hit.title else ""
        heading = f"{str(hit.conversation_id)[:digits]}  {when}  {hit.role}{title}"
        text += "\n\n" if text else ""
        text += f"{in_order(clipped(heading, width)) if width else heading}\n  "
        for piece, is_match in _pieces(hit):
            if is_match:
                places.append((len(text), len(text) + len(piece)))
            text += piece
    return text, places


def _pieces(hit: SearchHit) -> Iterator[tuple[str, bool]]:
    """Yield the snippet in pieces on one line, and whether each is a match, without the marks around it."""
    at = 0
    for start, end in (*hit.matches, (len(hit.snippet), len(hit.snippet))):
        yield re.sub(r"\s+", " ", hit.snippet[at:start]), False
        if end > start:
            yield re.sub(r"\s+", " ", hit.snippet[start + 1 : end - 1]), True
        at = end
