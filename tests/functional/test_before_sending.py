"""What is said of the price before anything is sent: `--dry-run`, `--confirm-above`, `--soft-budget`."""

import json
import signal
from decimal import Decimal

import pytest

from .stand_in import COMPLETION_PRICE, MODEL, PROMPT_PRICE, text
from .terminal import Terminal


def cost_of(prompt_tokens, answer_tokens):
    return prompt_tokens * Decimal(PROMPT_PRICE) + answer_tokens * Decimal(COMPLETION_PRICE)


class TestDryRun:
    def test_it_sends_and_stores_nothing(self, service, run, stored):
        done = run("send", "--dry-run", "--max-tokens", "100", "hello there")
        assert done.code == 0
        assert service.chats == []
        assert stored("SELECT (SELECT count(*) FROM conversations), (SELECT count(*) FROM calls)") == [(0, 0)]
        assert [line.split()[0] for line in done.out.splitlines()] == ["model", "prompt", "answer", "cost"]
        assert "at most 100 tokens" in done.out

    def test_the_document_has_range_and_bound(self, service, run):
        document = json.loads(run("send", "--dry-run", "--json", "--max-tokens", "100", "hello there").out)
        assert (document["schema_version"], document["dry_run"], document["model"]) == (1, True, MODEL)
        tokens, cost = document["prompt_tokens"], document["cost"]
        assert tokens["low"] <= tokens["estimate"] <= tokens["high"] <= tokens["at_most"]
        assert Decimal(cost["low_usd"]) == cost_of(tokens["low"], 1)
        assert Decimal(cost["high_usd"]) == cost_of(tokens["high"], 100)
        assert Decimal(cost["at_most_usd"]) == cost_of(tokens["at_most"], 100)

    def test_once_the_prices_are_here_it_works_offline_and_without_a_key(self, service, run, monkeypatch):
        run("models")
        service.close()
        monkeypatch.delenv("OPENROUTER_API_KEY")
        done = run("send", "--dry-run", "hello")
        assert done.code == 0
        assert "at most $0." in done.out

    def test_where_they_are_not_it_says_so(self, service, run):
        service.close()
        done = run("send", "--dry-run", "--json", "hello")
        assert done.code == 0
        document = json.loads(done.out)
        assert document["cost"] == {"low_usd": None, "high_usd": None, "at_most_usd": None}
        assert "not known" in document["unbounded"]

    def test_a_model_that_nobody_lists_gets_the_ids_that_are_close(self, service, run):
        run("models")
        done = run("send", "--dry-run", "-m", MODEL.replace("-", ""), "hello")
        assert done.code == 0
        assert f"warning: no listed model matches '{MODEL.replace('-', '')}'; did you mean {MODEL}" in done.err

    def test_the_conversation_so_far_is_in_it(self, service, run):
        run("send", "a question that is not short at all, to have a history worth mentioning")
        before = len(service.chats)
        document = json.loads(run("send", "-c", "--dry-run", "--json", "more").out)
        assert len(service.chats) == before
        assert document["messages"] == 3
        assert document["history_share"] > 0.7
        assert "% of it is the conversation so far" in run("send", "-c", "--dry-run", "more").out

    def test_a_budget_that_would_refuse_it_refuses_it(self, service, run):
        done = run("send", "--dry-run", "--json", "--max-cost", "0.0000001", "hello")
        assert done.code == 4
        assert json.loads(done.out)["refused"]["code"] == "BUDGET_EXCEEDED"
        assert "refused by the ceiling" in done.err
        assert service.chats == []

    def test_estimates_learn_from_calls(self, service, run):
        """The stand-in says 400 tokens whatever the prompt is."""
        long = "some words " * 60

        def script(exchange):
            text("ok", usage=exchange.charge(prompt_tokens=400))(exchange)

        service.scripts = [script]
        before = json.loads(run("send", "--dry-run", "--json", long).out)["prompt_tokens"]
        assert (before["learnt_from_calls"], before["estimate"] < 150) == (0, True)
        for _ in range(3):
            assert run("send", "--max-cost", "1", long).code == 0
        after = json.loads(run("send", "--dry-run", "--json", long).out)["prompt_tokens"]
        assert (after["learnt_from_calls"], after["estimate"]) == (3, 400)
        assert "(± 4% over 3 calls)" in run("send", "--dry-run", long).out


