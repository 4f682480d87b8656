"""What every model cache does, in memory and on disk."""

from dataclasses import replace
from decimal import Decimal

import pytest

from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.exceptions import StorageError
from neuralterm.infrastructure.model_cache import SQLiteModelCache
from tests.integration.sqlite.samples import NOON, minutes_after_noon

FULL = OpenRouterModel(
    id="author/model:free",
    name="Author: Modèle",
    description="Says things.",
    pricing={
        "prompt": "0.0000000000000000000001",
        "completion": "0.00000060",
        "request": "-1",
        "overrides": [{"min_prompt_tokens": 200000, "prompt": "0.1"}],
        "weird": Decimal("0.25"),
    },
    context_length=128_000,
    canonical_slug="author/model-2026-01-01",
    created=1_700_000_000,
    max_completion_tokens=16_384,
    input_modalities=("text", "image"),
    output_modalities=("text",),
    supported_parameters=("tools",),
    expiration_date="2027-01-01",
)


@pytest.fixture
def cache(storage):
    return storage.models


def test_nothing_stored_is_nothing_found(cache):
    assert cache.load() is None
    assert cache.find("author/model") is None


def test_the_list_comes_back_as_it_was(cache):
    models = [OpenRouterModel("z/last"), FULL, OpenRouterModel("a/first")]

    cache.store(models, NOON)

    assert cache.load() == (models, NOON)
    assert cache.find("author/model:free") == (FULL, NOON)
    assert cache.find("author/model:free")[0].pricing["prompt"] == "0.0000000000000000000001"


def test_an_empty_list_is_a_list(cache):
    cache.store([], NOON)

    assert cache.load() == ([], NOON)


def test_storing_replaces_the_list(cache):
    cache.store([FULL, OpenRouterModel("x/y")], NOON)

    cache.store([OpenRouterModel("a/b")], minutes_after_noon(1))

    assert cache.load() == ([OpenRouterModel("a/b")], minutes_after_noon(1))
    assert cache.find("x/y") is None


def test_an_id_goes_before_a_slug(cache):
    by_slug = OpenRouterModel("other/id", canonical_slug="author/model")
    by_id = OpenRouterModel("author/model")
    cache.store([by_slug, OpenRouterModel("third/id", canonical_slug="dated/slug"), by_id], NOON)

    assert cache.find("author/model") == (by_id, NOON)
    assert cache.find("dated/slug")[0].id == "third/id"


def test_of_repeated_ids_the_first_stays(cache):
    first, second = OpenRouterModel("a/b", name="first"), OpenRouterModel("a/b", name="second")

    cache.store([first, second], NOON)

    assert cache.load() == ([first], NOON)


def test_declared_prices_are_never_kept(cache):
    cache.store([FULL], NOON)

    with pytest.raises(ValueError, match="declared"):
        cache.store([OpenRouterModel("a/b"), replace(FULL, declared_prices=True)], minutes_after_noon(1))

    assert cache.load() == ([FULL], NOON)


def test_an_entry_that_claims_to_be_declared_is_not_believed(database):
    cache = SQLiteModelCache(database)
    cache.store([FULL], NOON)

    database.change("UPDATE models SET entry = ?", ('{"id": "a/b", "declared_prices": true}',))

    assert cache.load() == ([OpenRouterModel("a/b")], NOON)


def test_entries_of_other_versions_are_read_as_far_as_they_go(database):
    cache = SQLiteModelCache(database)
    cache.store([FULL], NOON)

    database.change("UPDATE models SET entry = ?", ('{"id": "a/b", "unheard_of": 1}',))

    assert cache.load() == ([OpenRouterModel("a/b")], NOON)


def test_an_unreadable_entry_is_a_storage_error(database):
    cache = SQLiteModelCache(database)
    cache.store([FULL], NOON)

    database.change("UPDATE models SET entry = '{'")

    with pytest.raises(StorageError, match="damaged"):
        cache.load()


def test_lists_of_two_services_stay_apart(database):
    near, far = (
        SQLiteModelCache(database, "http://localhost:1/v1"),
        SQLiteModelCache(database, "https://far.example/v1"),
    )
    at = NOON
    near.store([OpenRouterModel(id="a/one", pricing={"prompt": "0.1"})], at)
    far.store([OpenRouterModel(id="a/one", pricing={"prompt": "0.2"}), OpenRouterModel(id="a/two")], at)
    assert near.find("a/one")[0].pricing == {"prompt": "0.1"}
    assert far.find("a/one")[0].pricing == {"prompt": "0.2"}
    assert near.find("a/two") is None
    assert [model.id for model in near.load()[0]] == ["a/one"]
    assert SQLiteModelCache(database, "third").load() is None
