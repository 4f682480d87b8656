"""What a script learns from the exit code: decided here and nowhere else."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from neuralterm.domain import exceptions as exc

if TYPE_CHECKING:
    from neuralterm.domain.models import MessageStatus


class ExitCode(IntEnum):
    """The exit codes; public, documented in the README."""

    OK = 0
    FAULT = 1
    USAGE = 2
    CONFIGURATION = 3
    BUDGET_REFUSED = 4
    BUDGET_STOPPED = 5
    REFUSED = 6
    NO_CREDIT = 7
    TEMPORARY = 8
    INCOMPLETE = 9
    TRUNCATED = 10
    TOO_LONG = 11
    SIGHUP = 129
    SIGINT = 130
    SIGPIPE = 141
    SIGTERM = 143


# The first class that fits decides, so that a subclass stands before its parent.
_BY_CLASS: tuple[tuple[type[exc.NeuralTermError], ExitCode], ...] = (
    (exc.ValidationError, ExitCode.USAGE),
    (exc.ConfigurationError, ExitCode.CONFIGURATION),
    (exc.StorageError, ExitCode.CONFIGURATION),
    (exc.CircuitOpenError, ExitCode.TEMPORARY),
    (exc.StreamInterruptedError, ExitCode.INCOMPLETE),
    (exc.AuthenticationError, ExitCode.CONFIGURATION),
    (exc.InsufficientCreditsError, ExitCode.NO_CREDIT),
    (exc.ModerationError, ExitCode.REFUSED),
    (exc.PermissionDeniedError, ExitCode.CONFIGURATION),
    (exc.TokenLimitError, ExitCode.TOO_LONG),
    (exc.RateLimitError, ExitCode.TEMPORARY),
    (exc.ServiceUnreachableError, ExitCode.TEMPORARY),
)


# By value, so that nothing need be imported for them. Any status that is not here tells of an answer without its end.
_BY_STATUS = {
    "complete": ExitCode.OK,
    "interrupted": ExitCode.SIGINT,
    "stopped": ExitCode.BUDGET_STOPPED,
    "truncated": ExitCode.TRUNCATED,
}


def exit_code_of(error: exc.NeuralTermError) -> ExitCode:
    """Return the code for an error."""
    if isinstance(error, exc.BudgetExceededError):
        return ExitCode.BUDGET_STOPPED if error.mid_answer else ExitCode.BUDGET_REFUSED
    for kind, code in _BY_CLASS:
        if isinstance(error, kind):
            return code
    if isinstance(error, exc.OpenRouterAPIError):
        return ExitCode.TEMPORARY if error.retryable else ExitCode.REFUSED
    return ExitCode.FAULT


def exit_code_of_answer(status: MessageStatus, *, allow_truncated: bool = False) -> ExitCode:
    """Return the code for an answer by how far it got."""
    if allow_truncated and status.value == "truncated":
        return ExitCode.OK
    return _BY_STATUS.get(status.value, ExitCode.INCOMPLETE)
