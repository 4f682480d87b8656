import inspect
from decimal import Decimal

import pytest

from neuralterm.domain import exceptions as exc

CLASSES = [kind for _, kind in inspect.getmembers(exc, inspect.isclass) if issubclass(kind, Exception)]


def test_there_is_one_tree():
    assert all(issubclass(kind, exc.NeuralTermError) for kind in CLASSES)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_the_tree_in_the_docstring_is_complete(kind):
    assert kind.__name__ in exc.__doc__


def test_codes_are_stable_and_each_class_has_its_own():
    codes = [kind("x").code for kind in CLASSES]
    assert len(set(codes)) == len(codes)
    assert all(code == code.upper() for code in codes)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_the_message_is_what_a_person_reads(kind):
    error = kind("one sentence", hint="a step") if kind is not exc.CircuitOpenError else kind("one sentence")
    assert str(error) == error.message == "one sentence"
    assert error.hint in ("a step", None)


def test_a_code_may_be_given():
    assert exc.ValidationError("m", "EMPTY_INPUT").code == "EMPTY_INPUT"
    assert exc.NeuralTermError("m").code == "ERROR"


def test_signatures_of_the_contract():
    error = exc.OpenRouterAPIError("m", 418, "body")
    assert (error.status_code, error.response_body, error.retryable) == (418, "body", False)
    limited = exc.RateLimitError("m", retry_after=2.5)
    assert (limited.status_code, limited.retry_after, limited.retryable) == (429, 2.5, True)
    assert exc.RateLimitError("m").retry_after is None
    assert exc.ModelUnavailableError("m", model_id="a/b").model_id == "a/b"


@pytest.mark.parametrize(("status", "retryable"), [(404, False), (502, True), (503, True), (529, True)])
def test_a_model_that_does_not_exist_is_not_asked_for_again(status, retryable):
    assert exc.ModelUnavailableError("m", status).retryable is retryable
    assert exc.ModelUnavailableError("m", status, retryable=not retryable).retryable is not retryable


def test_a_request_that_may_have_arrived_is_not_made_again():
    assert exc.ServiceUnreachableError("m").retryable
    assert not exc.ServiceUnreachableError("m", request_sent=True).retryable


def test_a_budget_error_tells_amounts():
    error = exc.BudgetExceededError("m", limit_usd=Decimal(1), spent_usd=Decimal("0.5"), mid_answer=True)
    assert (error.code, error.limit_usd, error.spent_usd, error.mid_answer) == (
        "BUDGET_EXCEEDED",
        Decimal(1),
        Decimal("0.5"),
        True,
    )


def test_moderation_keeps_the_reasons():
    assert exc.ModerationError("m", reasons=("violence",)).reasons == ("violence",)
