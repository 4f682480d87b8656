from datetime import UTC, datetime

import pytest

from neuralterm.application.catalogue import Listing
from neuralterm.application.unknown_model import suggest_models, unmatched
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.exceptions import NotFoundError, OpenRouterAPIError, StorageError


class Listed:
    """A catalogue with a copy of a list."""

    def __init__(self, *ids, error=None):
        self._ids, self._error = ids, error

    def copied(self):
        if self._error:
            raise self._error
        return [OpenRouterModel(each) for each in self._ids]

    async def listing(self):
        raise NotFoundError("no list")


class Unfetched:
    """A catalogue that has no copy yet."""

    def copied(self):
        return []

    async def listing(self):
        return Listing([OpenRouterModel("openai/gpt-4o-mini")], datetime.now(UTC), stale=False)


async def hint_after(catalogue, unknown="openai/gpt-4o-mni:nitro", hint="look it up"):
    error = OpenRouterAPIError("no such model", 400, hint=hint)
    error.unknown_model = unknown
    await suggest_models(error, catalogue)
    return error.hint


@pytest.mark.anyio
async def test_the_service_is_asked_where_no_list_is_kept():
    assert await hint_after(Unfetched()) == "did you mean openai/gpt-4o-mini? look it up"


@pytest.mark.anyio
async def test_close_ids_come_before_the_hint():
    assert await hint_after(Listed("openai/gpt-4o-mini", "x/y")) == "did you mean openai/gpt-4o-mini? look it up"
    assert await hint_after(Listed("openai/gpt-4o-mini"), hint=None) == "did you mean openai/gpt-4o-mini?"


@pytest.mark.parametrize(
    ("catalogue", "unknown"),
    [
        (Listed(), "openai/gpt-4o-mni"),
        (Listed("x/y"), "openai/gpt-4o-mni"),
        (Listed("openai/gpt-4o-mini"), "openai/gpt-4o-mini:nitro"),
        (Listed("openai/gpt-4o-mini"), None),
        (Listed(error=StorageError("locked")), "openai/gpt-4o-mni"),
        (None, "openai/gpt-4o-mni"),
        (object(), "openai/gpt-4o-mni"),
    ],
    ids=[
        "no list",
        "nothing close",
        "listed",
        "another fault",
        "no database",
        "no catalogue",
        "a catalogue without a copy",
    ],
)
@pytest.mark.anyio
async def test_otherwise_the_hint_stays_as_it_is(catalogue, unknown):
    assert await hint_after(catalogue, unknown) == "look it up"


@pytest.mark.parametrize("pattern", ["openai/gpt-4o-mini", "OpenAI/*", "*", "openai/gpt-4o-mini:nitro*", "a/dated-*"])
def test_a_pattern_that_matches_needs_no_words(pattern):
    models = [
        OpenRouterModel("openai/gpt-4o-mini"),
        OpenRouterModel("openai/gpt-4o-mini:nitro-x"),
        OpenRouterModel("a/b", canonical_slug="a/dated-20260101"),
    ]

    assert unmatched(pattern, models) is None
    assert unmatched(pattern, []) is None


def test_a_pattern_that_matches_nothing_is_told_with_what_is_close():
    models = [OpenRouterModel("openai/gpt-4o-mini")]

    assert unmatched("openai/gpt-4o-mni", models) == (
        "no listed model matches 'openai/gpt-4o-mni'; did you mean openai/gpt-4o-mini?"
    )
    assert unmatched("zzz/*", models) == "no listed model matches 'zzz/*'"