class TestConfirmAbove:
    def test_below_nothing_is_asked(self, service, run):
        assert run("send", "--confirm-above", "0.01", "--max-tokens", "100", "hello").code == 0

    def test_above_a_script_is_refused(self, service, run):
        done = run("send", "--json", "--confirm-above", "0.00001", "--max-tokens", "100", "hello")
        assert (done.code, service.chats) == (4, [])
        assert "there is nobody to ask" in done.err
        assert json.loads(done.err.splitlines()[-1])["error"]["code"] == "NOT_CONFIRMED"

    def test_what_can_not_be_told_is_above(self, service, run):
        done = run("send", "-m", "router/auto", "--confirm-above", "100", "hello")
        assert (done.code, service.chats) == (4, [])
        assert "more than can be told in advance" in done.err

    def test_the_environment_can_ask_for_it(self, service, run, monkeypatch):
        monkeypatch.setenv("NEURALTERM_CONFIRM_ABOVE", "0.00001")
        assert run("send", "hello").code == 4
        assert run("send", "--confirm-above", "1", "hello").code == 0

    @pytest.mark.parametrize(("typed", "code", "sent"), [("y\n", 0, 1), ("n\n", 4, 0), ("\n", 4, 0)])
    def test_on_a_terminal_it_is_asked(self, service, typed, code, sent):
        terminal = Terminal("send", "--confirm-above", "0.00001", "--max-tokens", "100", "hello")
        try:
            terminal.expect("Send it? [y/N]")
            terminal.type(typed)
            assert terminal.end()[0] == code
        finally:
            terminal.close()
        assert len(service.chats) == sent

    @pytest.mark.parametrize(("typed", "code"), [("\x03", 130), ("\x04", 4)], ids=["Ctrl-C", "Ctrl-D"])
    def test_the_line_of_a_question_without_an_answer_is_ended(self, service, typed, code):
        terminal = Terminal("send", "--confirm-above", "0.00001", "hello")
        try:
            terminal.expect("Send it? [y/N]")
            terminal.type(typed)
            ended, rest = terminal.end()
        finally:
            terminal.close()
        assert ended == code
        assert rest.partition("\n")[0].strip() in ("", "^C")
        assert rest.endswith("\n")
        assert "Traceback" not in rest

    def test_sigterm_ends_a_question(self, service):
        terminal = Terminal("send", "--confirm-above", "0.00001", "hello")
        try:
            terminal.expect("Send it? [y/N]")
            terminal.process.send_signal(signal.SIGTERM)
            ended, rest = terminal.end()
        finally:
            terminal.close()
        assert (ended, rest) == (143, " \n")


class TestConfirmAboveInChat:
    @pytest.fixture
    def chat(self):
        opened = []

        def chat(*options):
            opened.append(Terminal("chat", "--max-tokens", "100", *options))
            opened[-1].expect("in this chat")
            return opened[-1]

        yield chat
        for terminal in opened:
            terminal.close()

    def test_a_pipe_is_refused_before_the_turn_is_sent(self, service, run, stored):
        done = run("chat", "--confirm-above", "0.00001", stdin="hello\n")
        assert (done.code, service.chats) == (4, [])
        assert "there is nobody to ask" in done.err
        assert stored("SELECT * FROM conversations") == []

    def test_every_turn_counts_with_what_was_said_before(self, service, run):
        """The second prompt is the same, but has the first turn before it."""
        word = "a prompt of a few words"
        limit = format(cost_of(60, 100), "f")
        done = run("chat", "--max-tokens", "100", "--confirm-above", limit, stdin=f"{word}\n{word}\n{word}\n")
        assert done.code == 4
        assert 0 < len(service.chats) < 3

    @pytest.mark.parametrize("place", ["environment", "user file"])
    def test_the_settings_hold(self, service, run, monkeypatch, tmp_path, place):
        if place == "environment":
            monkeypatch.setenv("NEURALTERM_CONFIRM_ABOVE", "0.00001")
        else:
            (tmp_path / "config.toml").write_text("confirm_above = 0.00001\n")
        assert run("chat", stdin="hello\n").code == 4
        assert service.chats == []
        assert run("chat", "--confirm-above", "1", stdin="hello\n").code == 0

    def test_at_a_terminal_it_is_asked_and_the_chat_goes_on(self, service, chat):
        terminal = chat("--confirm-above", "0.00001")
        for typed, said in [("n\r", "not sent; /retry"), ("\x04", "not sent; /retry"), ("\x03", "not sent; /retry")]:
            terminal.type("hello\r")
            terminal.expect("Send it? [y/N]")
            terminal.type(typed)
            assert "\n" in terminal.expect(said)
            terminal.expect("in this chat")
            assert service.chats == []
        terminal.type("hello again\r")
        terminal.expect("Send it? [y/N]")
        terminal.type("y\r")
        terminal.expect("Hello there.")
        terminal.expect("in this chat")
        terminal.type("\x04")
        assert terminal.end()[0] == 0
        assert [message["content"] for message in service.chats[0].body["messages"]] == ["hello again"]


class TestSoftBudget:
    def test_what_has_no_bound_is_let_through_and_said(self, service, run):
        hard = run("send", "-m", "router/auto", "--max-cost", "1", "hello")
        assert (hard.code, service.chats) == (4, [])
        assert "--soft-budget" in hard.err
        soft = run("send", "-m", "router/auto", "--max-cost", "1", "--soft-budget", "hello")
        assert soft.code == 0
        assert "budget: can't be held here" in soft.err

    def test_min_tokens_is_the_shortest_answer_worth_paying_for(self, service, run):
        limit = str(cost_of(60, 200))
        assert run("send", "--max-cost", limit, "--min-tokens", "300", "hello").code == 4
        assert run("send", "--max-cost", limit, "--min-tokens", "100", "hello").code == 0
