from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.components.chat_status import Status, fitted, status_line, thousands, trend_of
from neuralterm.components.text_width import columns_of
from tests.fakes.chat import ChatWorld
from tests.fakes.client import final

FULL = Status("openai/gpt-4o-mini", "$0.0012", 3100, 128_000, "$0.42", "day budget")


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (100, "openai/gpt-4o-mini · 3.1k of 128k · $0.0012 in this chat · $0.42 left of the day budget"),
        (80, "openai/gpt-4o-mini · 3.1k of 128k · $0.0012 · $0.42 left"),
        (50, "gpt-4o-mini · 3.1k/128k · $0.0012 · $0.42 left"),
        (40, "gpt-4o-mini · $0.0012 · $0.42 left"),
        (25, "$0.0012 · $0.42 left"),
        (10, "$0.0012"),
        (1, "$0.0012"),
    ],
)
def test_what_matters_least_goes_first(width, line):
    assert fitted(FULL, width) == line


def test_costs_are_drawn_where_there_is_room():
    status = Status("a/b", "$0.04", trend=trend_of([Decimal("0.01"), Decimal("0.03")]))
    assert fitted(status, 40) == "a/b · $0.04 in this chat ▃█"
    assert fitted(status, 26) == "a/b · $0.04 in this chat"


def test_only_the_last_costs_are_drawn_and_only_where_they_can_be_compared():
    assert trend_of([Decimal(1)]) == trend_of([Decimal(0)] * 3) == trend_of([]) == ""
    assert trend_of([Decimal(9)] + [Decimal(0), Decimal(1)] * 6) == "▁█" * 6


def test_wide_characters_take_two_columns():
    status = Status("a/b", "$1", left="$2", budget="預算預算")
    assert columns_of(fitted(status, 100)) == 47
    assert "預算" not in fitted(status, 46)


@given(st.text(max_size=40), st.text(max_size=20), st.integers(12, 200))
def test_it_never_takes_more_room_than_there_is(model, budget, width):
    status = Status(model.replace("\n", ""), "$0.01", 10**6, None, "$1.00", budget.replace("\n", ""))
    assert columns_of(fitted(status, width)) <= width


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1k"),
        (3149, "3.15k"),
        (128_000, "128k"),
        (999_499, "999k"),
        (999_500, "1M"),
        (1_048_576, "1.05M"),
    ],
)
def test_thousands(count, words):
    assert thousands(count) == words


@pytest.mark.anyio
async def test_the_line_of_a_chat():
    talk = ChatWorld(["fine", final()], ["fine", final()])
    chat = talk.chat()
    assert status_line(chat.state, 100) == "test/model · $0.00 in this chat"
    await talk.type("hi", chat=chat)
    assert status_line(chat.state, 100) == "test/model · 30 of 8k · $0.00005 in this chat"
    await talk.type("hi", chat=chat)
    assert status_line(chat.state, 100) == "test/model · 30 of 8k · $0.0001 in this chat ██"
