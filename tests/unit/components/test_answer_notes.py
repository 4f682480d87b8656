"""What is said of an answer that was cut off here."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest

from neuralterm.application.records import Answer
from neuralterm.components.answer_notes import cut_off_note
from neuralterm.domain.models import Cost, CostSource, MessageStatus

ANSWER = Answer(
    message_id=uuid4(),
    conversation_id=uuid4(),
    requested_model="a/b",
    model="a/b",
    content="half",
    status=MessageStatus.INTERRUPTED,
    cost=Cost(Decimal("0.1"), CostSource.ESTIMATED, Decimal(1)),
    created_at=datetime.now(UTC),
)
STOPS = "note: {} stops billing when the connection closes"
GOES_ON = "note: {} goes on after a disconnect and bills the whole answer"
UNKNOWN = "note: whether {} bills the rest of the answer after a disconnect is not known"


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        ("OpenAI", STOPS),
        ("xAI", STOPS),
        ("DEEPSEEK", STOPS),
        ("Amazon Bedrock", GOES_ON),
        ("Google AI Studio", GOES_ON),
        ("google-vertex", GOES_ON),
        ("Somebody\nnew", UNKNOWN),
    ],
)
def test_it_is_told_what_the_provider_does(provider, words):
    note = cut_off_note(replace(ANSWER, provider=provider), streamed=True)
    assert note == words.format(provider.replace("\n", " "))


def test_an_answer_in_one_piece_is_billed_whole_by_everybody():
    note = cut_off_note(replace(ANSWER, provider="OpenAI"), streamed=False)
    assert note == "note: an answer that is asked for in one piece is billed whole, also after a disconnect"


def test_without_a_provider_nothing_is_known():
    note = cut_off_note(replace(ANSWER, cost=Cost.unsettled(None)), streamed=True)
    assert note == "note: whether the rest of the answer is billed after a disconnect is not known"


@pytest.mark.parametrize(
    "answer",
    [
        None,
        replace(ANSWER, status=MessageStatus.COMPLETE),
        replace(ANSWER, status=MessageStatus.CUT),
        replace(ANSWER, cost=Cost(Decimal("0.1"), CostSource.BILLED, Decimal("0.1"))),
        replace(ANSWER, cost=Cost(Decimal(0), CostSource.COMPUTED, Decimal(0))),
        replace(ANSWER, cost=Cost(Decimal(0), CostSource.ESTIMATED, Decimal(0))),
    ],
    ids=["none", "complete", "cut by the service", "billed", "not sent", "free"],
)
def test_where_nothing_was_cut_off_or_the_cost_is_known_nothing_is_said(answer):
    assert cut_off_note(answer, streamed=True) is None
