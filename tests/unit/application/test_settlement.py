from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import anyio
import pytest

from neuralterm.application.settlement import Ending, cost_of, error_code, status_of
from neuralterm.domain import exceptions as exc
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.models import Cost, CostSource, MessageStatus, TokenUsage
from tests.fakes.world import MODEL

AUTO = OpenRouterModel("openrouter/auto", pricing={"prompt": "-1", "completion": "-1"})
BOUND = Decimal("0.5")


def ending(error=None, *, text=True, finish="stop", usage=None, model=MODEL, by_budget=False, generation=None):
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    return Ending(error, text, finish, usage, model, BOUND, moment, by_budget, generation_id=generation)


def cost(*args, **kwargs):
    return cost_of(ending(*args, **kwargs), lambda: TokenUsage(1000, 500, 1500))


def no_estimate():
    raise AssertionError("tokens are counted only where nothing better is known")


@pytest.mark.parametrize(
    ("known", "status"),
    [
        ({}, MessageStatus.COMPLETE),
        ({"finish": None}, MessageStatus.COMPLETE),
        ({"finish": "tool_calls"}, MessageStatus.COMPLETE),
        ({"finish": "length"}, MessageStatus.TRUNCATED),
        ({"finish": "content_filter"}, MessageStatus.TRUNCATED),
        ({"finish": "length", "by_budget": True}, MessageStatus.STOPPED),
        ({"finish": "stop", "by_budget": True}, MessageStatus.COMPLETE),
        ({"finish": "content_filter", "by_budget": True}, MessageStatus.TRUNCATED),
        ({"error": exc.StreamInterruptedError("x")}, MessageStatus.CUT),
        ({"error": exc.StreamStalledError("x")}, MessageStatus.CUT),
        ({"error": exc.StreamInterruptedError("x"), "text": False}, MessageStatus.FAILED),
        ({"error": exc.RateLimitError("x"), "text": False}, MessageStatus.FAILED),
        ({"error": RuntimeError("x")}, MessageStatus.CUT),
        ({"error": exc.BudgetExceededError("x", mid_answer=True)}, MessageStatus.STOPPED),
        ({"error": GeneratorExit()}, MessageStatus.INTERRUPTED),
        ({"error": KeyboardInterrupt(), "text": False}, MessageStatus.INTERRUPTED),
    ],
)
def test_status(known, status):
    assert status_of(ending(**known)) is status


@pytest.mark.anyio
async def test_a_cancellation_is_an_interruption():
    assert status_of(ending(anyio.get_cancelled_exc_class()())) is MessageStatus.INTERRUPTED


def test_what_the_service_charged_counts():
    usage = TokenUsage(1000, 500, 1500, cost=Decimal("0.0042"))
    known = ending(usage=usage, model=AUTO)
    assert cost_of(known, no_estimate) == Cost(Decimal("0.0042"), CostSource.BILLED, Decimal("0.0042"))


def test_a_charge_of_nothing_is_an_amount():
    assert cost(usage=TokenUsage(1, 1, 2, cost=Decimal(0))) == Cost(Decimal(0), CostSource.BILLED, Decimal(0))


def test_what_was_charged_before_an_error_counts():
    usage = TokenUsage(10, 0, 10, cost=Decimal("0.001"))
    assert cost(exc.ModelUnavailableError("x"), text=False, usage=usage).usd == Decimal("0.001")


def test_the_providers_own_bill_stays_apart():
    usage = TokenUsage(1, 1, 2, cost=Decimal("0.001"), upstream_cost=Decimal("0.02"), is_byok=True)
    settled = cost(usage=usage)
    assert (settled.usd, settled.upstream_usd) == (Decimal("0.001"), Decimal("0.02"))


def test_usage_without_a_charge_is_computed():
    known = ending(usage=TokenUsage(1000, 500, 1500))
    assert cost_of(known, no_estimate) == Cost(Decimal("0.002"), CostSource.COMPUTED, Decimal("0.002"))


@pytest.mark.parametrize("error", [None, exc.StreamInterruptedError("x"), GeneratorExit(), RuntimeError("x")])
def test_without_usage_it_is_estimated_and_bounded(error):
    assert cost(error) == Cost(Decimal("0.002"), CostSource.ESTIMATED, BOUND)


@pytest.mark.parametrize("model", [None, AUTO])
@pytest.mark.parametrize("usage", [None, TokenUsage(1000, 500, 1500)])
def test_without_prices_it_is_not_known_and_never_nothing(model, usage):
    assert cost(model=model, usage=usage) == Cost.unsettled(BOUND)


@pytest.mark.parametrize(
    "error",
    [
        exc.OpenRouterAPIError("x", 400),
        exc.AuthenticationError("x", 401),
        exc.InsufficientCreditsError("x", 402),
        exc.ModerationError("x"),
        exc.RateLimitError("x"),
        exc.ModelUnavailableError("x"),
        exc.ServiceUnreachableError("x"),
        exc.CircuitOpenError("x"),
        exc.ValidationError("x"),
        exc.ConfigurationError("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_refusals_cost_nothing(error):
    assert cost_of(ending(error, text=False), no_estimate) == Cost(Decimal(0), CostSource.COMPUTED, Decimal(0))


@pytest.mark.parametrize(
    "error",
    [
        exc.ServiceUnreachableError("x", request_sent=True),
        exc.StreamStalledError("x"),
        exc.OpenRouterAPIError("x"),
        GeneratorExit(),
        RuntimeError("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_may_have_been_charged_is_unsettled(error):
    assert cost_of(ending(error, text=False), no_estimate) == Cost.unsettled(BOUND)


@pytest.mark.parametrize("error", [GeneratorExit(), KeyboardInterrupt(), exc.StreamStalledError("x")])
def test_what_was_never_sent_cost_nothing(error):
    unsent = replace(ending(error, text=False), was_sent=False)
    assert cost_of(unsent, no_estimate) == Cost(Decimal(0), CostSource.COMPUTED, Decimal(0))
    assert cost_of(replace(unsent, generation_id="gen-1"), no_estimate) == Cost.unsettled(BOUND)


def test_an_error_in_the_place_of_an_answer_that_had_begun_may_have_been_charged():
    error = exc.ModelUnavailableError("x", 502)
    assert cost_of(ending(error, text=False, generation="gen-1"), no_estimate) == Cost.unsettled(BOUND)


def test_text_was_paid_for_whatever_came_after():
    assert cost(exc.RateLimitError("x")).source is CostSource.ESTIMATED


def test_error_codes():
    assert error_code(None) is None
    assert error_code(exc.RateLimitError("x")) == "RATE_LIMITED"
    assert error_code(GeneratorExit()) == "GeneratorExit"
