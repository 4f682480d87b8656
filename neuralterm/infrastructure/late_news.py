"""What becomes known of an answer after its process is done with it, or dead.

The conversation does not count as changed by it: `--continue` goes on with what its user did last.
"""

from __future__ import annotations

from uuid import UUID

from neuralterm.domain.models import Cost, TokenUsage
from neuralterm.infrastructure.amounts import to_amount
from neuralterm.infrastructure.database import Database
from neuralterm.infrastructure.rows import usage_parameters

_KNOWN = """
    SELECT conversation_id, coalesce(cost, 0), coalesce(total_tokens, 0) FROM messages
    WHERE id = ? AND status <> 'pending'
"""
_PRICE = "UPDATE messages SET cost = :cost, cost_source = :cost_source WHERE id = :id"
_USE = """
    UPDATE messages SET
        prompt_tokens = :prompt_tokens, completion_tokens = :completion_tokens, total_tokens = :total_tokens,
        reasoning_tokens = :reasoning_tokens, cached_tokens = :cached_tokens, cache_write_tokens = :cache_write_tokens,
        charged = :charged, upstream = :upstream, is_byok = :is_byok
    WHERE id = :id
"""
_ADD_TO_TOTALS = "UPDATE conversations SET total_cost = total_cost + ?, total_tokens = total_tokens + ? WHERE id = ?"
# Earlier versions kept the journal in a table.
_ABANDON = """
    UPDATE messages SET
        content = content || coalesce(
            (SELECT group_concat(text, '') FROM (SELECT text FROM journal WHERE message_id = :id ORDER BY sequence)), '')
            || :text,
        reasoning = coalesce(reasoning, :reasoning),
        status = 'interrupted',
        cost_source = CASE WHEN cost IS NULL THEN 'unsettled' ELSE cost_source END
    WHERE id = :id AND status = 'pending'
"""


def price_message(database: Database, message_id: UUID, cost: Cost, usage: TokenUsage | None) -> bool:
    """Replace the cost of a finished answer, and its usage unless None; the conversation's totals follow. False if gone."""
    identity = str(message_id)
    price = {"id": identity, "cost": to_amount(cost.usd), "cost_source": cost.source.value}
    with database.transaction():
        known = database.query(_KNOWN, (identity,))
        if not known:
            return False
        conversation_id, cost_before, tokens_before = known[0]
        database.change(_PRICE, price)
        if usage is not None:
            database.change(_USE, usage_parameters(usage) | {"id": identity})
        more_tokens = 0 if usage is None else usage.total_tokens - tokens_before
        database.change(_ADD_TO_TOTALS, ((price["cost"] or 0) - cost_before, more_tokens, conversation_id))
    return True


def abandon_message(database: Database, message_id: UUID, text: str, reasoning: str | None) -> bool:
    """Give a pending answer what came of it and the status `interrupted`. False if it is not pending."""
    identity = str(message_id)
    with database.transaction():
        if not database.change(_ABANDON, {"id": identity, "text": text, "reasoning": reasoning}):
            return False
        database.change("DELETE FROM journal WHERE message_id = ?", (identity,))
    return True
