"""Budgets that can't be broken and costs that can be trusted, against a service that keeps its own bill."""

import json
import sqlite3
import threading
import time
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from .money_service import (
    BY_HOUR,
    BY_SIZE,
    CHEAP,
    DEAR,
    OTHER_CAP,
    PATIENCE_S,
    PER_MESSAGE,
    PER_PROMPT,
    ROUTED,
    THINKS,
    WITH_FEE,
    Behaviour,
)
from .money_storm import Books, pico, random_jobs, run_all, settle, zone_of_noon

# What a short prompt to the cheap model may cost with a cap of 50 tokens, and what it does cost with an answer of 10.
PROMPT = "job-00 hello"
WORST = (PER_PROMPT + PER_MESSAGE + len(PROMPT)) * Decimal("0.0000001") + 50 * Decimal("0.000002")


@pytest.fixture
def books(money, data_dir):
    return Books(money, data_dir)


@pytest.fixture
def config(tmp_path):
    """Write the user's configuration."""
    return (tmp_path / "config.toml").write_text


@pytest.fixture
def budget(run):
    """Set a budget: `budget("ci", "0.01", "--window", "total")`."""

    def budget(*arguments):
        result = run("cost", "budget", "set", *arguments)
        assert result.code == 0, result.err

    return budget


@pytest.fixture
def ask(run):
    def ask(prompt, *options, model=CHEAP):
        return run("send", "-m", model, "--retry-for", "0", *options, prompt)

    return ask


@pytest.fixture
def report(run):
    def report(*options):
        result = run("cost", "--json", *options)
        assert result.code == 0, result.err
        return json.loads(result.out)

    return report


class TestManyProcesses:
    """Six at once; `test_money_long.py` has more."""

    def test_one_day_budget_holds_whatever_happens(self, money, run, start, books, config, monkeypatch):
        limit = "0.02"
        config(f'timezone = "{zone_of_noon()}"\n[budgets]\nday = {limit}\n')
        money.settle_s = 0.3
        money.bill.watch("day budget", limit)
        run("models", "--refresh")

        outcomes = run_all(start, money, random_jobs(2026, 6))

        report = settle(run, books, money, outcomes)
        (budget,) = report["budgets"]
        assert pico(budget["spent_usd"]) == pico(report["total_usd"])
        assert pico(budget["reserved_usd"]) == pico(report["unsettled"]["at_most_usd"])

    def test_no_more_are_refused_than_needed(self, money, run, start, config):
        """Where all run at once, as many as the limit pays for at their worst; nobody waits."""
        pays_for, gate = 3, threading.Event()
        config(f'timezone = "{zone_of_noon()}"\n[budgets]\nday = {pays_for * WORST}\n')
        money.bill.watch("day budget", pays_for * WORST)
        money.behave = lambda job: Behaviour(tokens=10, gate=gate)
        run("models", "--refresh")
        options = ["-m", CHEAP, "--max-tokens", "50", "--min-tokens", "50", "--budget-wait", "0"]

        processes = [start("send", *options, f"job-{number:02d} hello") for number in range(5)]
        money.wait_until(lambda: len(money.heads) == pays_for)
        refused = []
        while len(refused) < len(processes) - pays_for:
            refused = [process for process in processes if process.poll() is not None]
            threading.Event().wait(0.05)
        gate.set()

        assert [process.wait(PATIENCE_S) for process in refused] == [4] * 2
        assert [process.wait(PATIENCE_S) for process in processes if process not in refused] == [0] * 3
        assert len(money.posts) == pays_for

    def test_with_waiting_all_get_in_that_fit_one_after_the_other(self, money, run, start, config):
        actual = (PER_PROMPT + PER_MESSAGE + len(PROMPT)) * Decimal("0.0000001") + 10 * Decimal("0.000002")
        limit = 2 * actual + WORST
        config(f'timezone = "{zone_of_noon()}"\nmin_tokens = 50\n[budgets]\nday = {limit}\n')
        money.bill.watch("day budget", limit)
        money.behave = lambda job: Behaviour(tokens=10)
        run("models", "--refresh")
        options = ["-m", CHEAP, "--max-tokens", "50", "--budget-wait", "60"]

        processes = [start("send", *options, f"job-{number:02d} hello") for number in range(5)]

        assert sorted(process.wait(PATIENCE_S) for process in processes) == [0] * 3 + [4] * 2
        assert money.bill.total() == 3 * actual


