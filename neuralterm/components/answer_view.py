"""The answer as it comes: plain text, one JSON object, or one JSON object per event."""

from __future__ import annotations

from typing import Protocol

from neuralterm.application.events import DomainEvent, EventObserver, Events
from neuralterm.application.records import Answer
from neuralterm.components import machine
from neuralterm.components.console import Console
from neuralterm.domain.exceptions import StreamInterruptedError
from neuralterm.domain.models import MessageStatus


class AnswerView(Protocol):
    """Shows one answer. `delta` for each piece of it; `close` once when it has ended, complete or not."""

    def delta(self, text: str) -> None:
        """Show a piece."""

    def close(self, answer: Answer | None) -> None:
        """Show what is due at the end; None when nothing was asked for."""


class TextView:
    """Writes the pieces as they come, or all at the end with `at_once`, or only the first code block with `extract`."""

    def __init__(self, console: Console, *, at_once: bool = False, extract: bool = False) -> None:
        self._console = console
        self._hold = at_once or extract
        self._extract = extract

    def delta(self, text: str) -> None:
        """Write a piece."""
        if not self._hold:
            self._console.write_answer(text)

    def close(self, answer: Answer | None) -> None:
        """End the answer's last line."""
        code = self._code_of(answer.content) if self._extract and answer is not None else None
        if self._hold and answer is not None:
            self._console.write_answer(answer.content if code is None else code)
        self._console.end_answer()
        if self._extract and answer is not None and answer.content and code is None:
            self._console.note("note: the answer has no code block, so all of it was printed", fg="yellow")

    @staticmethod
    def _code_of(text: str) -> str | None:
        from neuralterm.components.code_block import first_code_block

        return first_code_block(text)


class JsonView:
    """Prints one object when the answer has ended, unless nothing of it was delivered."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def delta(self, text: str) -> None:
        """Wait for the end."""

    def close(self, answer: Answer | None) -> None:
        """Print the object."""
        if answer is not None and answer.status is not MessageStatus.FAILED:
            self._console.print(machine.dumps(machine.answer_document(answer)))


class NdjsonView(EventObserver):
    """Prints one line per event as it happens, that of the whole answer last of all.

    What fails in an observer stops nobody, so it is raised in `delta`.
    """

    TYPES = (
        Events.MESSAGE_STARTED,
        Events.TOKEN_GENERATED,
        Events.BUDGET_THRESHOLD,
        Events.BUDGET_EXCEEDED,
        Events.CONTEXT_TRUNCATED,
        Events.MESSAGE_COMPLETED,
    )

    def __init__(self, console: Console) -> None:
        self._console = console
        self._failure: Exception | None = None
        self._lines: list[str] = []
        self._last: str | None = None

    def on_event(self, event: DomainEvent) -> None:
        """Print the line of an event; those of tokens with the next delta, which is that of the same read of the network."""
        payload = event.payload or {}
        if event.event_type == Events.TOKEN_GENERATED:
            self._lines.append(machine.delta_line(event.event_type, event.conversation_id, payload["delta"]))
        elif event.event_type == Events.MESSAGE_COMPLETED:
            # Others who hear of it may have something to say first: that the budget is used up, for one.
            self._last = machine.event_line(event.event_type, machine.answer_document(payload["answer"]))
        else:
            self._lines.append(
                machine.event_line(event.event_type, {"conversation_id": event.conversation_id, **payload})
            )
            self._print()

    def _print(self) -> None:
        """Print what is waiting; nothing more once that has failed."""
        lines, self._lines = self._lines, []
        if not lines or self._failure is not None:
            return
        try:
            self._console.print("\n".join(lines))
        except (OSError, StreamInterruptedError) as error:
            self._failure = error

    def delta(self, text: str) -> None:
        """Print the lines that wait, and raise what went wrong with printing."""
        self._print()
        if self._failure is not None:
            raise self._failure

    def close(self, answer: Answer | None) -> None:
        """Print the last line, and raise what went wrong with printing."""
        if self._last is not None:
            self._lines.append(self._last)
            self._last = None
        self.delta("")
