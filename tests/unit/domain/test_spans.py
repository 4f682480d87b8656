from datetime import timedelta

import pytest

from neuralterm.domain.spans import in_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "seconds"), (59, "seconds"), (60, "1 minute"), (7199, "1 hour"), (7200, "2 hours"), (200_000, "2 days")],
)
def test_spans_in_words(seconds, words):
    assert in_words(timedelta(seconds=seconds)) == words
