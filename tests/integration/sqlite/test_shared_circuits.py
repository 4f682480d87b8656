"""Circuits on a real file: what one process learns, all know."""

import math
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext, suppress

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from neuralterm.domain import exceptions as exc
from neuralterm.domain.circuits import CircuitRules
from neuralterm.infrastructure.circuit_breaker import CircuitBreaker
from neuralterm.infrastructure.circuit_memory import ASKED_TO_WAIT
from neuralterm.infrastructure.database import Database
from neuralterm.infrastructure.shared_circuits import SharedCircuits
from tests.fakes.processes import FakeProcesses

SERVICE = "https://user:secret@api.example/v1"
MODEL, OTHER = "acme/large", "acme/small"
OVERLOADED = exc.ModelUnavailableError()
UNREACHABLE = exc.ServiceUnreachableError("no route")
NEUTRAL = [
    exc.OpenRouterAPIError("bad", 400),
    exc.ModelUnavailableError(status_code=404),
    exc.RateLimitError(),
    exc.BudgetExceededError("spent", mid_answer=True),
    GeneratorExit(),
    KeyboardInterrupt(),
    RuntimeError("a bug of ours"),
]


class WallClock:
    def __init__(self):
        self.seconds = 1_795_000_000.0

    def __call__(self):
        return self.seconds


class Statements(Database):
    """Counts what it is asked to do."""

    def __init__(self, path):
        super().__init__(path)
        self.asked = []

    def _run(self, sql, parameters, **how):
        self.asked.append(sql)
        return super()._run(sql, parameters, **how)


class Overtaken(Database):
    """Lets somebody else do something just before the next transaction begins."""

    def __init__(self, path, first):
        super().__init__(path)
        self.first = first

    def transaction(self):
        first, self.first = self.first, lambda: None
        first()
        return super().transaction()


class Broken:
    """A database that refuses everything."""

    def query(self, *_):
        raise exc.StorageError("the disk is full")

    transaction = change = query

    def patience(self, _):
        return nullcontext()


class Office:
    """Processes that share a file and a clock."""

    def __init__(self, path):
        self.path, self.clock, self.ended, self.databases = path, WallClock(), set(), []

    def process(self, name="me", service=SERVICE):
        processes = FakeProcesses(name)
        processes.ended = self.ended
        self.databases.append(Database(self.path))
        return SharedCircuits(self.databases[-1], service, processes, self.clock)

    def pass_by(self, seconds):
        self.clock.seconds += seconds

    def rows(self):
        return [self.databases[0].query(f"SELECT count(*) FROM {table}")[0][0] for table in ("circuits", "rate_limits")]

    def close(self):
        for database in self.databases:
            database.close()


@pytest.fixture
def office(tmp_path):
    office = Office(tmp_path / "neuralterm.db")
    yield office
    office.close()


@pytest.fixture
def me(office):
    return office.process("me")


@pytest.fixture
def them(office):
    return office.process("them")


def call(circuits, error=None, model=MODEL):
    """Make one call that ends so; return its circuit."""
    circuit = circuits(model)
    circuit.check()
    circuit.record(error)
    return circuit


def break_it(office, circuits, error=OVERLOADED, model=MODEL):
    for _ in range(4):
        call(circuits, error, model)
        office.pass_by(1)
    return call(circuits, error, model)


def refusal(circuits, model=MODEL):
    with pytest.raises(exc.CircuitOpenError) as caught:
        circuits(model).check()
    return caught.value


class TestOpen:
    def test_what_one_process_has_seen_stops_the_others(self, office, me, them):
        break_it(office, me)
        office.pass_by(6)
        error = refusal(them)
        assert error.message == "acme/large failed 5 times in a row and is left alone for 24 s more"
        assert (error.retry_after, error.code, error.may_wait) == (pytest.approx(24), "CIRCUIT_OPEN", False)
        assert "another model" in error.hint

    def test_another_model_or_service_is_not_stopped(self, office, me, them):
        break_it(office, me)
        call(them, model=OTHER)
        call(office.process("them", service="https://other.example/v1"))

    def test_failures_of_many_processes_add_up(self, office):
        for number in range(5):
            call(office.process(f"p{number}"), OVERLOADED)
            office.pass_by(1)
        refusal(office.process("p5"))

    def test_many_failures_in_the_same_moment_do_not(self, office, me, them):
        for _ in range(40):
            call(me, OVERLOADED)
        call(them)

    def test_a_success_in_between_forgets_them(self, office, me, them):
        for _ in range(3):
            for _ in range(4):
                call(me, OVERLOADED)
                office.pass_by(1)
            call(them)
        assert office.rows() == [0, 0]

    @pytest.mark.parametrize("error", NEUTRAL, ids=repr)
    def test_refusals_and_leaving_never_open_it(self, office, me, error):
        for _ in range(20):
            call(me, error)
            office.pass_by(1)
        assert office.rows() == [0, 0]

    def test_it_is_forgotten_after_a_while(self, office, me, them):
        break_it(office, me)
        office.pass_by(601)
        for circuits in (me, them):
            circuits(MODEL).check()

    @pytest.mark.parametrize("jump", [-86400 * 365, -60, 86400 * 365 * 40])
    def test_a_clock_that_jumps_locks_nobody_out(self, office, me, them, jump):
        break_it(office, me)
        call(me, exc.RateLimitError(retry_after=600.0), OTHER)
        office.pass_by(jump)
        them(MODEL).check()
        them(OTHER).check()


