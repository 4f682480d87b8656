"""Records as the use cases make them, with times that are exact to the millisecond."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from neuralterm.application.records import Call
from neuralterm.domain.models import Conversation, Cost, CostSource, Message, MessageRole, MessageStatus, TokenUsage

NOON = datetime(2026, 11, 23, 12, 0, 0, 123000, tzinfo=UTC)
USAGE = TokenUsage(
    prompt_tokens=120,
    completion_tokens=34,
    total_tokens=154,
    reasoning_tokens=10,
    cached_tokens=100,
    cache_write_tokens=5,
    cost=Decimal("0.000123456"),
    upstream_cost=Decimal("0.0009"),
    is_byok=True,
)


def minutes_after_noon(minutes):
    return NOON + timedelta(minutes=minutes)


def conversation(**fields):
    return Conversation(**({"created_at": NOON, "updated_at": NOON} | fields))


def question(thread, content="What is the capital of France?", **fields):
    return Message(conversation_id=thread.id, content=content, **({"created_at": NOON} | fields))


def pending(thread, **fields):
    return Message(
        conversation_id=thread.id,
        role=MessageRole.ASSISTANT,
        status=MessageStatus.PENDING,
        **({"created_at": NOON, "model_id": "openai/gpt-4o-mini"} | fields),
    )


def finished(message, content="Paris.", **fields):
    message.content = content
    message.status = MessageStatus.COMPLETE
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def call(usd=None, source=CostSource.BILLED, at_most=None, upstream=None, **fields):
    if usd is None:
        source = CostSource.UNSETTLED
    cost = Cost(
        None if usd is None else Decimal(usd),
        source,
        None if at_most is None else Decimal(at_most),
        None if upstream is None else Decimal(upstream),
    )
    status = MessageStatus.PENDING if usd is None else MessageStatus.COMPLETE
    return Call(cost=cost, **({"requested_model": "openai/gpt-4o-mini", "status": status, "started_at": NOON} | fields))


def write_journal(repository, answer, *texts, reasoning=""):
    """Journal what came of a pending answer."""
    thread = repository.get_by_id(answer.conversation_id)
    repository.journal.open(answer.id, call(conversation_id=thread.id, message_id=answer.id), thread)
    for text in texts:
        repository.journal.append(answer.id, text)
    repository.journal.append(answer.id, reasoning=reasoning)
