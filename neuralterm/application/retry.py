"""Which failed requests are made again, and after how long. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from neuralterm.domain.exceptions import CircuitOpenError, NeuralTermError, OpenRouterAPIError

if TYPE_CHECKING:
    from neuralterm.application.turn import Turn

FIRST_DELAY = 0.5
LONGEST_DELAY = 20.0

# Faults of a server that may pass by themselves. Any other is tried once more, and then believed.
_PASSING = frozenset({502, 503, 504, 524, 529})
# Parts of a request that the service may charge for although no answer comes: searches, files that it reads.
_CHARGED_APART = frozenset({"plugins", "tools", "web_search_options"})


def delay_before_retry(failures: Sequence[NeuralTermError], seconds_left: float, at_least: float = 0.0) -> float | None:
    """Return the seconds to wait before trying again; None when that can't help or there is no time for it.

    `failures` are those of all tries so far, the last one last. Only for requests that failed before their first delta:
    what was delivered would be paid again. The wait doubles each time, with jitter, and is `at_least` so long; one that the
    service asks for is obeyed to the full, and is never less than `FIRST_DELAY`.
    """
    if seconds_left <= 0 or not _may_pass(failures):
        return None
    delay = max(_delay(failures, seconds_left), at_least)
    return delay if delay <= seconds_left else None


def is_bought(turn: Turn) -> bool:
    """Say whether the last request of a turn must not be made again: something was delivered, or may have been charged.

    An error under HTTP 200 before any text is not charged, but searches and files that were read for it may be.
    """
    usage, options = turn.final.get("usage"), turn.options
    if turn.has_text or (usage is not None and (usage.cost or usage.upstream_cost)):
        return True
    charged_apart = turn.prompt.has_attachments or not _CHARGED_APART.isdisjoint(options.extra)
    return charged_apart and turn.final.get("generation_id") is not None


def _may_pass(failures: Sequence[NeuralTermError]) -> bool:
    error = failures[-1]
    if isinstance(error, CircuitOpenError):
        return error.may_wait and error.retry_after is not None
    if not isinstance(error, OpenRouterAPIError) or not error.retryable:
        return False
    return not _is_lasting(error) or not any(map(_is_lasting, failures[:-1]))


def _is_lasting(error: NeuralTermError) -> bool:
    status = error.status_code if isinstance(error, OpenRouterAPIError) else None
    return status is not None and status >= 500 and status not in _PASSING


def _delay(failures: Sequence[NeuralTermError], seconds_left: float) -> float:
    import random

    error = failures[-1]
    asked = error.retry_after if isinstance(error, CircuitOpenError | OpenRouterAPIError) else None
    if isinstance(error, CircuitOpenError) and asked is not None:
        # Others wait for the same moment: they are not to come all at once.
        return max(asked, min(asked + random.uniform(0.0, FIRST_DELAY), seconds_left))
    if asked is not None:
        return max(asked, FIRST_DELAY)
    tries = sum(isinstance(failure, OpenRouterAPIError) for failure in failures)
    backoff: float = min(FIRST_DELAY * 2.0 ** min(tries - 1, 16), LONGEST_DELAY)
    return backoff * random.uniform(0.5, 1.0)
