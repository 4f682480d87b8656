import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.application.retry import FIRST_DELAY, LONGEST_DELAY, delay_before_retry
from neuralterm.domain import exceptions as exc


@pytest.mark.parametrize(
    "error",
    [
        exc.BudgetExceededError("x"),
        exc.CircuitOpenError("x", retry_after=1.0),
        exc.StreamInterruptedError("x"),
        exc.ValidationError("x"),
        exc.StorageError("x"),
        exc.OpenRouterAPIError("x", 400),
        exc.AuthenticationError("x", 401),
        exc.InsufficientCreditsError("x", 402),
        exc.ModelUnavailableError("x", 404),
        exc.RateLimitError("x", retryable=False),
        exc.ServiceUnreachableError("x", request_sent=True),
    ],
    ids=lambda error: type(error).__name__,
)
def test_not_made_again(error):
    assert delay_before_retry(error, 1, 1000.0) is None


@pytest.mark.parametrize(
    "error",
    [
        exc.RateLimitError("x"),
        exc.ModelUnavailableError("x", 503),
        exc.ServiceUnreachableError("x"),
        exc.InsufficientCreditsError("x", 402, retryable=True),
        exc.OpenRouterAPIError("x", 500, retryable=True),
    ],
    ids=lambda error: type(error).__name__,
)
def test_made_again(error):
    assert 0 < delay_before_retry(error, 1, 1000.0) <= FIRST_DELAY


@given(st.integers(1, 60))
def test_the_wait_doubles_up_to_a_limit(attempt):
    longest = min(FIRST_DELAY * 2 ** (attempt - 1), LONGEST_DELAY)
    assert longest / 2 <= delay_before_retry(exc.RateLimitError("x"), attempt, 1000.0) <= longest


@given(st.floats(1, 100), st.floats(0.1, 100))
def test_what_the_service_asks_for_is_obeyed_to_the_full_or_not_at_all(retry_after, seconds_left):
    delay = delay_before_retry(exc.RateLimitError("x", retry_after=retry_after), 1, seconds_left)
    assert delay == (retry_after if retry_after <= seconds_left else None)


@pytest.mark.parametrize("retry_after", [0.0, -3.0])
def test_a_service_that_asks_for_no_wait_is_not_hammered(retry_after):
    assert delay_before_retry(exc.RateLimitError("x", retry_after=retry_after), 1, 1000.0) >= FIRST_DELAY / 2


@pytest.mark.parametrize("seconds_left", [0.0, -1.0])
def test_not_without_time_left(seconds_left):
    assert delay_before_retry(exc.RateLimitError("x", retry_after=0.0), 1, seconds_left) is None
