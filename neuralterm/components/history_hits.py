"""What a search found, to be read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from neuralterm.application.search import SearchHit
from neuralterm.components.tables import ago, clipped, digits_needed, in_order, minute
from neuralterm.components.text_width import breaks_of
from neuralterm.domain.text import one_line

_INDENT = "  "
Places = list[tuple[int, int]]


def hits_text(hits: Sequence[SearchHit], *, width: int | None, now: datetime) -> tuple[str, Places]:
    """Return what a search found (where and when, then the text around the matches), and where the matches are in it.

    For a terminal `width` columns wide, the line above each text is shortened to it, with the beginning of the id and a time
    relative to `now`, and the text is broken between words; without a width everything is written out.
    """
    digits = digits_needed({str(hit.conversation_id) for hit in hits}) if width else None
    text, places = "", []
    for hit in hits:
        when = ago(hit.created_at, now) if width else minute(hit.created_at)
        title = f"  {one_line(hit.title)}" if hit.title else ""
        heading = f"{str(hit.conversation_id)[:digits]}  {when}  {hit.role}{title}"
        text += "\n\n" if text else ""
        text += f"{in_order(clipped(heading, width)) if width else heading}\n{_INDENT}"
        snippet, matches = _broken(*_on_one_line(hit), width - len(_INDENT)) if width else _on_one_line(hit)
        places += [(len(text) + start, len(text) + end) for start, end in matches]
        text += snippet
    return text, places


def _on_one_line(hit: SearchHit) -> tuple[str, Places]:
    """Return the snippet on one line without the marks around matches, and where these are."""
    text, places, at = "", [], 0
    for start, end in hit.matches:
        text += _flat(hit.snippet[at:start])
        match = _flat(hit.snippet[start + 1 : end - 1])
        places.append((len(text), len(text) + len(match)))
        text += match
        at = end
    return text + _flat(hit.snippet[at:]), places


def _broken(line: str, places: Places, columns: int) -> tuple[str, Places]:
    """Return a line on as many as it needs, and where the places are then, parted where a line ends within."""
    text, moved, at = "", [], 0
    for end, following in [*breaks_of(line, columns), (len(line), len(line))]:
        text += f"\n{_INDENT}" if text else ""
        shift = len(text) - at
        moved += [
            (max(start, at) + shift, min(stop, end) + shift) for start, stop in places if start < end and stop > at
        ]
        text += line[at:end]
        at = following
    return text, moved


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", text)