class TestUnreachable:
    def test_it_counts_for_all_models_of_the_service(self, office, me, them):
        break_it(office, me, UNREACHABLE)
        error = refusal(them, OTHER)
        assert error.message == "api.example could not be reached 5 times in a row and is left alone for 5 s more"
        assert "network" in error.hint

    def test_it_is_tried_again_soon(self, office, me, them):
        break_it(office, me, UNREACHABLE)
        office.pass_by(5)
        call(them, model=OTHER)
        me(MODEL).check()

    @pytest.mark.parametrize("error", [exc.OpenRouterAPIError("bad", 400), exc.RateLimitError(), OVERLOADED])
    def test_any_answer_shows_that_somebody_is_there(self, office, me, error):
        for _ in range(4):
            call(me, UNREACHABLE)
            office.pass_by(1)
        call(me, error, OTHER)
        call(me, UNREACHABLE)
        me(MODEL).check()

    def test_a_request_that_got_there_counts_for_its_model(self, office, me, them):
        break_it(office, me, exc.ServiceUnreachableError("broke", request_sent=True))
        assert MODEL in refusal(them).message
        call(them, model=OTHER)


class TestProbe:
    @pytest.fixture(autouse=True)
    def _half_open(self, office, me):
        break_it(office, me)
        office.pass_by(30)

    def test_one_process_probes_and_the_others_are_refused(self, office, me, them):
        me(MODEL).check()
        office.pass_by(1)
        assert refusal(them).retry_after == pytest.approx(29)
        assert refusal(me).retry_after == pytest.approx(29)

    def test_a_good_probe_lets_everybody_through_and_leaves_nothing(self, office, me, them):
        call(me)
        assert office.rows() == [0, 0]
        call(them)

    def test_a_bad_probe_opens_it_anew(self, office, me, them):
        probing = call(me, OVERLOADED)
        assert probing.wait == math.inf
        assert refusal(them).retry_after == pytest.approx(30)

    @pytest.mark.parametrize("error", NEUTRAL, ids=repr)
    def test_a_probe_that_tells_nothing_gives_way_at_once(self, me, them, error):
        call(me, error)
        them(MODEL).check()

    def test_a_dead_process_gives_way_at_once(self, office, me, them):
        me(MODEL).check()
        office.ended.add("me")
        them(MODEL).check()
        refusal(office.process("third"))

    def test_one_that_takes_too_long_gives_way_and_its_late_end_takes_nothing_away(self, office, me, them):
        slow = me(MODEL)
        slow.check()
        office.pass_by(30)
        them(MODEL).check()
        slow.record(GeneratorExit())
        refusal(me)

    def test_who_is_overtaken_between_looking_and_probing_is_refused(self, office, me, them):
        me.database = Overtaken(office.path, lambda: them(MODEL).check())
        assert refusal(me).retry_after == pytest.approx(30)
        me.database.close()

    def test_one_of_many_gets_it(self, office):
        crowd = [office.process(f"p{number}")(MODEL) for number in range(12)]

        def try_it(circuit):
            try:
                circuit.check()
            except exc.CircuitOpenError:
                return False
            return True

        with ThreadPoolExecutor(12) as pool:
            assert sum(pool.map(try_it, crowd)) == 1


