"""What one process learns of a service in trouble, the next ones know; waits can be left."""

import os
import re
import signal
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing

import pytest

from .stand_in import MODEL, error, held, text
from .test_send import error_object

DOWN = error(503, "overloaded")
ONCE = ("send", "--retry-for", "0")


@pytest.fixture
def pass_by(data_dir):
    """Let time pass: everything that is known of troubles gets older by so many seconds."""

    def pass_by(seconds):
        columns = {"circuits": ("first_failure", "last_failure", "opened_at", "probe_at"), "rate_limits": ("asked_at",)}
        with closing(sqlite3.connect(os.path.join(data_dir, "neuralterm.db"))) as connection, connection:
            for table, names in columns.items():
                changes = ", ".join(f"{name} = {name} - {round(seconds * 1000)}" for name in names)
                connection.execute(f"UPDATE {table} SET {changes}")

    return pass_by


@pytest.fixture
def broken(service, run, pass_by):
    """The service, with a circuit that five processes have opened."""
    service.scripts = [DOWN]
    assert run(*ONCE, "hi").code == 8
    pass_by(5)
    for _ in range(4):
        assert run(*ONCE, "hi").code == 8
    assert len(service.chats) == 5
    return service


def test_a_loop_over_a_service_that_is_down_fails_fast(broken, start, run, stored):
    began = time.monotonic()
    process = start("send", "--json", "hi")
    _, err = process.communicate(timeout=20)
    assert time.monotonic() - began < 10
    problem = error_object(err.decode())
    assert process.returncode == 8
    assert (problem["code"], problem["exit_code"], problem["retryable"]) == ("CIRCUIT_OPEN", 8, True)
    assert 20 < problem["retry_after"] <= 30
    assert re.fullmatch(
        rf"error: {MODEL} failed 5 times in a row and is left alone for \d\d s more", err.decode().splitlines()[0]
    )
    assert run("send", "hi").code == 8
    assert len(broken.chats) == 5
    assert set(stored("SELECT status, cost, source FROM calls")) == {("failed", 0, "computed")}
    assert stored("SELECT count(*) FROM calls WHERE error_code = 'CIRCUIT_OPEN'") == [(2,)]


def test_another_model_is_asked_and_a_choice_of_several_too(broken, run):
    broken.scripts = [text("here I am")]
    assert run("send", "-m", "small/window", "hi").code == 0
    assert run("send", "--fallback", "small/window", "hi").code == 0
    assert run("send", "hi").code == 8


def test_it_recovers_by_itself(broken, run, pass_by, stored):
    broken.scripts = [text("back again")]
    pass_by(30)
    assert run("send", "hi").out == "back again\n"
    assert stored("SELECT * FROM circuits") == []
    assert run("send", "--no-stream", "hi").code == 0


def test_a_probe_that_fails_is_not_repeated_for_long(broken, run, pass_by):
    pass_by(30)
    result = run("send", "--retry-for", "600", "hi")
    assert (result.code, result.err.splitlines()[0]) == (8, "error: overloaded")
    assert len(broken.chats) == 6


def test_of_many_processes_one_asks_whether_it_works_again(broken, start, pass_by, run):
    gate, seen = threading.Event(), threading.Event()
    broken.scripts = [held(["one ", "at "], gate, ["a time"], seen)]
    pass_by(30)
    processes = [start("send", "hi") for _ in range(4)]
    assert seen.wait(20)
    with ThreadPoolExecutor(4) as pool:
        ended = as_completed([pool.submit(process.wait, 20) for process in processes])
        assert [next(ended).result() for _ in range(3)] == [8, 8, 8]
        gate.set()
        assert next(ended).result() == 0
    assert len(broken.chats) == 6
    assert run("send", "hi").code == 0


def test_a_probe_that_was_killed_gives_way(broken, start, pass_by, run):
    seen, never = threading.Event(), threading.Event()
    broken.scripts = [held(["half an "], never, [], seen), text("whole")]
    pass_by(30)
    process = start("send", "hi")
    assert seen.wait(20)
    assert run("send", "hi").code == 8
    process.kill()
    process.wait()
    assert run("send", "hi").out == "whole\n"
    never.set()


def test_a_service_that_can_not_be_reached_is_left_alone_with_all_its_models(service, run, pass_by):
    service.close()
    run(*ONCE, "hi")
    pass_by(5)
    for _ in range(4):
        assert "can't connect" in run(*ONCE, "hi").err
    result = run("send", "-m", "small/window", "hi")
    assert result.code == 8
    assert re.match(
        r"error: 127\.0\.0\.1:\d+ could not be reached 5 times in a row and is left alone for [45] s", result.err
    )


@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_that_one_process_was_asked_for_is_respected_by_the_next(service, start, run, stored, status):
    service.scripts = [error(status, "slow down", headers=[("Retry-After", "30")]), text("at last")]
    assert start("send", "hi").wait(20) == 8
    result = run("send", "--json", "hi")
    problem = error_object(result.err)
    assert (result.code, problem["code"], problem["retryable"]) == (8, "ASKED_TO_WAIT", True)
    assert 15 < problem["retry_after"] <= 30
    assert result.err.startswith(f"error: the service asked to be left alone with {MODEL} for ")
    assert len(service.chats) == 1
    assert stored("SELECT status, cost FROM calls") == [("failed", 0)] * 2


def test_it_is_waited_for_where_there_is_time(service, run, pass_by, stored):
    service.scripts = [error(429, "slow down", headers=[("Retry-After", "30")]), text("at last")]
    assert run(*ONCE, "hi").code == 8
    pass_by(29)
    result = run("send", "hi")
    assert (result.code, result.out) == (0, "at last\n")
    assert re.fullmatch(
        rf"retry: the service asked to be left alone with {MODEL} for 1 s more \(try 1\); trying again in [01]\.\d s\n",
        result.err,
    )
    assert stored("SELECT status FROM calls ORDER BY number") == [("failed",), ("failed",), ("complete",)]
    assert stored("SELECT * FROM rate_limits") == []


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_wait_can_be_left_at_once(service, start, stored, signum, code):
    service.scripts = [error(429, "slow down", headers=[("Retry-After", "9")])]
    process = start("send", "hi")
    assert process.stderr.readline() == b"retry: slow down (try 1); trying again in 9.0 s\n"
    began = time.monotonic()
    process.send_signal(signum)
    assert (process.wait(20), process.stderr.read()) == (code, b"")
    assert time.monotonic() - began < 3
    assert stored("SELECT status, cost FROM calls") == [("failed", 0)]


def test_the_sandbox_fails_as_often_as_is_wished(run):
    for _ in range(7):
        assert "failed 5 times" not in run("--sandbox", *ONCE, "-m", "sandbox/overloaded", "hi").err
    assert run("--sandbox", *ONCE, "-m", "sandbox/in-flight", "hi").code == 8
    assert run("--sandbox", *ONCE, "-m", "sandbox/echo", "hi").code == 0
