"""Conversations, messages and calls as rows."""

from __future__ import annotations

from enum import Enum
from typing import Any, TypeVar
from uuid import UUID

from neuralterm.application.records import Call
from neuralterm.domain.exceptions import StorageError
from neuralterm.domain.models import (
    DAMAGED,
    Conversation,
    Cost,
    CostSource,
    Message,
    MessageRole,
    MessageStatus,
    TokenUsage,
)
from neuralterm.domain.money import from_pico
from neuralterm.domain.text import join_surrogates
from neuralterm.infrastructure.amounts import from_amount, to_amount, to_bound
from neuralterm.infrastructure.columns import from_id, from_json, from_ms, to_id, to_json, to_ms

CONVERSATION_COLUMNS = (
    *("id", "title", "model_id", "created_at", "updated_at", "total_cost", "total_tokens", "deleted_at", "forked_from"),
    "tags",
)
# The columns of a conversation, in a query in which it is called `c`.
CONVERSATION = """
    SELECT c.id, c.title, c.model_id, c.created_at, c.updated_at, c.total_cost, c.total_tokens, c.deleted_at, c.forked_from,
           (SELECT json_group_array(tag)
            FROM (SELECT tag FROM conversation_tags WHERE conversation_id = c.id ORDER BY position))
"""
_USAGE_COLUMNS = (
    *("prompt_tokens", "completion_tokens", "total_tokens", "reasoning_tokens", "cached_tokens", "cache_write_tokens"),
    *("charged", "upstream", "is_byok"),
)
MESSAGE_COLUMNS = (
    *("id", "conversation_id", "role", "content", "status", "model_id", "created_at", "finish_reason", "reasoning"),
    *("cost", "cost_source", "latency_ms", "metadata"),
    *_USAGE_COLUMNS,
    "withdrawn_at",
)
_Kind = TypeVar("_Kind", bound=Enum)


def conversation_parameters(conversation: Conversation) -> dict[str, Any]:
    """Return the columns of a conversation by name, its tags apart."""
    return {
        "id": str(conversation.id),
        "title": conversation.title,
        "model_id": conversation.model_id,
        "created_at": to_ms(conversation.created_at),
        "updated_at": to_ms(conversation.updated_at),
        "total_cost": to_amount(conversation.total_cost),
        "total_tokens": conversation.total_tokens,
        "forked_from": to_id(conversation.forked_from),
    }


def conversation_from(row: tuple[Any, ...]) -> Conversation:
    """Return a conversation from `CONVERSATION_COLUMNS`."""
    identity, title, model_id, created_at, updated_at, total_cost, total_tokens, deleted_at, forked_from, tags = row
    return Conversation(
        id=UUID(identity),
        title=title,
        model_id=model_id,
        created_at=from_ms(created_at),
        updated_at=from_ms(updated_at),
        total_cost=from_pico(total_cost),
        total_tokens=total_tokens,
        tags=tuple(from_json(tags)),
        deleted_at=None if deleted_at is None else from_ms(deleted_at),
        forked_from=from_id(forked_from),
    )


def message_parameters(message: Message) -> dict[str, Any]:
    """Return the columns of a message by name, its position apart."""
    return usage_parameters(message.token_usage) | {
        "id": str(message.id),
        "conversation_id": to_id(message.conversation_id),
        "role": message.role.value,
        "content": message.content,
        "status": message.status.value,
        "model_id": message.model_id,
        "created_at": to_ms(message.created_at),
        "finish_reason": message.finish_reason,
        "reasoning": message.reasoning,
        "cost": to_amount(message.cost),
        "cost_source": None if message.cost_source is None else message.cost_source.value,
        "latency_ms": message.latency_ms,
        "metadata": to_json(message.metadata),
    }


def message_from(row: tuple[Any, ...]) -> Message:
    """Return a message from `MESSAGE_COLUMNS`.

    Where something in it can't be understood, its metadata say `DAMAGED`.
    """
    identity, conversation_id, role, content, status, model_id, created_at, finish_reason, reasoning = row[:9]
    cost, cost_source, latency_ms, written = row[9:13]
    metadata = _json_or(None, written)
    is_damaged = not isinstance(metadata, dict)
    for kind, value in ((MessageRole, role), (MessageStatus, status), (CostSource, cost_source)):
        is_damaged |= value is not None and _known(kind, value) is None
    if is_damaged:
        metadata = (metadata if isinstance(metadata, dict) else {}) | {DAMAGED: True}
    return Message(
        id=UUID(identity),
        conversation_id=UUID(conversation_id),
        role=_known(MessageRole, role) or MessageRole.ASSISTANT,
        content=content,
        token_usage=_usage_from(row[13:22]),
        cost=from_amount(cost),
        latency_ms=latency_ms,
        model_id=model_id,
        status=status_from(status),
        cost_source=None if cost_source is None else _source_from(cost_source),
        finish_reason=finish_reason,
        reasoning=reasoning,
        created_at=from_ms(created_at),
        metadata=metadata,
        withdrawn_at=None if row[22] is None else from_ms(row[22]),
    )


