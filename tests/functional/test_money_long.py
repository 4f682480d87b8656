"""Many processes against one wallet: takes minutes, so `make test-long` runs it and nothing else does."""

import pytest

from .money_service import CHEAP
from .money_storm import Books, pico, random_jobs, run_all, settle, zone_of_noon

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PROCESSES = 64


@pytest.fixture
def books(money, data_dir):
    return Books(money, data_dir)


@pytest.fixture
def config(tmp_path, run, money):
    """Write the user's configuration, and load the model list before all want it at once."""

    def config(text):
        (tmp_path / "config.toml").write_text(f'timezone = "{zone_of_noon()}"\n{text}')
        assert run("models", "--refresh").code == 0

    return config


@pytest.mark.parametrize("seed", range(3))
def test_one_day_budget_holds(money, run, start, books, config, seed):
    limit = "0.05"
    config(f"[budgets]\nday = {limit}\n")
    money.settle_s = 1
    money.bill.watch("day budget", limit)

    outcomes = run_all(start, money, random_jobs(seed, PROCESSES))

    settle(run, books, money, outcomes)
    assert run("cost", "verify", "--json").code == 0


@pytest.mark.parametrize("seed", range(10, 12))
def test_one_tag_budget_holds_beside_calls_without_the_tag(money, run, start, books, config, seed):
    limit = "0.02"
    config("")
    assert run("cost", "budget", "set", "ci", limit, "--window", "total", "--tag", "ci").code == 0
    tagged = random_jobs(seed, PROCESSES // 2, ["--tag", "ci"])
    free = random_jobs(seed + 100, PROCESSES // 4, ["--tag", "other"])
    others = [job.named(f"free-{number:02d}") for number, job in enumerate(free)]
    money.settle_s = 1
    money.bill.watch("ci", limit, lambda charge: charge.job.startswith("job-"))

    outcomes = run_all(start, money, [*tagged, *others])

    settle(run, books, money, outcomes)


@pytest.mark.parametrize("seed", range(20, 22))
def test_each_invocation_keeps_its_own_ceiling(money, run, start, books, config, seed):
    limit = "0.004"
    config("")
    money.settle_s = 1
    jobs = random_jobs(seed, PROCESSES, ["--max-cost", limit])
    for job in jobs:
        money.bill.watch(job.name, limit, lambda charge, name=job.name: charge.job == name)

    outcomes = run_all(start, money, jobs)

    settle(run, books, money, outcomes)


def test_a_budget_is_used_to_the_full_by_those_who_wait(money, run, start, books, config):
    """Each of the 64 may cost 100 answers' worth and costs a little: all get in, one after the other if need be."""
    config("budget_wait = 300\nmin_tokens = 400\n[budgets]\nday = 0.002\n")
    money.bill.watch("day budget", "0.002")
    plain = [job.plain(CHEAP, tokens=1) for job in random_jobs(30, PROCESSES)]

    outcomes = run_all(start, money, plain)

    report = settle(run, books, money, outcomes)
    # A prompt of 14 bytes and one token cost 0.0000178 USD.
    assert [outcome.code for outcome in outcomes] == [0] * PROCESSES
    assert pico(report["total_usd"]) == PROCESSES * pico("0.0000178")
