import dataclasses
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.model_ids import without_dynamic_suffix
from neuralterm.domain.models import Conversation, Cost, CostSource, Message, MessageRole, TokenUsage, iso_utc
from neuralterm.domain.money import EXACT


def test_roles_are_texts():
    assert [MessageRole.USER, MessageRole.ASSISTANT, MessageRole.SYSTEM] == ["user", "assistant", "system"]
    assert MessageRole("tool") is MessageRole.TOOL


def test_a_message_knows_nothing_it_was_not_told():
    message = Message(content="hi")
    assert (message.token_usage, message.cost, message.latency_ms, message.model_id) == (None, None, None, None)
    assert message.id != Message(content="hi").id
    assert message.created_at.tzinfo is UTC


def test_usage_is_immutable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TokenUsage(1, 2, 3).prompt_tokens = 5


def test_cost_of_a_usage_at_prices_per_thousand():
    usage = TokenUsage(prompt_tokens=1000, completion_tokens=500, total_tokens=1500)
    assert usage.calculate_cost(Decimal("0.03"), Decimal("0.06")) == Decimal("0.06")
    assert TokenUsage(0, 0, 0).calculate_cost(Decimal("0.03"), Decimal("0.06")) == 0


@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**25), st.integers(0, 10**25))
def test_the_cost_of_a_usage_is_exact(prompt, completion, prompt_price, completion_price):
    """Integers of 10**-22 USD per token tell what the exact amount is."""
    cost = TokenUsage(prompt, completion, prompt + completion).calculate_cost(
        Decimal(prompt_price).scaleb(-22 + 3), Decimal(completion_price).scaleb(-22 + 3)
    )
    assert int(EXACT.scaleb(cost, 22)) == prompt * prompt_price + completion * completion_price


def test_an_unsettled_cost_is_not_zero():
    cost = Cost.unsettled(Decimal("0.5"))
    assert (cost.usd, cost.source, cost.at_most_usd) == (None, CostSource.UNSETTLED, Decimal("0.5"))
    assert Cost.unsettled().at_most_usd is None


def test_a_conversation_adds_up_exactly():
    conversation = Conversation()
    before = conversation.updated_at
    for _ in range(10):
        conversation.update_cost(Decimal("0.1"))
    assert conversation.total_cost == 1
    assert conversation.updated_at >= before


def test_a_conversation_in_json_types():
    moment = datetime(2026, 11, 23, 13, 4, 50, 123456, tzinfo=UTC)
    conversation = Conversation(
        id=UUID(int=7),
        title="t",
        model_id="m",
        created_at=moment,
        updated_at=moment,
        total_cost=Decimal("1E-7"),
        total_tokens=3,
        tags=("a",),
    )
    assert conversation.to_dict() == {
        "id": "00000000-0000-0000-0000-000000000007",
        "title": "t",
        "model_id": "m",
        "created_at": "2026-11-23T13:04:50.123Z",
        "updated_at": "2026-11-23T13:04:50.123Z",
        "total_cost": "0.0000001",
        "total_tokens": 3,
        "tags": ["a"],
    }


def test_times_are_written_in_utc():
    vienna = timezone(timedelta(hours=1))
    assert iso_utc(datetime(2026, 1, 1, 0, 30, tzinfo=vienna)) == "2025-12-31T23:30:00.000Z"


class TestModels:
    def test_prices_are_per_thousand_tokens(self):
        model = OpenRouterModel("a/b", pricing={"prompt": "0.00000015", "completion": "0.0000006"})
        assert (model.prompt_price, model.completion_price) == (Decimal("0.00015"), Decimal("0.0006"))

    @pytest.mark.parametrize("pricing", [{}, {"prompt": "-1", "completion": "-1"}, {"prompt": None, "completion": ""}])
    def test_what_is_no_price_is_none(self, pricing):
        model = OpenRouterModel("openrouter/auto", pricing=pricing)
        assert (model.prompt_price, model.completion_price) == (None, None)
        assert model.prices.varies

    @pytest.mark.parametrize(
        ("window", "own", "prompt_tokens", "limit"),
        [
            (None, None, 10, None),
            (None, 50, 10, 50),
            (8000, 50, 10, 50),
            (8000, None, 10, 7990),
            (8000, 8000, 10, 7990),
            (8000, 8000, 7990, 500),
            (1000, None, 990, 250),
            (8000, None, 0, 8000),
        ],
    )
    def test_the_longest_answer_leaves_room_for_the_prompt(self, window, own, prompt_tokens, limit):
        model = OpenRouterModel("a/b", context_length=window, max_completion_tokens=own)
        assert model.output_limit(prompt_tokens) == limit

    def test_author(self):
        assert OpenRouterModel("openai/gpt-4o").author == "openai"
        assert OpenRouterModel("~openai/gpt-latest").author == "openai"

    @pytest.mark.parametrize(
        ("written", "listed"),
        [
            ("a/b", "a/b"),
            ("a/b:free", "a/b:free"),
            ("a/b:nitro", "a/b"),
            ("a/b:free:online", "a/b:free"),
            ("a/b:online:floor", "a/b"),
            (":nitro", ":nitro"),
        ],
    )
    def test_dynamic_suffixes_are_not_listed(self, written, listed):
        assert without_dynamic_suffix(written) == listed