class TestRefusals:
    @pytest.mark.parametrize("model", [CHEAP, DEAR, BY_SIZE, BY_HOUR, WITH_FEE, OTHER_CAP, THINKS])
    def test_what_may_not_fit_is_not_sent(self, money, ask, model):
        result = ask("job-00 " + "x" * 300, "--max-cost", "0.00002", model=model)

        assert result.code == 4
        assert money.posts == []

    @pytest.mark.parametrize("model", [CHEAP, DEAR, BY_SIZE, BY_HOUR, WITH_FEE, OTHER_CAP, THINKS])
    def test_a_ceiling_of_just_the_worst_case_is_used_to_the_full(self, money, ask, stored, model):
        """An answer as long and as dear as it may be costs exactly what was reserved for it."""
        ceiling = Decimal("0.0081")
        money.bill.watch("ceiling", ceiling)

        result = ask("job-00 " + "x" * 300, "--max-cost", str(ceiling), model=model)

        ((at_most, cost),) = stored("SELECT at_most, cost FROM calls")
        assert result.code in (5, 10)
        assert cost == pico(money.bill.total())
        assert cost <= pico(ceiling)
        # A thinking model is expected to think all the time, which it does not do here.
        assert model == THINKS or cost > at_most * 0.98

    @pytest.mark.parametrize("model", [CHEAP, OTHER_CAP])
    def test_the_cap_goes_by_the_name_that_the_model_knows(self, money, ask, model):
        """An endpoint ignores what it does not know, and this one would go on to 400 tokens."""
        money.bill.watch("ceiling", "0.0002")

        assert ask("job-00 hello", "--max-cost", "0.0002", model=model).code == 5
        assert 80 < money.bill.charges[0].work.made < 100

    def test_a_dearer_endpoint_is_refused_by_the_request_itself(self, money, ask, stored, report):
        ask("job-00 hello", "--max-cost", "0.01", model=ROUTED)
        before = money.bill.total()
        money.reroute(ROUTED, completion="0.0000021")

        result = ask("job-01 hello", "--max-cost", "0.01", model=ROUTED)

        assert result.code == 6
        assert len(money.posts) == 2
        assert money.bill.total() == before
        assert stored("SELECT status, cost FROM calls ORDER BY number")[1] == ("failed", 0)
        assert (report()["calls"], pico(report()["total_usd"])) == (1, pico(before))

    def test_a_fee_that_the_list_does_not_have_is_refused_too(self, money, ask):
        ask("job-00 hello", "--max-cost", "0.01", model=ROUTED)
        money.reroute(ROUTED, request="0.5")

        assert ask("job-01 hello", "--max-cost", "0.01", model=ROUTED).code == 6

    def test_without_a_budget_no_ceiling_is_sent(self, money, ask):
        ask("job-00 hello", model=ROUTED)
        money.reroute(ROUTED, completion="0.0000021")

        assert ask("job-01 hello", model=ROUTED).code == 10
        assert "provider" not in money.posts[1]


class TestWhatIsInTheBound:
    def test_the_dearest_of_the_models_that_may_answer(self, money, ask, stored):
        money.bill.watch("ceiling", "0.01")

        result = ask("job-00 hello", "--fallback", DEAR, "--max-cost", "0.01")

        ((at_most, cost),) = stored("SELECT at_most, cost FROM calls")
        assert result.code == 5
        assert money.bill.charges[0].work.model.id == DEAR
        assert at_most * 0.98 < cost == pico(money.bill.total()) <= at_most

    def test_the_history_of_the_conversation(self, money, ask, stored):
        """It grows over the size from which the whole prompt is dearer."""
        money.bill.watch("three ceilings", "0.15")
        codes = []
        for number in range(3):
            continued = ["-c"] if number else []
            codes.append(ask(f"job-{number:02d} hello", *continued, "--max-cost", "0.05", model=BY_SIZE).code)

        assert codes == [10] * 3
        sizes = [charge.work.prompt_tokens for charge in money.bill.charges]
        assert sizes[0] < 400 < sizes[1] < sizes[2]
        rows = stored("SELECT at_most, cost FROM calls ORDER BY number")
        assert [cost for _, cost in rows] == [pico(charge.usd) for charge in money.bill.charges]
        assert all(cost <= at_most for at_most, cost in rows)

    def test_a_schema_that_the_model_reads(self, money, ask, stored):
        schema = json.dumps({"type": "object", "description": "ü" * 500})

        assert ask("job-00 hello", "--schema", schema, "--max-cost", "0.01").code == 10

        ((at_most, cost),) = stored("SELECT at_most, cost FROM calls")
        assert money.bill.charges[0].work.prompt_tokens > 1000
        assert cost == pico(money.bill.total()) <= at_most

    def test_requests_that_are_made_again(self, money, run, stored):
        """Each request has a row of its own, and those that were refused cost nothing."""
        answers = [Behaviour(status=503), Behaviour(status=429), Behaviour()]
        money.behave = lambda job: answers.pop(0)
        money.bill.watch("ceiling", "0.001")

        assert run("send", "-m", CHEAP, "--max-cost", "0.001", "job-00 hello").code == 10

        assert stored("SELECT status, cost FROM calls ORDER BY number") == [
            ("failed", 0),
            ("failed", 0),
            ("truncated", pico(money.bill.total())),
        ]


