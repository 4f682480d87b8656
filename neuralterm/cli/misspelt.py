"""A word about models that nobody lists, where that is no error."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neuralterm.container import Container


def warn_of_misspelt(container: Container, pattern: str | None) -> None:
    """Say on stderr when no model of the list kept here matches a pattern, and what may have been meant; None: any does."""
    if pattern is None:
        return
    from neuralterm.application.unknown_model import unmatched

    said = unmatched(pattern, container.catalogue.copied())
    if said is not None:
        container.console.note(f"warning: {said}", fg="yellow")