class TestWaiting:
    """Who was there when it went down may wait for it; who comes later is refused at once."""

    def test_the_turn_that_saw_it_open_knows_how_long(self, office, me):
        circuit = break_it(office, me)
        assert circuit.wait == 30
        with pytest.raises(exc.CircuitOpenError) as caught:
            circuit.check()
        assert caught.value.may_wait
        assert circuit.wait == 0  # what the refusal says is newer

    def test_a_database_that_fails_stops_nobody(self, office):
        circuits = SharedCircuits(office.path, SERVICE, FakeProcesses(), office.clock)
        circuits.database = Broken()
        for error in (None, OVERLOADED, exc.RateLimitError(retry_after=5.0), KeyboardInterrupt()):
            assert call(circuits, error).wait == 0

    def test_a_database_that_others_hold_is_not_waited_for_long(self, office, me):
        call(me, OVERLOADED)
        with closing(sqlite3.connect(office.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            began = time.monotonic()
            assert call(me, OVERLOADED).wait == 0
            assert time.monotonic() - began < 5


class TestRateLimits:
    @pytest.mark.parametrize(
        "error",
        [
            exc.RateLimitError(retry_after=20.0),
            exc.ModelUnavailableError(retry_after=20.0),
            exc.OpenRouterAPIError("slow", 504, retryable=True, retry_after=20.0),
        ],
        ids=lambda error: str(error.status_code),
    )
    def test_what_one_was_asked_all_respect(self, office, me, them, error):
        call(me, error)
        office.pass_by(5)
        refused = refusal(them)
        assert refused.message == "the service asked to be left alone with acme/large for 15 s more"
        assert (refused.code, refused.retry_after, refused.may_wait) == (ASKED_TO_WAIT, pytest.approx(15), True)
        call(them, model=OTHER)
        office.pass_by(15)
        call(them)
        assert office.rows() == [0, 0]

    def test_the_wait_that_ends_last_counts(self, office, me, them):
        slow = them(MODEL)
        slow.check()
        call(me, exc.RateLimitError(retry_after=20.0))
        slow.record(exc.RateLimitError(retry_after=2.0))
        office.pass_by(3)
        assert refusal(them).retry_after == pytest.approx(17)

    def test_there_is_a_longest_wait(self, office, me, them):
        call(me, exc.RateLimitError(retry_after=86400.0 * 30))
        assert refusal(them).retry_after == pytest.approx(3600)

    def test_it_goes_before_a_probe(self, office, me, them):
        slow = them(MODEL)
        slow.check()
        break_it(office, me)
        slow.record(exc.RateLimitError(retry_after=100.0))
        office.pass_by(40)
        assert refusal(them).code == ASKED_TO_WAIT
        office.pass_by(60)
        call(them)

    @pytest.mark.parametrize("earlier", [None, OVERLOADED], ids=["all was well", "there was trouble"])
    def test_an_answer_that_was_asked_for_before_does_not_end_it(self, me, them, earlier):
        call(me, earlier)
        slow = them(MODEL)
        slow.check()
        call(me, exc.RateLimitError(retry_after=20.0))
        slow.record(None)
        refusal(them)

    @pytest.mark.parametrize(
        "error",
        [
            exc.RateLimitError(retry_after=0.0),
            exc.OpenRouterAPIError("no", 400, retryable=True, retry_after=9),
            exc.RateLimitError("the day is over", retryable=False, retry_after=9000.0),
            exc.RateLimitError("credit is reserved", 402, retry_after=120.0),
        ],
        ids=str,
    )
    def test_nothing_else_is_kept(self, office, me, error):
        call(me, error)
        assert office.rows() == [0, 0]


def test_while_all_is_well_it_reads_once_and_writes_nothing(office, tmp_path):
    database = Statements(tmp_path / "neuralterm.db")
    database.query("SELECT 1")
    database.asked.clear()
    circuits = SharedCircuits(database, SERVICE, FakeProcesses(), office.clock)
    call(circuits)
    call(circuits, exc.OpenRouterAPIError("bad", 400))
    assert len(database.asked) == 2
    plan = database.query(f"EXPLAIN QUERY PLAN {database.asked[0]}", {"service": SERVICE, "model": MODEL})
    assert not [row for row in plan if "SCAN" in row[3] and "CONSTANT" not in row[3]]
    database.close()


def test_what_is_needed_in_trouble_only_is_not_loaded_before():
    program = (
        "import sys, neuralterm.infrastructure.shared_circuits;"
        "print([name for name in sys.modules if name.endswith(('circuit_memory', 'domain.circuits', 'faults'))])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"[]\n"


class SameAsInOneProcess(RuleBasedStateMachine):
    """Many processes that share a circuit see what the threads of one process that share a breaker see."""

    calls = Bundle("calls")

    @initialize()
    def begin(self):
        self.clock = WallClock()
        self.database = Database(":memory:")
        rules = CircuitRules(threshold=3, span=0.0, recovery=30.0, memory=math.inf)
        self.processes = [
            SharedCircuits(self.database, SERVICE, FakeProcesses(name), self.clock, model_rules=rules)
            for name in ("a", "b", "c")
        ]
        self.breaker = CircuitBreaker(3, 30.0, self.clock)

    @rule(target=calls, which=st.integers(0, 2))
    def check(self, which):
        circuit = self.processes[which](MODEL)
        waits = []
        for each in (circuit, self.breaker):
            try:
                each.check()
                waits.append(0.0)
            except exc.CircuitOpenError as error:
                waits.append(error.retry_after)
        assert waits[0] == pytest.approx(waits[1])
        # A success that saw no trouble is not looked at: it may have begun before.
        return circuit if waits[0] == 0 and circuit._troubled else None

    @rule(call=calls)
    def fail(self, call):
        if call is not None:
            call.record(OVERLOADED)
            self.breaker.record_failure()

    @rule()
    def fail_at_once(self):
        with suppress(exc.CircuitOpenError):
            self.breaker.check()
            call(self.processes[0], OVERLOADED)
            self.breaker.record_failure()

    @rule(call=calls)
    def succeed(self, call):
        if call is not None:
            call.record(None)
            self.breaker.record_success()

    @rule(seconds=st.sampled_from([1.0, 10.0, 29.0, 30.0, 31.0]))
    def wait(self, seconds):
        self.clock.seconds += seconds

    @invariant()
    def rows_are_few(self):
        if hasattr(self, "database"):
            assert self.database.query("SELECT count(*) FROM circuits")[0][0] <= 1

    def teardown(self):
        if hasattr(self, "database"):
            self.database.close()


TestSameAsInOneProcess = SameAsInOneProcess.TestCase
TestSameAsInOneProcess.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
