import pytest

from neuralterm.domain.ratios import Ratio
from neuralterm.infrastructure.ratio_store import SQLiteRatioStore
from tests.fakes.ratios import InMemoryRatioStore


@pytest.fixture(params=["memory", "sqlite"])
def store(request, database):
    return SQLiteRatioStore(database) if request.param == "sqlite" else InMemoryRatioStore()


def test_nothing_is_known_at_first(store):
    assert store.ratio("claude", "tokens") is None


def test_samples_add_up_to_mean_and_spread(store):
    for value in (1.0, 1.5, 2.0):
        store.add_sample("claude", "tokens", value)
    store.add_sample("claude", "bytes", 0.25)
    store.add_sample("gemini", "tokens", 9.0)
    ratio = store.ratio("claude", "tokens")
    assert (ratio.samples, ratio.mean, ratio.spread) == (3, pytest.approx(1.5), pytest.approx(0.5))
    assert store.ratio("claude", "bytes") == Ratio(1, 0.25)


def test_another_process_adds_to_the_same(database):
    SQLiteRatioStore(database).add_sample("claude", "tokens", 1.0)
    SQLiteRatioStore(database.path).add_sample("claude", "tokens", 2.0)
    assert SQLiteRatioStore(database).ratio("claude", "tokens").mean == 1.5
