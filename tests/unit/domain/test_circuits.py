"""How long a service that fails is left alone, and that no clock can make it longer."""

from hypothesis import given
from hypothesis import strategies as st

from neuralterm.domain.circuits import LONGEST_WAIT, Circuit, CircuitRules, RateLimit, after_failure

RULES = CircuitRules()
NOW = 1_795_000_000.0
times = st.floats(0, 4_000_000_000)
circuits = st.builds(
    Circuit,
    failures=st.integers(1, 1000),
    first_failure=times,
    last_failure=times,
    opened_at=st.none() | times,
    probe=st.none() | st.just("them"),
    probe_at=st.none() | times,
)


def failing(*moments, rules=RULES):
    circuit = None
    for moment in moments:
        circuit = after_failure(circuit, NOW + moment, rules)
    return circuit


def test_it_opens_after_enough_failures():
    assert failing(0, 1, 2, 3).opened_at is None
    assert failing(0, 1, 2, 3, 4).opened_at == NOW + 4


def test_many_failures_in_one_moment_are_a_moments_failure():
    assert failing(*[0.1 * step for step in range(30)]).opened_at is None
    assert failing(*[0.1 * step for step in range(32)]).opened_at is not None


def test_old_failures_are_forgotten():
    assert failing(0, 1, 2, 3, 700).failures == 1


@given(times, circuits)
def test_no_clock_makes_anybody_wait_longer_than_the_recovery(now, circuit):
    assert 0 <= circuit.wait(now, RULES, lambda _: True) <= RULES.recovery


@given(times, times, st.floats(0, 1e9))
def test_no_clock_makes_anybody_wait_longer_than_was_asked(now, asked_at, seconds):
    assert 0 <= RateLimit(asked_at, seconds).wait(now) <= min(seconds, LONGEST_WAIT)


def test_what_was_written_in_the_future_tells_nothing():
    circuit = failing(0, 1, 2, 3, 4)
    assert circuit.wait(NOW + 4, RULES, bool) == 30
    assert circuit.wait(NOW, RULES, bool) == 0
    assert circuit.is_forgotten(NOW, RULES)
    assert RateLimit(NOW + 100, 60).wait(NOW) == 0


def test_the_probe_of_a_dead_process_is_given_up():
    circuit = failing(0, 1, 2, 3, 4).probed("them", NOW + 40)
    assert circuit.wait(NOW + 41, RULES, lambda _: True) == 29
    assert circuit.wait(NOW + 41, RULES, lambda _: False) == 0
    assert circuit.wait(NOW + 70, RULES, lambda _: True) == 0


def test_only_ones_own_probe_is_given_back():
    circuit = failing(0, 1, 2, 3, 4).probed("them", NOW + 40)
    assert circuit.released("me", NOW + 40) == circuit.released("them", NOW + 39) == circuit
    assert circuit.released("them", NOW + 40).probe is None
