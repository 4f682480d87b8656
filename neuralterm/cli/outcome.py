"""How an invocation ends: every exception becomes one sentence, and an exit code."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from neuralterm.cli.exit_codes import ExitCode, exit_code_of
from neuralterm.cli.signals import handle_signals, restore_handlers
from neuralterm.components.console import OUTPUT_FAILED
from neuralterm.components.pipe import flush_or_silence, silence
from neuralterm.domain.exceptions import NeuralTermError

if TYPE_CHECKING:
    from neuralterm.components.console import Console
    from neuralterm.container import Container


class Outcome:
    """Context manager around one invocation. A signal ends it with a code of its own."""

    def __init__(self, container: Container) -> None:
        self.exit_code: int = ExitCode.OK
        self._container = container
        self._interruption = container.interruption
        self._previous_handlers: dict[int, Any] = {}

    def returned(self, value: object) -> None:
        """Take the exit code that a command returned."""
        if isinstance(value, int):
            self.exit_code = int(value)

    def __enter__(self) -> Outcome:
        self._previous_handlers = handle_signals(self._interruption.arrive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self._interruption.close(self.exit_code if error is None else None)
        try:
            if error is not None:
                self.exit_code = self._explain(error)
        finally:
            self._interruption.close(self.exit_code)
            self._container.close()
            flush_or_silence(sys.stderr)  # where a log may have failed, which would change the exit code
            restore_handlers(self._previous_handlers)
        return True

    def _explain(self, error: BaseException) -> int:
        if isinstance(error, click.exceptions.Exit):
            return error.exit_code
        if isinstance(error, (KeyboardInterrupt, click.Abort)):
            return self._interruption.exit_code
        if isinstance(error, BrokenPipeError) or getattr(error, "code", None) == OUTPUT_FAILED:
            silence(sys.stdout)
            if self._interruption.has_come:  # by which the reader or the terminal went away as well
                return self._interruption.exit_code
        if isinstance(error, BrokenPipeError):
            return ExitCode.SIGPIPE
        if isinstance(error, click.ClickException):
            return self._usage_error(error)
        if isinstance(error, NeuralTermError):
            return self._report(error, exit_code_of(error))
        if isinstance(error, SystemExit):
            return error.code if isinstance(error.code, int) else ExitCode.FAULT
        return self._fault(error)

    def _usage_error(self, error: click.ClickException) -> int:
        if isinstance(error, click.exceptions.NoArgsIsHelpError):
            self._container.plain_console.plain_error(error.format_message())
            return ExitCode.USAGE
        message, hint = error.format_message(), None
        if isinstance(error, click.UsageError) and error.ctx is not None:
            from neuralterm.cli.what_was_meant import hint_for, path_with_help

            hint = hint_for(error, error.ctx)
            # Click's own guess would stand beside a better one.
            message = error.message if hint else message
            hint = hint or f"`{path_with_help(error.ctx)} --help` shows how"
        return self._report(NeuralTermError(message, "USAGE", hint=hint), ExitCode.USAGE)

    def _fault(self, error: BaseException) -> int:
        if self._container.flags is not None and self._container.flags.debug:
            import traceback

            lines = "".join(traceback.format_exception(error)).rstrip()
            self._container.plain_console.quote(self._container.without_key(lines))
        fault = NeuralTermError(
            f"unexpected fault: {type(error).__name__}: {error}", "FAULT", hint="`neuralterm --debug ...` shows where"
        )
        return self._report(fault, ExitCode.FAULT)

    def _report(self, error: NeuralTermError, code: ExitCode) -> int:
        console, without_key = self._console(), self._container.without_key
        hint = error.hint or self._way_on(code)
        console.error(without_key(error.message), hint and without_key(hint))
        if self._container.machine_errors:
            from neuralterm.components import machine

            answer = self._container.last_answer
            document = machine.error_document(
                error,
                exit_code=code,
                conversation_id=answer.conversation_id if answer else None,
                cost_usd=answer.cost.usd if answer else None,
            )
            console.plain_error(without_key(machine.dumps(document, one_line=True)))
        return code

    def _way_on(self, code: ExitCode) -> str | None:
        """Say how to get the rest of an answer that broke off, where what came of it is kept."""
        answer = self._container.last_answer
        if code is not ExitCode.INCOMPLETE or answer is None:
            return None
        settings = self._container.settings
        if settings.no_log or not answer.content or answer.status.value == "complete":
            return None
        return f"`{settings.program} send --resume {answer.conversation_id}` asks for the rest"

    def _console(self) -> Console:
        """Return the console, also when the settings it depends on are what went wrong."""
        try:
            return self._container.console
        except Exception:  # whatever it is, it was raised before and is about to be reported
            return self._container.plain_console
