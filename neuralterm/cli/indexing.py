"""Indexing messages for the searches to come, once a search has been answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neuralterm.container import Container

# Seconds. What is missing then is left to the next search.
_AT_MOST = 5.0


def index_for(container: Container, query: str) -> None:
    """Put messages into the index that this query had to do without, for some seconds, and say how far it is."""
    from neuralterm.components.progress import Progress

    monotonic = container.clock.monotonic
    progress = Progress("indexed for later searches:", container.console.note, monotonic)
    end = monotonic() + _AT_MOST

    def goes_on(done: int, total: int) -> bool:
        progress(done, total)
        return monotonic() < end

    container.index_for(query, goes_on)
