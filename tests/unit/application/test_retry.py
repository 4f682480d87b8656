import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.application.retry import FIRST_DELAY, LONGEST_DELAY, delay_before_retry
from neuralterm.domain import exceptions as exc


def fault(status):
    return exc.OpenRouterAPIError("x", status, retryable=True)


@pytest.mark.parametrize(
    "error",
    [
        exc.BudgetExceededError("x"),
        exc.CircuitOpenError("x", retry_after=1.0),
        exc.CircuitOpenError("x", may_wait=True),
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
    assert delay_before_retry([error], 1000.0) is None


@pytest.mark.parametrize(
    "error",
    [
        exc.RateLimitError("x"),
        exc.ModelUnavailableError("x", 503),
        exc.ServiceUnreachableError("x"),
        exc.InsufficientCreditsError("x", 402, retryable=True),
        fault(500),
    ],
    ids=lambda error: type(error).__name__,
)
def test_made_again(error):
    assert 0 < delay_before_retry([error], 1000.0) <= FIRST_DELAY


@pytest.mark.parametrize("status", [502, 503, 504, 524, 529, 408, 429, None])
def test_what_passes_is_tried_as_long_as_there_is_time(status):
    assert delay_before_retry([fault(status)] * 9, 1000.0) is not None


@pytest.mark.parametrize("status", [500, 520, 599])
def test_any_other_fault_is_tried_once_more(status):
    assert delay_before_retry([fault(503), fault(status)], 1000.0) is not None
    assert delay_before_retry([fault(status), fault(503)], 1000.0) is not None
    assert delay_before_retry([fault(500), fault(503), fault(status)], 1000.0) is None


@given(st.integers(1, 900))
def test_the_wait_doubles_up_to_a_limit(tries):
    longest = min(FIRST_DELAY * 2 ** (tries - 1), LONGEST_DELAY)
    assert longest / 2 <= delay_before_retry([exc.RateLimitError("x")] * tries, 1000.0) <= longest


def test_waits_without_a_request_are_no_tries():
    waited = exc.CircuitOpenError("x", retry_after=1.0, may_wait=True)
    assert delay_before_retry([waited] * 9 + [exc.RateLimitError("x")], 1000.0) <= FIRST_DELAY


@given(st.floats(1, 100), st.floats(0.1, 100))
def test_what_the_service_asks_for_is_obeyed_to_the_full_or_not_at_all(retry_after, seconds_left):
    delay = delay_before_retry([exc.RateLimitError("x", retry_after=retry_after)], seconds_left)
    assert delay == (retry_after if retry_after <= seconds_left else None)


@given(st.floats(0.1, 100), st.floats(0.1, 100))
def test_who_was_told_by_another_waits_a_little_longer_but_never_too_long(retry_after, seconds_left):
    told = exc.CircuitOpenError("x", retry_after=retry_after, may_wait=True)
    delay = delay_before_retry([told], seconds_left)
    if retry_after > seconds_left:
        assert delay is None
    else:
        assert retry_after <= delay <= min(retry_after + FIRST_DELAY, seconds_left)


@pytest.mark.parametrize("retry_after", [0.0, -3.0])
def test_a_service_that_asks_for_no_wait_is_not_hammered(retry_after):
    assert delay_before_retry([exc.RateLimitError("x", retry_after=retry_after)], 1000.0) >= FIRST_DELAY / 2


@pytest.mark.parametrize("seconds_left", [0.0, -1.0])
def test_not_without_time_left(seconds_left):
    assert delay_before_retry([exc.RateLimitError("x", retry_after=0.0)], seconds_left) is None


@given(st.floats(0, 200), st.floats(0.1, 100))
def test_an_open_circuit_is_outwaited_or_the_try_was_the_last(at_least, seconds_left):
    delay = delay_before_retry([exc.RateLimitError("x")], seconds_left, at_least)
    assert delay is None or at_least <= delay <= seconds_left


def test_nobody_waits_for_ever():
    assert delay_before_retry([exc.RateLimitError("x")], 1e9, float("inf")) is None


asked = st.none() | st.floats(0, 100)
failures = st.one_of(
    st.builds(exc.RateLimitError, retry_after=asked),
    st.builds(exc.ModelUnavailableError, retry_after=asked),
    st.builds(exc.CircuitOpenError, st.just("x"), retry_after=asked, may_wait=st.booleans()),
    st.builds(fault, st.sampled_from([500, 504, 520])),
)


@given(st.lists(failures, min_size=1, max_size=40), st.floats(0, 300))
def test_all_waits_together_are_never_longer_than_there_is_patience(coming, retry_for):
    seen, waited = [], 0.0
    for failure in coming:
        seen.append(failure)
        delay = delay_before_retry(seen, retry_for - waited)
        if delay is None:
            break
        assert delay > 0 or isinstance(failure, exc.CircuitOpenError)
        waited += delay
    assert waited <= retry_for + 1e-9