def status_from(written: str) -> MessageStatus:
    """Return a status; one that is not known here counts as that of an answer without its end."""
    return _known(MessageStatus, written) or MessageStatus.INTERRUPTED


def _source_from(written: str) -> CostSource:
    return _known(CostSource, written) or CostSource.UNSETTLED


def _known(kind: type[_Kind], written: str) -> _Kind | None:
    try:
        return kind(written)
    except ValueError:  # damaged, or of a newer version
        return None


def _json_or(otherwise: Any, written: str) -> Any:
    """Read JSON; what can't be read must not make the rest unreadable."""
    try:
        return from_json(written)
    except StorageError:
        return otherwise


def usage_parameters(usage: TokenUsage | None) -> dict[str, Any]:
    """Return the columns of a usage by name; all None when there is none."""
    return {
        "prompt_tokens": usage and usage.prompt_tokens,
        "completion_tokens": usage and usage.completion_tokens,
        "total_tokens": usage and usage.total_tokens,
        "reasoning_tokens": usage and usage.reasoning_tokens,
        "cached_tokens": usage and usage.cached_tokens,
        "cache_write_tokens": usage and usage.cache_write_tokens,
        "charged": usage and to_amount(usage.cost),
        "upstream": usage and to_amount(usage.upstream_cost),
        "is_byok": usage and usage.is_byok,
    }


def _usage_from(columns: tuple[Any, ...]) -> TokenUsage | None:
    prompt, completion, total, reasoning, cached, cache_write, charged, upstream, is_byok = columns
    if prompt is None:
        return None
    return TokenUsage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=total,
        reasoning_tokens=reasoning,
        cached_tokens=cached,
        cache_write_tokens=cache_write,
        cost=from_amount(charged),
        upstream_cost=from_amount(upstream),
        is_byok=bool(is_byok),
    )


CALL_COLUMNS = (
    *(
        "id",
        "conversation_id",
        "message_id",
        "run_id",
        "generation_id",
        "requested_model",
        "model",
        "provider",
        "status",
    ),
    *(
        "started_at",
        "cost",
        "source",
        "at_most",
        "upstream",
        "latency_ms",
        "first_token_ms",
        "finish_reason",
        "error_code",
    ),
    *("service", "owner", "tags"),
    *("prompt_tokens", "completion_tokens", "total_tokens", "reasoning_tokens", "cached_tokens", "cache_write_tokens"),
)


def call_parameters(call: Call) -> dict[str, Any]:
    """Return the columns of a call by name, and more of its usage."""
    return usage_parameters(call.usage) | {
        "id": str(call.id),
        "conversation_id": to_id(call.conversation_id),
        "message_id": to_id(call.message_id),
        "run_id": call.run_id,
        "generation_id": call.generation_id,
        "requested_model": call.requested_model,
        "model": call.model,
        "provider": call.provider,
        "status": call.status.value,
        "started_at": to_ms(call.started_at),
        "cost": to_amount(call.cost.usd),
        "source": call.cost.source.value,
        "at_most": to_bound(call.cost.at_most_usd),
        "upstream": to_amount(call.cost.upstream_usd),
        "latency_ms": call.latency_ms,
        "first_token_ms": call.first_token_ms,
        "finish_reason": call.finish_reason,
        "error_code": call.error_code,
        "service": call.service,
        "owner": call.owner,
        "tags": to_json(sorted({join_surrogates(tag) for tag in call.tags})),
    }


def call_from(row: tuple[Any, ...]) -> Call:
    """Return a call from `CALL_COLUMNS`; its usage has token counts only, its tags come in alphabetical order."""
    column = dict(zip(CALL_COLUMNS, row, strict=True))
    cost = (from_amount(column[name]) for name in ("cost", "at_most", "upstream"))
    usd, at_most, upstream = cost
    as_they_are = ("run_id", "generation_id", "requested_model", "model", "provider", "finish_reason", "error_code")
    return Call(
        id=UUID(column["id"]),
        conversation_id=from_id(column["conversation_id"]),
        message_id=from_id(column["message_id"]),
        cost=Cost(usd, _source_from(column["source"]), at_most, upstream),
        status=status_from(column["status"]),
        usage=_usage_from((*row[-6:], None, None, None)),
        latency_ms=column["latency_ms"],
        first_token_ms=column["first_token_ms"],
        tags=tuple(_json_or((), column["tags"])),
        started_at=from_ms(column["started_at"]),
        service=column["service"],
        owner=column["owner"],
        **{name: column[name] for name in as_they_are},
    )
