import inspect

import pytest

from neuralterm.cli.exit_codes import ExitCode, exit_code_of, exit_code_of_answer
from neuralterm.domain import exceptions as exc
from neuralterm.domain.models import MessageStatus

# Every class, with the statuses that make a difference, and the code of the contract.
ERRORS = [
    (exc.NeuralTermError("x"), 1),
    (exc.ValidationError("x"), 2),
    (exc.NotFoundError("x"), 2),
    (exc.ConfigurationError("x"), 3),
    (exc.StorageError("x"), 3),
    (exc.MissingRecordError("x"), 3),
    (exc.AuthenticationError("x", 401), 3),
    (exc.PermissionDeniedError("x", 403), 3),
    (exc.BudgetExceededError("x"), 4),
    (exc.BudgetExceededError("x", "COST_UNBOUNDED"), 4),
    (exc.BudgetExceededError("x", mid_answer=True), 5),
    (exc.OpenRouterAPIError("x", 400), 6),
    (exc.OpenRouterAPIError("x", 404), 6),
    (exc.OpenRouterAPIError("x", 413), 6),
    (exc.OpenRouterAPIError("x", 422), 6),
    (exc.ModelUnavailableError("x", 404), 6),
    (exc.ModerationError("x"), 6),
    (exc.InsufficientCreditsError("x", 402), 7),
    (exc.InsufficientCreditsError("x", 403), 7),
    (exc.InsufficientCreditsError("x", 403, code="KEY_LIMIT"), 7),
    (exc.OutputCapTooLargeError("x", affordable_tokens=9), 7),
    (exc.RateLimitError("x"), 8),
    (exc.ModelUnavailableError("x", 503), 8),
    (exc.OpenRouterAPIError("x", 500, retryable=True), 8),
    (exc.OpenRouterAPIError("x", 408, retryable=True), 8),
    (exc.ServiceUnreachableError("x"), 8),
    (exc.ServiceUnreachableError("x", request_sent=True), 8),
    (exc.CircuitOpenError("x"), 8),
    (exc.StreamInterruptedError("x"), 9),
    (exc.StreamStalledError("x"), 9),
    (exc.TokenLimitError("x", 400), 11),
]


@pytest.mark.parametrize(("error", "code"), ERRORS, ids=lambda value: getattr(value, "code", None))
def test_exit_code_of_an_error(error, code):
    assert exit_code_of(error) == code


def test_the_table_has_every_class():
    classes = {kind for _, kind in inspect.getmembers(exc, inspect.isclass) if issubclass(kind, exc.NeuralTermError)}
    assert {type(error) for error, _ in ERRORS} == classes


@pytest.mark.parametrize(
    ("status", "allow_truncated", "code"),
    [
        (MessageStatus.COMPLETE, False, 0),
        (MessageStatus.TRUNCATED, False, 10),
        (MessageStatus.TRUNCATED, True, 0),
        (MessageStatus.STOPPED, False, 5),
        (MessageStatus.STOPPED, True, 5),
    ],
)
def test_exit_code_of_an_answer(status, allow_truncated, code):
    assert exit_code_of_answer(status, allow_truncated=allow_truncated) == code


@pytest.mark.parametrize("status", [each for each in MessageStatus if each.value not in ("complete", "truncated")])
@pytest.mark.parametrize("allow_truncated", [False, True])
def test_only_a_complete_answer_is_a_success(status, allow_truncated):
    assert exit_code_of_answer(status, allow_truncated=allow_truncated) != 0


def test_codes_that_the_shell_knows():
    assert (ExitCode.FAULT, ExitCode.SIGINT, ExitCode.SIGPIPE, ExitCode.SIGTERM) == (1, 130, 141, 143)
