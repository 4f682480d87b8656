import pytest

from neuralterm.application.unknown_model import suggest_models
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.exceptions import OpenRouterAPIError, StorageError


class Listed:
    """A catalogue with a copy of a list."""

    def __init__(self, *ids, error=None):
        self._ids, self._error = ids, error

    def copied(self):
        if self._error:
            raise self._error
        return [OpenRouterModel(each) for each in self._ids]


def hint_after(catalogue, unknown="openai/gpt-4o-mni:nitro", hint="look it up"):
    error = OpenRouterAPIError("no such model", 400, hint=hint)
    error.unknown_model = unknown
    suggest_models(error, catalogue)
    return error.hint


def test_close_ids_come_before_the_hint():
    assert hint_after(Listed("openai/gpt-4o-mini", "x/y")) == "did you mean openai/gpt-4o-mini? look it up"
    assert hint_after(Listed("openai/gpt-4o-mini"), hint=None) == "did you mean openai/gpt-4o-mini?"


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
def test_otherwise_the_hint_stays_as_it_is(catalogue, unknown):
    assert hint_after(catalogue, unknown) == "look it up"
