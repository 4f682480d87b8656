"""Which failed requests are made again, and after how long. No I/O."""

from __future__ import annotations

import random

from neuralterm.domain.exceptions import NeuralTermError, OpenRouterAPIError

FIRST_DELAY = 0.5
LONGEST_DELAY = 20.0


def delay_before_retry(error: NeuralTermError, attempt: int, seconds_left: float) -> float | None:
    """Return the seconds to wait before trying again; None when that can't help or there is no time for it.

    `attempt` counts from 1. Only for requests that failed before their first delta: what was delivered would be paid
    again. The wait doubles each time, with jitter; one that the service asks for is obeyed to the full, and is never less
    than `FIRST_DELAY`.
    """
    if not isinstance(error, OpenRouterAPIError) or not error.retryable or seconds_left <= 0:
        return None
    backoff = min(FIRST_DELAY * 2 ** (attempt - 1), LONGEST_DELAY) * random.uniform(0.5, 1.0)
    delay = backoff if error.retry_after is None else max(error.retry_after, FIRST_DELAY)
    return delay if delay <= seconds_left else None
