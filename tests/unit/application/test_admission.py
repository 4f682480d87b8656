from decimal import Decimal

import pytest

from neuralterm.application.records import SendOptions
from neuralterm.domain.budget import Budget, Window
from neuralterm.domain.exceptions import BudgetExceededError
from tests.fakes.client import final
from tests.fakes.world import MODEL, Lookup, make_world

pytestmark = pytest.mark.anyio

CEILING = Budget("ceiling", Decimal("0.002"), Window.CALL)


def schema(size):
    text = "x" * size
    return SendOptions(
        extra={"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"title": text}}}}
    )


async def admitted(options):
    """Send under the ceiling; return the bound that the call was admitted with, and its output cap."""
    world = make_world(["ok", final()], budgets=[CEILING], lookup=Lookup(MODEL))
    bounds = []
    world.client.scripts[0].insert(0, lambda: bounds.append(world.ledger.calls[0].cost.at_most_usd))
    await world.ask(options=options)
    return bounds[0], world.client.requests[0]["max_tokens"]


async def test_every_byte_of_a_schema_counts_as_a_prompt_token():
    plain, _ = await admitted(SendOptions(max_tokens=20))
    small, _ = await admitted(SendOptions(max_tokens=20, extra=schema(0).extra))
    large, _ = await admitted(SendOptions(max_tokens=20, extra=schema(500).extra))
    assert large - small == 500 * Decimal("0.000001")
    assert small > plain


async def test_routing_wishes_are_no_part_of_the_prompt():
    plain, _ = await admitted(SendOptions(max_tokens=20))
    routed, _ = await admitted(SendOptions(max_tokens=20, extra={"provider": {"only": ["a"]}}))
    assert routed == plain


async def test_a_schema_that_takes_all_the_money_is_refused():
    world = make_world(budgets=[CEILING], lookup=Lookup(MODEL))
    with pytest.raises(BudgetExceededError):
        await world.ask(options=schema(2000))
    assert world.client.requests == []


async def test_a_schema_leaves_less_for_the_answer():
    bound, cap = await admitted(schema(1500))
    assert bound <= CEILING.limit_usd
    assert 16 <= cap < 250