class TestScopes:
    def test_budgets_by_tag_model_and_conversation(self, money, ask, budget, run, stored):
        money.behave = lambda job: Behaviour(tokens=10)
        ask("job-00 hello", "--tag", "other")
        ((conversation,),) = stored("SELECT id FROM conversations")
        for name, scope in (("t", ("--tag", "ci")), ("m", ("--model", "maker/ch*")), ("c", ("--cid", conversation))):
            budget(name, "0", "--window", "total", *scope)

            inside = {"t": ["--tag", "ci", "-m", DEAR], "m": ["-m", CHEAP], "c": ["--cid", conversation, "-m", DEAR]}
            refused = run("send", "--retry-for", "0", *inside[name], "job-01 hello")

            assert refused.code == 4
            assert f"refused by the budget {name} of $0.00" in refused.err
        assert len(money.posts) == 1
        assert ask("job-02 hello", model=WITH_FEE).code == 0

    @pytest.mark.parametrize("window", ["day", "week", "month", "total"])
    def test_each_window_counts_what_was_spent_in_it(self, money, ask, budget, stored, window):
        money.behave = lambda job: Behaviour(tokens=10)
        budget("own", str(WORST), "--window", window, "--timezone", zone_of_noon())
        options = ["--max-tokens", "50", "--min-tokens", "50"]
        assert ask("job-00 hello", *options).code == 0
        assert ask("job-01 hello", *options).code == 4

        self.move_back(stored, days={"day": 1, "week": 7, "month": 31, "total": 400}[window])

        assert ask("job-02 hello", *options).code == (4 if window == "total" else 0)

    @staticmethod
    def move_back(stored, days):
        ((_, _, path),) = [row for row in stored("PRAGMA database_list") if row[1] == "main"]
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE calls SET started_at = started_at - ?", (days * 86_400_000,))

    def test_the_project_file_only_tightens(self, money, ask, config, tmp_path, monkeypatch):
        config("[budgets]\ntotal = 0.001\n")
        project = tmp_path / "project"
        project.mkdir()
        monkeypatch.chdir(project)
        file = Path(".neuralterm.toml")
        options = ["--max-tokens", "400", "--min-tokens", "400"]

        file.write_text("[budgets]\ntotal = 5\n")
        assert ask("job-00 hello", "--max-tokens", "500", "--min-tokens", "500").code == 4
        file.write_text("[budgets]\ntotal = 0.0001\n")
        assert ask("job-01 hello", *options).code == 4
        assert money.posts == []
        file.unlink()
        assert ask("job-02 hello", *options).code == 10

    def test_a_ceiling_counts_one_invocation_and_not_the_next(self, money, ask):
        money.behave = lambda job: Behaviour(tokens=10)
        for number in range(3):
            assert ask(f"job-{number:02d} hello", "--max-tokens", "50", "--max-cost", str(WORST)).code == 0


