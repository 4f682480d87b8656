"""What a conversation is made of."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID, uuid4

from neuralterm.domain.model_ids import DEFAULT_MODEL
from neuralterm.domain.money import EXACT, plain
from neuralterm.domain.record import field, record
from neuralterm.domain.zones import utc_now


class MessageRole(str, Enum):
    """Who speaks."""

    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"
    TOOL = "tool"


# Keys of `Message.metadata`: something in the stored message could not be understood; the id of the message that this one,
# in a fork, is a copy of; the records of what is attached to it (see `domain.attachments`).
DAMAGED = "damaged"
COPIED_FROM = "copied_from"
ATTACHMENTS = "attachments"


class MessageStatus(str, Enum):
    """How far an answer got. User and system messages are always complete."""

    PENDING = "pending"  # asked for, not ended: running now, or its process died
    COMPLETE = "complete"
    TRUNCATED = "truncated"  # ended by its token cap or by a content filter
    CUT = "cut"  # the stream broke, stalled, or carried an error
    INTERRUPTED = "interrupted"  # the user or the reading program stopped it
    STOPPED = "stopped"  # a budget stopped it
    FAILED = "failed"  # nothing was delivered


class CostSource(str, Enum):
    """Where an amount comes from, best first."""

    BILLED = "billed"  # the service said so in its reply
    RECONCILED = "reconciled"  # the service said so later
    COMPUTED = "computed"  # its token counts times its list price
    ESTIMATED = "estimated"  # tokens counted here times its list price
    UNSETTLED = "unsettled"  # not known yet


# Where an amount that is known may come from; of these, what is certain enough to replace a bound.
KNOWN_SOURCES = (CostSource.BILLED, CostSource.RECONCILED, CostSource.COMPUTED, CostSource.ESTIMATED)
CERTAIN_SOURCES = (CostSource.BILLED, CostSource.RECONCILED, CostSource.COMPUTED)


@record
class Cost:
    """An amount in USD and where it comes from.

    `usd` is None exactly when `source` is unsettled. `at_most_usd` bounds what was or may still be charged (None: no
    bound is known). `upstream_usd` is what a provider charged to the user's own provider key, apart from `usd`.
    """

    usd: Decimal | None
    source: CostSource
    at_most_usd: Decimal | None = None
    upstream_usd: Decimal | None = None

    @classmethod
    def unsettled(cls, at_most_usd: Decimal | None = None) -> Cost:
        """Return a cost that is not known yet."""
        return cls(None, CostSource.UNSETTLED, at_most_usd)


@record
class TokenUsage:
    """Token counts of one answer, in the model's own tokens.

    `prompt_tokens` includes `cached_tokens` and `cache_write_tokens`; `completion_tokens` includes `reasoning_tokens`.
    `cost` is what the service says it charged, in USD; None when it did not say. `upstream_cost` is what the provider
    charged to the user's own provider key (`is_byok`), in USD.
    """

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cost: Decimal | None = None
    upstream_cost: Decimal | None = None
    is_byok: bool = False

    def calculate_cost(self, prompt_price_per_1k: Decimal, completion_price_per_1k: Decimal) -> Decimal:
        """Return the cost in USD at prices in USD per 1,000 tokens, exactly; caches and fees are not considered."""
        thousandths = EXACT.add(
            EXACT.multiply(Decimal(self.prompt_tokens), Decimal(prompt_price_per_1k)),
            EXACT.multiply(Decimal(self.completion_tokens), Decimal(completion_price_per_1k)),
        )
        return EXACT.divide(thousandths, Decimal(1000))


@record(frozen=False)
class Message:
    """One turn of a conversation. `cost` is in USD, None when it is not known; `latency_ms` is wall time.

    What is withdrawn is kept, and no longer part of what the model sees.
    """

    id: UUID = field(default_factory=uuid4)
    conversation_id: UUID | None = None
    role: MessageRole = MessageRole.USER
    content: str = ""
    token_usage: TokenUsage | None = None
    cost: Decimal | None = None
    latency_ms: int | None = None
    model_id: str | None = None
    status: MessageStatus = MessageStatus.COMPLETE
    cost_source: CostSource | None = None
    finish_reason: str | None = None
    reasoning: str | None = None
    created_at: datetime = field(default_factory=utc_now)
    metadata: dict[str, Any] = field(default_factory=dict)
    withdrawn_at: datetime | None = None


def is_unsettled(message: Message) -> bool:
    """Say whether a message costs something that is not known yet."""
    return message.cost_source is CostSource.UNSETTLED or message.status is MessageStatus.PENDING


@record(frozen=False)
class Conversation:
    """A thread of messages. `total_cost` is in USD and counts known amounts only.

    `deleted_at` is when it was put into the trash, `forked_from` the conversation whose messages it began with.
    """

    id: UUID = field(default_factory=uuid4)
    title: str | None = None
    model_id: str = DEFAULT_MODEL
    created_at: datetime = field(default_factory=utc_now)
    updated_at: datetime = field(default_factory=utc_now)
    total_cost: Decimal = Decimal(0)
    total_tokens: int = 0
    tags: tuple[str, ...] = ()
    deleted_at: datetime | None = None
    forked_from: UUID | None = None

    def update_cost(self, cost: Decimal) -> None:
        """Add the cost of one message, in USD."""
        self.total_cost = EXACT.add(self.total_cost, cost)
        self.updated_at = utc_now()

    def to_dict(self) -> dict[str, Any]:
        """Return the conversation in JSON types: ids, amounts and times are strings."""
        return {
            "id": str(self.id),
            "title": self.title,
            "model_id": self.model_id,
            "created_at": iso_utc(self.created_at),
            "updated_at": iso_utc(self.updated_at),
            "total_cost": plain(self.total_cost),
            "total_tokens": self.total_tokens,
            "tags": list(self.tags),
        }


def iso_utc(moment: datetime) -> str:
    """Write a time as ISO 8601 UTC with milliseconds, `2026-11-23T13:04:50.123Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
