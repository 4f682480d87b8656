"""The circuit breaker, and which errors it counts."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from neuralterm.application.faults import is_service_fault
from neuralterm.domain.exceptions import (
    AuthenticationError,
    BudgetExceededError,
    CircuitOpenError,
    InsufficientCreditsError,
    ModelUnavailableError,
    ModerationError,
    OpenRouterAPIError,
    RateLimitError,
    ServiceUnreachableError,
    StreamInterruptedError,
    StreamStalledError,
    TokenLimitError,
    ValidationError,
)
from neuralterm.infrastructure.circuit_breaker import CircuitBreaker, CircuitState

TIMEOUT = 30.0


class ManualClock:
    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds

    def advance(self, seconds):
        self.seconds += seconds


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def breaker(clock):
    return CircuitBreaker(failure_threshold=3, recovery_timeout=TIMEOUT, clock=clock)


def break_it(breaker):
    for _ in range(3):
        breaker.check()
        breaker.record_failure()


def test_closed_at_first(breaker):
    assert breaker.state is CircuitState.CLOSED
    breaker.check()


def test_opens_at_the_threshold_and_not_before(breaker):
    breaker.record_failure()
    breaker.record_failure()
    assert breaker.state is CircuitState.CLOSED
    breaker.record_failure()
    assert breaker.state is CircuitState.OPEN


def test_only_failures_in_a_row_count(breaker):
    for _ in range(5):
        breaker.record_failure()
        breaker.record_failure()
        breaker.record_success()
    assert breaker.state is CircuitState.CLOSED


def test_an_open_circuit_refuses_and_tells_how_long(breaker, clock):
    break_it(breaker)
    clock.advance(10)
    with pytest.raises(CircuitOpenError) as refused:
        breaker.check()
    assert refused.value.retry_after == pytest.approx(20.0)


def test_one_probe_passes_and_the_others_wait_for_its_outcome(breaker, clock):
    break_it(breaker)
    clock.advance(TIMEOUT)
    assert breaker.state is CircuitState.HALF_OPEN
    breaker.check()
    clock.advance(1)
    with pytest.raises(CircuitOpenError) as refused:
        breaker.check()
    assert refused.value.retry_after == pytest.approx(TIMEOUT - 1)


def test_a_good_probe_closes_the_circuit_with_a_clean_record(breaker, clock):
    break_it(breaker)
    clock.advance(TIMEOUT)
    breaker.check()
    breaker.record_success()
    assert breaker.state is CircuitState.CLOSED
    breaker.record_failure()
    breaker.record_failure()
    assert breaker.state is CircuitState.CLOSED


def test_a_bad_probe_opens_the_circuit_for_the_whole_timeout(breaker, clock):
    break_it(breaker)
    clock.advance(TIMEOUT)
    breaker.check()
    breaker.record_failure()
    assert breaker.state is CircuitState.OPEN
    clock.advance(TIMEOUT - 0.5)
    with pytest.raises(CircuitOpenError):
        breaker.check()
    clock.advance(0.5)
    breaker.check()


def test_an_abandoned_probe_gives_way_after_the_timeout(breaker, clock):
    break_it(breaker)
    clock.advance(TIMEOUT)
    breaker.check()
    clock.advance(TIMEOUT)
    breaker.check()
    with pytest.raises(CircuitOpenError):
        breaker.check()


def test_a_released_probe_gives_way_at_once(breaker, clock):
    break_it(breaker)
    clock.advance(TIMEOUT)
    breaker.check()
    breaker.release()
    breaker.check()


def test_late_news_leave_an_open_circuit_open(breaker, clock):
    break_it(breaker)
    clock.advance(10)
    breaker.record_success()
    breaker.record_failure()
    assert breaker.state is CircuitState.OPEN
    clock.advance(20)
    assert breaker.state is CircuitState.HALF_OPEN


def test_one_thread_of_many_gets_the_probe(breaker, clock):
    break_it(breaker)
    clock.advance(TIMEOUT)

    def try_it(_):
        try:
            breaker.check()
        except CircuitOpenError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(try_it, range(200))) == 1


class TestGuard:
    def test_a_block_that_ends_well_is_a_success(self, breaker):
        breaker.record_failure()
        breaker.record_failure()
        with breaker.guard():
            pass
        breaker.record_failure()
        assert breaker.state is CircuitState.CLOSED

    def test_faults_of_the_service_are_failures_and_keep_their_type(self, breaker):
        for _ in range(3):
            with pytest.raises(ServiceUnreachableError), breaker.guard():
                raise ServiceUnreachableError("no route")
        assert breaker.state is CircuitState.OPEN
        with pytest.raises(CircuitOpenError), breaker.guard():
            pytest.fail("the block must not run")

    @pytest.mark.parametrize(
        "error", [TokenLimitError("too long", 400), asyncio.CancelledError(), GeneratorExit(), KeyboardInterrupt()]
    )
    def test_what_tells_nothing_gives_the_probe_back(self, breaker, clock, error):
        break_it(breaker)
        clock.advance(TIMEOUT)
        with pytest.raises(type(error)), breaker.guard():
            raise error
        assert breaker.state is CircuitState.HALF_OPEN
        breaker.check()

    def test_an_older_call_does_not_give_back_the_probe_of_another(self, breaker, clock):
        older = breaker.guard()
        older.__enter__()
        break_it(breaker)
        clock.advance(TIMEOUT)
        breaker.check()
        closed = GeneratorExit()
        assert not older.__exit__(GeneratorExit, closed, None)
        with pytest.raises(CircuitOpenError):
            breaker.check()

    def test_refusals_never_open_the_circuit(self, breaker):
        for _ in range(10):
            with pytest.raises(RateLimitError), breaker.guard():
                raise RateLimitError
        assert breaker.state is CircuitState.CLOSED

    @pytest.mark.anyio
    async def test_it_goes_round_a_stream_whose_consumer_leaves(self, breaker, clock):
        async def stream():
            with breaker.guard():
                yield "first"
                yield "second"

        break_it(breaker)
        clock.advance(TIMEOUT)
        deltas = stream()
        assert await anext(deltas) == "first"
        with pytest.raises(CircuitOpenError):
            breaker.check()
        await deltas.aclose()
        assert [delta async for delta in stream()] == ["first", "second"]
        assert breaker.state is CircuitState.CLOSED


@pytest.mark.parametrize(
    "error",
    [
        ServiceUnreachableError("no route"),
        StreamInterruptedError("cut"),
        StreamStalledError("silent"),
        ModelUnavailableError(status_code=503),
        ModelUnavailableError(status_code=502),
        OpenRouterAPIError("oops", 500),
        OpenRouterAPIError("slow", 408),
        OpenRouterAPIError("overloaded", 529),
    ],
    ids=repr,
)
def test_faults_of_the_service(error):
    assert is_service_fault(error)


@pytest.mark.parametrize(
    "error",
    [
        OpenRouterAPIError("bad", 400),
        OpenRouterAPIError("unknown", None),
        AuthenticationError("who?", 401),
        InsufficientCreditsError("poor", 402),
        ModerationError("flagged"),
        ModelUnavailableError(status_code=404),
        TokenLimitError("long", 413),
        RateLimitError(),
        RateLimitError(status_code=503),
        BudgetExceededError("spent", limit_usd=Decimal(1)),
        ValidationError("empty"),
        CircuitOpenError("open"),
        asyncio.CancelledError(),
        GeneratorExit(),
        KeyboardInterrupt(),
        ValueError("a bug of ours"),
    ],
    ids=repr,
)
def test_no_faults_of_the_service(error):
    assert not is_service_fault(error)