class TestCeilingWhileStreaming:
    def test_an_answer_that_ignores_its_cap_is_stopped(self, money, start, books, stored):
        """The service counts as the client does here, so that only the length of the answer is at stake."""
        money.template, money.bytes_per_token = (3, 4), 4
        money.behave = lambda job: Behaviour(tokens=8000, pause=0.002, in_one=1, ignores_cap=True)

        process = start("send", "-m", DEAR, "--max-cost", "0.005", "job-00 hello")
        out, err = process.communicate(timeout=PATIENCE_S)
        money.wait_until_idle()

        assert process.returncode == 5, err
        assert b"stopped" in err
        ((content, status),) = stored("SELECT content, status FROM messages WHERE role = 'assistant'")
        assert status == "stopped"
        assert out.decode().strip() == content.strip()
        # The ceiling pays for about 95 tokens; what is under way when the client stops comes on top.
        assert 60 < len(content.split()) <= 100
        assert money.bill.total() < Decimal("0.02")

    def test_two_that_ignore_their_caps_keep_to_what_each_has_reserved(self, money, run, start, config):
        """Neither may take what the other has reserved; what is under way when the client stops comes on top."""
        each, gate = Decimal("0.002") + 30 * Decimal("0.00005"), threading.Event()
        config(f'timezone = "{zone_of_noon()}"\n[budgets]\nday = {2 * each}\n')
        money.template, money.bytes_per_token = (3, 4), 4
        money.behave = lambda job: Behaviour(tokens=8000, pause=0.01, in_one=1, ignores_cap=True, gate=gate)
        assert run("models", "--refresh").code == 0
        options = ["-m", DEAR, "--max-tokens", "30", "--min-tokens", "30", "--budget-wait", "0"]

        processes = [start("send", *options, f"job-{number:02d} hello") for number in range(2)]
        money.wait_until(lambda: len(money.heads) == 2)
        gate.set()
        codes = [process.wait(PATIENCE_S) for process in processes]
        money.wait_until_idle()

        assert codes == [5, 5]
        assert max(charge.work.made for charge in money.bill.charges) < 100

    def test_what_was_stopped_counts_at_no_less_than_its_bound_until_it_is_known(self, money, ask, run, books):
        money.behave = lambda job: Behaviour(tokens=8000, pause=0.002, in_one=1, ignores_cap=True)
        assert ask("job-00 hello", "--max-cost", "0.005", model=DEAR).code == 5
        money.wait_until_idle()

        assert run("cost", "reconcile").code == 0

        books.assert_settled()


class TestKilled:
    @pytest.fixture
    def killed(self, money, start, stored, journals):
        """Kill a `send` when its journal has the generation id, before anything of the answer has come."""
        gate = threading.Event()
        money.behave = lambda job: Behaviour(tokens=10, gate=gate)
        process = start("send", "-m", CHEAP, "--max-cost", "0.01", PROMPT)
        money.wait_until(lambda: money.heads)
        while f'{{"generation":"{money.heads[0]}"}}' not in "".join(journals()):
            threading.Event().wait(0.02)
        process.kill()
        process.wait()
        money.wait_until_idle()
        money.behave = lambda job: Behaviour(tokens=10)
        return stored

    def test_the_next_command_takes_care_of_its_call(self, money, killed, ask, run, stored):
        known = "SELECT status, source, cost, owner FROM calls WHERE generation_id = ?"
        assert killed("SELECT status, source, cost FROM calls") == [("pending", "unsettled", None)]
        spent = pico(money.bill.total())
        assert spent > 0

        result = run("cost", "reconcile", "--json")

        assert result.code == 0
        assert stored(known, money.heads[0]) == [("interrupted", "reconciled", spent, None)]
        assert stored("SELECT status, cost, cost_source FROM messages WHERE role = 'assistant'") == [
            ("interrupted", spent, "reconciled")
        ]
        assert stored("SELECT total_cost FROM conversations") == [(spent,)]

    def test_send_does_so_too_while_it_waits_for_its_own_answer(self, money, killed, ask, stored):
        asked = money.asked
        money.behave = lambda job: Behaviour(tokens=10, gate=asked)

        assert ask("job-01 hello").code == 0

        ((status, source, cost),) = stored(
            "SELECT status, source, cost FROM calls WHERE generation_id = ?", money.heads[0]
        )
        assert status == "interrupted"
        # What is asked when the own answer ends is let go, so the amount may be left to the next command.
        assert (source, cost) in (("reconciled", pico(money.bill.charges[0].usd)), ("unsettled", None))

    def test_until_it_is_known_it_counts_at_its_bound(self, money, killed, ask, report, run, stored, budget):
        money.settle_s = 1000
        ((bound,),) = stored("SELECT at_most FROM calls")
        options = ["--max-tokens", "400", "--min-tokens", "400"]
        # The next call may cost as much as the killed one was reserved with: together they may not cost a pico-dollar less.
        budget("own", f"{Decimal(2 * bound - 1) / 10**12:f}", "--window", "total")
        assert ask("job-01 hello", *options).code == 4
        assert run("cost", "reconcile", "--wait", "0").code == 0
        assert ask("job-02 hello", *options).code == 4

        budget("own", f"{Decimal(2 * bound) / 10**12:f}")

        assert ask("job-03 hello", *options).code == 0
        assert report()["unsettled"] == {"calls": 1, "at_most_usd": f"{Decimal(bound) / 10**12:f}".rstrip("0")}

    def test_what_came_before_the_kill_is_in_the_history(self, money, start, run, stored):
        money.behave = lambda job: Behaviour(tokens=50, in_one=5, ending="silence", ends_after=5)
        process = start("send", "-m", CHEAP, PROMPT)
        shown = process.stdout.read(10)
        process.kill()
        process.wait()
        money.wait_until_idle()

        assert run("cost", "reconcile").code == 0
        ((conversation,),) = stored("SELECT id FROM conversations")
        result = run("history", "show", conversation, "--json")

        answer = json.loads(result.out)["messages"][-1]
        assert answer["content"].startswith(shown.decode())
        assert answer["status"] == "interrupted"


