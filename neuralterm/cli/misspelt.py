"""A word about models, tags and providers that nobody knows, where that is no error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

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


def warn_of_empty_choice(container: Container, given: Mapping[str, Any]) -> None:
    """Say on stderr what may have been meant, where a model, tag or provider has chosen no calls at all.

    A tag that is merely new, or has no calls in this time, is nothing to speak of.
    """
    from difflib import get_close_matches

    from neuralterm.application.records import CallFilter

    warn_of_misspelt(container, given["model"])
    for name in ("tag", "provider"):
        wanted = given[name]
        if wanted is None:
            continue
        there = {row.keys[0] for row in container.ledger.totals(CallFilter(), [name]) if row.keys[0]}
        folded = {each.casefold(): each for each in there}
        is_there = wanted in there or (name == "provider" and wanted.casefold() in folded)
        if not is_there and (close := get_close_matches(wanted.casefold(), folded, n=3)):
            meant = ", ".join(folded[each] for each in close)
            container.console.note(f"warning: no call has the {name} {wanted!r}; did you mean {meant}?", fg="yellow")
