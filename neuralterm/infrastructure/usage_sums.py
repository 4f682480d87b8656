"""Sums of tokens and money between the steps of price lists, in SQL.

Read from the calls themselves: the kept totals know neither the size of a prompt, nor what was written to a cache, nor
which calls have no token counts at all.
"""

from __future__ import annotations

from typing import Any

from neuralterm.application.records import CallFilter
from neuralterm.application.what_if import Steps, UsageSums
from neuralterm.domain.money import from_pico
from neuralterm.domain.pricing import ChargedTokens
from neuralterm.infrastructure.call_sums import conditions_of
from neuralterm.infrastructure.columns import LARGEST_INTEGER, SMALLEST_INTEGER, from_ms, to_ms
from neuralterm.infrastructure.database import Database, Row

# The view `charges` with what it leaves out; an amount without a single token is a count that was never told.
_CALLS = """
    SELECT number, requested_model, coalesce(model, requested_model) AS model, provider, tags, conversation_id, source,
           cost, cost IS NOT NULL AS settled, coalesce(upstream, 0) AS upstream, started_at, prompt_tokens, completion_tokens,
           min(coalesce(cached_tokens, 0), prompt_tokens) AS cached, coalesce(cache_write_tokens, 0) AS written,
           min(coalesce(reasoning_tokens, 0), completion_tokens) AS reasoning,
           prompt_tokens IS NOT NULL AND NOT (prompt_tokens = 0 AND completion_tokens = 0 AND coalesce(cost, 0) > 0) AS known,
           (((started_at % 86400000) + 86400000) % 86400000) / 60000 AS minute
    FROM calls
    WHERE NOT (status = 'failed' AND cost IS NOT NULL AND cost = 0) AND started_at >= :since AND started_at < :until
"""
_SUMS = """
    count(*), sum(prompt_tokens - cached - min(written, prompt_tokens - cached)), sum(cached),
    sum(min(written, prompt_tokens - cached)), sum(completion_tokens - reasoning), sum(reasoning), max(prompt_tokens),
    max(started_at), sum(cost), sum(upstream)
"""


def usage_sums(database: Database, filter: CallFilter, steps: Steps) -> list[UsageSums]:
    """Return the sums of the calls, ordered by model."""
    parameters: dict[str, Any] = {
        "since": SMALLEST_INTEGER if filter.since is None else to_ms(filter.since),
        "until": LARGEST_INTEGER if filter.until is None else to_ms(filter.until),
    }
    conditions, chosen = conditions_of(database, filter)
    sizes = {f"size{number}": size for number, size in enumerate(steps.prompt_tokens)}
    times = {f"time{number}": time for number, time in enumerate(steps.times)}
    size = " + ".join(f"(prompt_tokens > :{name})" for name in sizes) or "0"
    time = " + ".join(f"(minute / 60 * 100 + minute % 60 >= :{name})" for name in times) or "0"
    sql = f"""
        SELECT model, source, known, settled, {size}, {time}, {_SUMS}
        FROM ({_CALLS}) AS part WHERE true{conditions} GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
    """  # noqa: S608 - made of constants, and of names of parameters
    return [_sums_from(row) for row in database.query(sql, parameters | chosen | sizes | times)]


def _sums_from(row: Row) -> UsageSums:
    (
        model,
        source,
        known,
        settled,
        _,
        _,
        calls,
        plain,
        cached,
        written,
        visible,
        reasoning,
        longest,
        last,
        cost,
        upstream,
    ) = row
    return UsageSums(
        model=model,
        source=source,
        calls=calls,
        tokens=ChargedTokens(plain, cached, written, visible, reasoning, requests=calls) if known else None,
        paid_usd=from_pico(cost + upstream) if settled else None,
        upstream_usd=from_pico(upstream),
        prompt_tokens=longest or 0,
        moment=from_ms(last),
    )
