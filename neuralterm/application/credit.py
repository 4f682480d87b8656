"""What a key has left, for whoever has just been told that it is not enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuralterm.application import waiting
from neuralterm.domain.exceptions import InsufficientCreditsError, NeuralTermError
from neuralterm.domain.money import dollars

if TYPE_CHECKING:
    from neuralterm.application.records import KeyReport

# Seconds that asking may take: the answer to the question is known already, and it is no.
PATIENCE_S = 3.0


async def say_what_is_left(error: InsufficientCreditsError, client: object, *, patience: float = PATIENCE_S) -> None:
    """Add to the error's hint what the service says, within `patience` seconds, that the key has left."""
    get_key = getattr(client, "get_key", None)
    if get_key is None:
        return
    report: KeyReport | None = None
    try:
        with waiting.move_on_after(patience):
            report = await get_key()
    except NeuralTermError:
        return
    words = None if report is None else _left_in_words(report)
    if words is not None:
        error.hint = words if error.hint is None else f"{error.hint}; {words}"


def _left_in_words(report: KeyReport) -> str | None:
    """Say what is left of the key's own limit; the balance of the account is not told to ordinary keys."""
    if report.limit_usd is None or report.limit_remaining_usd is None:
        return None
    resets = f", which is reset {report.limit_reset}" if report.limit_reset else ""
    return (
        f"this key has {dollars(report.limit_remaining_usd)} left of its limit of {dollars(report.limit_usd)}{resets}"
    )
