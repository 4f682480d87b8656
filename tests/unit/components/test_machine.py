import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.application.records import Answer
from neuralterm.components import machine
from neuralterm.domain.exceptions import CircuitOpenError, RateLimitError, ValidationError
from neuralterm.domain.models import Cost, CostSource, MessageStatus, TokenUsage

MESSAGE = UUID("018f0000-0000-7000-8000-000000000001")
CONVERSATION = UUID("018f0000-0000-7000-8000-000000000002")
NOON = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)


def an_answer(**fields) -> Answer:
    values = {
        "message_id": MESSAGE,
        "conversation_id": CONVERSATION,
        "requested_model": "openai/gpt-4o-mini:nitro",
        "model": "openai/gpt-4o-mini",
        "content": "Grüße",
        "status": MessageStatus.COMPLETE,
        "cost": Cost(Decimal("4.1E-8"), CostSource.BILLED, upstream_usd=Decimal("0")),
        "created_at": NOON,
    }
    return Answer(**(values | fields))


def test_answer_has_the_promised_keys_in_order():
    assert list(machine.answer_document(an_answer())) == [
        "schema_version",
        "id",
        "conversation_id",
        "run_id",
        "generation_id",
        "model",
        "requested_model",
        "provider",
        "content",
        "reasoning",
        "finish_reason",
        "status",
        "usage",
        "cost",
        "latency_ms",
        "first_token_ms",
        "tags",
        "created_at",
    ]


def test_answer_values_are_json_types():
    usage = TokenUsage(10, 5, 15, reasoning_tokens=2, cached_tokens=3, cache_write_tokens=1)
    document = machine.answer_document(an_answer(usage=usage, tags=("ci", "x"), run_id="r1"))

    assert json.loads(json.dumps(document)) == document
    assert document["schema_version"] == 1
    assert document["id"] == str(MESSAGE)
    assert document["conversation_id"] == str(CONVERSATION)
    assert document["requested_model"] == "openai/gpt-4o-mini:nitro"
    assert document["status"] == "complete"
    assert document["cost"] == {"usd": "0.000000041", "source": "billed", "upstream_usd": "0"}
    assert document["tags"] == ["ci", "x"]
    assert document["created_at"] == "2026-11-23T12:00:00.123Z"
    assert document["usage"] == {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
        "reasoning_tokens": 2,
        "cached_tokens": 3,
        "cache_write_tokens": 1,
    }


def test_unknown_cost_and_usage_are_null_not_zero():
    document = machine.answer_document(an_answer(cost=Cost.unsettled(Decimal("0.01")), usage=None))

    assert document["cost"] == {"usd": None, "source": "unsettled", "upstream_usd": None}
    assert document["usage"] is None


def test_dumps_puts_the_schema_version_first():
    assert machine.dumps({"a": 1}, one_line=True) == '{"schema_version":1,"a":1}'
    assert machine.dumps({"a": 1}) == '{\n  "schema_version": 1,\n  "a": 1\n}'


def test_event_line_begins_with_its_type():
    line = machine.event_line("message.completed", machine.answer_document(an_answer(content="a\nb\u2028c")))

    assert line.startswith('{"type":"message.completed","schema_version":1,"id":')
    assert len(line.splitlines()) == 1
    assert json.loads(line)["content"] == "a\nb\u2028c"


def test_text_stays_readable():
    assert "Grüße 你好 🎉" in machine.dumps({"content": "Grüße 你好 🎉"})


@given(st.text(st.characters()), st.booleans())
def test_any_text_survives_and_can_be_written(text, one_line):
    dumped = machine.dumps({"content": text}, one_line=one_line)

    assert json.loads(dumped)["content"] == text
    assert dumped.encode("utf-8")
    assert not set(dumped) & {chr(code) for code in (*range(0x0A), *range(0x0B, 0x20), *range(0x7F, 0xA0))}


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_money_has_all_digits_and_no_exponent(amount):
    text = machine.money(amount)

    assert text is not None
    assert "e" not in text.lower()
    assert Decimal(text) == amount


def test_money_inside_a_foreign_object_is_a_string():
    document = {
        "pricing": {"prompt": "0.000001", "discount": Decimal("5E-7"), "overrides": ({"min_prompt_tokens": 5},)}
    }

    assert json.loads(machine.dumps(document))["pricing"] == {
        "prompt": "0.000001",
        "discount": "0.0000005",
        "overrides": [{"min_prompt_tokens": 5}],
    }


def test_ids_and_times_are_strings():
    document = json.loads(
        machine.dumps({"id": MESSAGE, "at": NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))})
    )

    assert document == {"schema_version": 1, "id": str(MESSAGE), "at": "2026-11-23T12:00:00.123Z"}


@pytest.mark.parametrize("value", [object(), {1, 2}, b"x"], ids=["object", "set", "bytes"])
def test_what_json_cannot_say_is_an_error(value):
    with pytest.raises(TypeError):
        machine.dumps({"value": value})


def test_not_a_number_is_an_error():
    with pytest.raises(ValueError, match="not JSON compliant"):
        machine.dumps({"value": float("nan")})


def test_none_stays_none():
    assert machine.money(None) is None
    assert machine.moment(None) is None


def test_error_carries_what_a_script_needs():
    document = machine.error_document(
        RateLimitError(retry_after=2.5), exit_code=8, conversation_id=CONVERSATION, cost_usd=Decimal("0.10")
    )

    assert document == {
        "schema_version": 1,
        "error": {
            "code": "RATE_LIMITED",
            "message": "the service limits the rate of requests",
            "exit_code": 8,
            "retryable": True,
            "retry_after": 2.5,
            "cost_usd": "0.1",
            "conversation_id": str(CONVERSATION),
        },
    }


@pytest.mark.parametrize(
    ("error", "exit_code", "code", "retryable"),
    [
        (ValidationError("no"), 2, "INVALID_INPUT", False),
        (ValidationError("no", "INPUT_TOO_LONG"), 2, "INPUT_TOO_LONG", False),
        (CircuitOpenError("no", retry_after=9.0), 8, "CIRCUIT_OPEN", True),
        (RateLimitError("no", retryable=False), 8, "RATE_LIMITED", False),
    ],
)
def test_error_code_and_whether_to_retry(error, exit_code, code, retryable):
    body = machine.error_document(error, exit_code=exit_code)["error"]

    assert (body["code"], body["exit_code"], body["retryable"], body["message"]) == (code, exit_code, retryable, "no")
    assert body["cost_usd"] is None
    assert body["conversation_id"] is None


@given(delta=st.text() | st.text('\x00\x7f\x9f\u2028\u202e\ud800"\\é/', max_size=4))
def test_the_line_of_a_delta_is_that_of_any_event(delta):
    for conversation in (CONVERSATION, None):
        body = {"conversation_id": conversation, "delta": delta}
        assert machine.delta_line("token.generated", conversation, delta) == machine.event_line("token.generated", body)
