from uuid import uuid4

import pytest

from neuralterm.application.estimates import TokenEstimates
from neuralterm.application.turn import Prompt
from neuralterm.domain.exceptions import StorageError
from neuralterm.domain.models import Message, TokenUsage
from tests.fakes.counter import WordCounter
from tests.fakes.ratios import InMemoryRatioStore

CLAUDE = "anthropic/claude-3.5-sonnet"
LONG = "some words " * 100  # 201 tokens by the counter, 1,100 bytes


def messages(text=LONG):
    return [Message(content=text)]


def prompt(model_id=CLAUDE, text=LONG, tokens=None, metadata=None):
    sent = [Message(content=text, metadata=metadata or {})]
    return Prompt(uuid4(), model_id, None, sent, sent, tokens=tokens)


def reported(tokens):
    return TokenUsage(tokens, 1, tokens + 1)


@pytest.fixture
def store():
    return InMemoryRatioStore()


@pytest.fixture
def estimates(store):
    return TokenEstimates(WordCounter(), store)


class TestWhatIsKnownInGeneral:
    def test_a_family_has_a_factor_and_an_error_bar(self, estimates):
        estimate = estimates.prompt(messages(), CLAUDE)
        assert (estimate.tokens, estimate.samples) == (252, 0)
        assert (estimate.low, estimate.high) == (215, 288)
        assert estimate.error == pytest.approx(0.14, abs=0.01)

    def test_the_known_vocabulary_is_nearly_exact(self, estimates):
        estimate = estimates.prompt(messages(), "openai/gpt-4o")
        assert (estimate.low, estimate.tokens, estimate.high) == (188, 201, 214)

    def test_texts_are_counted_with_the_factor(self, estimates):
        assert estimates.count_tokens("a b c d", CLAUDE) == 5
        assert estimates.count_tokens("a b c d", "openai/gpt-4o") == 4

    def test_a_rough_count_goes_by_size(self, estimates):
        assert estimates.rough_tokens("x" * 400, CLAUDE) == 125
        assert estimates.rough_tokens("\ud800", "openai/gpt-4o") == 1

    def test_without_a_store_it_stays_so(self):
        estimates = TokenEstimates(WordCounter())
        estimates.learn(prompt(tokens=201), reported(402))
        assert estimates.prompt(messages(), CLAUDE).tokens == 252


class TestLearning:
    def test_after_a_few_calls_the_reported_counts_win(self, estimates):
        for native in (396, 402, 408):
            estimates.learn(prompt(tokens=201), reported(native))
        estimate = estimates.prompt(messages(), CLAUDE)
        assert (estimate.tokens, estimate.samples) == (402, 3)
        assert estimate.low < 396
        assert estimate.high > 408
        assert estimates.count_tokens("a b c", CLAUDE) == 6

    def test_calls_that_agree_do_not_make_it_certain(self, estimates):
        for _ in range(3):
            estimates.learn(prompt(tokens=201), reported(402))
        assert 0.05 < estimates.prompt(messages(), CLAUDE).error < 0.12
        for _ in range(200):
            estimates.learn(prompt(tokens=201), reported(402))
        assert estimates.prompt(messages(), CLAUDE).error < 0.02

    def test_where_the_vocabulary_is_known_sizes_teach_nothing(self, estimates):
        for _ in range(3):
            estimates.learn(prompt("openai/gpt-4o"), reported(330))
        assert estimates.prompt(messages(), "openai/gpt-4o").samples == 0

    def test_two_calls_are_not_enough(self, estimates):
        for _ in range(2):
            estimates.learn(prompt(tokens=201), reported(402))
        assert estimates.prompt(messages(), CLAUDE).samples == 0

    def test_other_families_learn_nothing_from_it(self, estimates):
        for _ in range(3):
            estimates.learn(prompt(tokens=201), reported(402))
        assert estimates.prompt(messages(), "google/gemini-2.5-pro").samples == 0

    def test_where_nothing_was_counted_sizes_teach(self, estimates, store):
        for _ in range(3):
            estimates.learn(prompt(), reported(330))
        assert set(store.kept) == {("claude", "bytes")}
        estimate = estimates.prompt(messages("y" * 2000), CLAUDE)
        # 323 tokens for the text of 1,100 bytes, and seven that frame a prompt of one message.
        assert (estimate.tokens, estimate.samples) == (595, 3)
        assert estimates.rough_tokens("y" * 100, CLAUDE) == 30
        assert estimates.prompt(messages("hi"), CLAUDE).tokens == 8

    def test_sizes_that_scatter_teach_less_than_what_is_known(self, estimates):
        for native in (100, 330, 700):
            estimates.learn(prompt(), reported(native))
        assert estimates.prompt(messages(), CLAUDE).samples == 0

    @pytest.mark.parametrize(
        ("sent", "usage"),
        [
            (prompt(tokens=201), None),
            (prompt(tokens=201), reported(0)),
            (prompt(text="short", tokens=2), reported(9)),
            (prompt(tokens=201), reported(20_000)),
            (prompt(tokens=201, metadata={"attachments": [{}]}), reported(402)),
        ],
    )
    def test_some_calls_teach_nothing(self, estimates, store, sent, usage):
        estimates.learn(sent, usage)
        assert store.kept == {}


def test_a_storage_that_fails_costs_only_what_was_learnt():
    class Broken(InMemoryRatioStore):
        def ratio(self, family, basis):
            raise StorageError("the disk is full")

    estimates = TokenEstimates(WordCounter(), Broken())
    assert estimates.rough_tokens("x" * 400, CLAUDE) == 125
    assert estimates.count_tokens("a b c d", CLAUDE) == 5


class TestTheCloseBound:
    """The counter's close bound is its count, the quick one twice that."""

    def test_a_count_is_trusted_until_the_service_says_otherwise(self, estimates):
        assert estimates.close_bound(messages(), CLAUDE) == 201
        assert estimates.quick_bound(messages()) == 402

    def test_more_than_was_counted_takes_the_trust_away(self, estimates):
        for _ in range(3):
            estimates.learn(prompt(tokens=201), reported(240))
        assert estimates.close_bound(messages(), CLAUDE) == 402

    def test_less_does_not(self, estimates):
        for _ in range(3):
            estimates.learn(prompt(tokens=201), reported(180))
        assert estimates.close_bound(messages(), CLAUDE) == 201