class TestReconcilingBeside:
    @pytest.fixture
    def open_call(self, money, ask, stored):
        """A call whose price never arrived."""
        money.behave = lambda job: Behaviour(ending="cut", ends_after=20)
        assert ask("job-00 hello", "--max-cost", "0.01").code == 9
        assert stored("SELECT source FROM calls") == [("estimated",)]
        money.wait_until_idle()

    def test_an_older_call_becomes_known_while_send_waits(self, money, open_call, ask, stored):
        """The answer is held back until the older call is known."""
        known = threading.Event()

        def is_known():
            return stored("SELECT source FROM calls WHERE generation_id = ?", money.heads[0]) == [("reconciled",)]

        def look():
            while not is_known() and time.monotonic() < deadline:
                threading.Event().wait(0.02)
            known.set()

        deadline = time.monotonic() + 20
        money.behave = lambda job: Behaviour(tokens=10, gate=known)
        watcher = threading.Thread(target=look)
        watcher.start()
        result = ask("job-01 hello")
        watcher.join()

        assert result.code == 0
        assert is_known()

    def test_a_question_that_nobody_answers_costs_no_time(self, money, open_call, ask):
        money.behave = lambda job: Behaviour(tokens=10)
        money.answers_about_generations.clear()

        began = time.monotonic()
        result = ask("job-01 hello")
        seconds = time.monotonic() - began

        assert result.code == 0
        # The question itself would be given up after ten.
        assert seconds < 5

    def test_several_that_ask_at_once_count_what_they_hear_once(self, money, open_call, start, stored, books):
        money.answers_about_generations.clear()
        processes = [start("cost", "reconcile") for _ in range(3)]
        money.wait_until_asked(3)
        money.answers_about_generations.set()

        assert [process.wait(PATIENCE_S) for process in processes] == [0] * 3

        books.assert_settled()
        spent = pico(money.bill.total())
        assert stored("SELECT sum(cost), count(*) FROM calls") == [(spent, 1)]
        assert stored("SELECT total_cost FROM conversations") == [(spent,)]

    def test_the_key_agrees_with_the_ledger_afterwards(self, money, open_call, run):
        money.behave = lambda job: Behaviour(tokens=10)
        assert run("cost", "reconcile").code == 0

        result = run("cost", "verify", "--strict", "--json")

        assert result.code == 0, result.out


class TestProvenance:
    def test_a_failure_after_the_head_may_have_been_charged(self, money, ask, run, books, report):
        """The prompt was read, and is on the bill: an error in the stream before any text is no free refusal."""
        money.behave = lambda job: Behaviour(ending="error", ends_after=0)
        assert ask("job-00 hello", "--max-cost", "0.01").code == 8
        assert money.bill.total() > 0
        books.assert_covering()
        assert report()["unsettled"]["calls"] == 1

        assert run("cost", "reconcile").code == 0

        books.assert_settled()

    def test_a_refusal_with_an_error_status_is_free(self, money, ask, report):
        money.behave = lambda job: Behaviour(status=503)
        assert ask("job-00 hello", "--max-cost", "0.01").code == 8
        assert (report()["calls"], report()["total_usd"]) == (0, "0")

    @pytest.mark.parametrize("model", [CHEAP, DEAR, BY_SIZE, BY_HOUR, WITH_FEE, THINKS])
    def test_a_cost_that_is_not_told_is_computed_from_the_list(self, money, ask, books, report, model):
        money.behave = lambda job: Behaviour(tokens=33, tells_cost=False)
        assert ask("job-00 " + "x" * 300, "--max-cost", "0.05", model=model).code == 0

        assert pico(report()["by_source"]["computed"]) == pico(money.bill.total())
        books.assert_settled()
