"""A conversation as it runs: turns, slash commands, and answers that can be stopped."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from neuralterm.application.records import Answer
from neuralterm.application.sending import SendRequest, stream_answer
from neuralterm.components.answer_notes import cut_off_note, notes_on
from neuralterm.components.chat_commands import LEAVING, run_command
from neuralterm.components.chat_input import ChatInput
from neuralterm.components.chat_state import ChatParts, ChatState, Desk, Turn
from neuralterm.components.chat_view import farewell, greeting, question_line
from neuralterm.components.console import OUTPUT_FAILED
from neuralterm.domain.exceptions import NeuralTermError
from neuralterm.domain.models import Conversation, MessageStatus

Confirm = Callable[[SendRequest, Conversation], Awaitable[None]]
_Result = TypeVar("_Result")

# The code of the error that `confirm` raises for a turn which nobody agreed to.
NOT_CONFIRMED = "NOT_CONFIRMED"
_NOT_SENT = "not sent; /retry asks again, /edit changes it first"


class _StoppedError(Exception):
    """Ctrl-C has stopped what ran."""


class Chat:
    """One chat. In a terminal an error or Ctrl-C ends the turn, in a pipe it ends the chat.

    `confirm` looks at each turn before it is sent, and raises unless it may be. `is_kept`: the conversation can be gone on
    with later.
    """

    def __init__(
        self,
        parts: ChatParts,
        request: SendRequest,
        confirm: Confirm | None = None,
        *,
        desk: Desk | None = None,
        is_kept: bool = True,
    ) -> None:
        self.state = ChatState(parts, request, desk)
        self._parts = parts
        self._confirm = confirm
        self._console = parts.console
        self._is_kept = is_kept
        self._statuses: list[MessageStatus] = []

    async def run(self, turns: ChatInput) -> list[MessageStatus]:
        """Take turns until the end; return how the answers ended."""
        if turns.interactive:
            self._say(greeting(self.state))
        while self.state.running:
            try:
                line = await self._stoppable(turns.next_turn(), turns)
            except _StoppedError:
                self._console.note("Ctrl-D or /exit leaves", dim=True)
                continue
            if line is None:
                break
            if line.strip():
                await self._take(line, turns)
        self._parts.interruption.check()
        if turns.interactive and (last_words := farewell(self.state, is_kept=self._is_kept)):
            self._say([last_words])
        return self._statuses

    async def _take(self, line: str, turns: ChatInput) -> None:
        turn: Turn | None = None
        if turns.interactive and line.strip() in LEAVING:
            line = "/exit"
        try:
            if line.startswith("/") and not line.startswith("//"):
                with turns.busy():
                    turn = await self._stoppable(run_command(self.state, line), turns)
                if turn is not None and turns.interactive:
                    self._say([question_line(turn.prompt, self._console.width)])
            else:
                turn = Turn(line.removeprefix("/") if line.startswith("//") else line)
            if turn is not None:
                await self._answer(turn, turns)
        except _StoppedError:
            self._console.note("stopped", dim=True)
        except NeuralTermError as error:
            self._parts.interruption.check()
            self._parts.session.note_error(error.message)
            if not turns.interactive or error.code == OUTPUT_FAILED:
                raise
            if error.code == NOT_CONFIRMED and self._console.stderr_is_terminal:  # by who sits there, and knows why
                self._console.note(_NOT_SENT, dim=True)
                return
            self._console.error(error.message, error.hint)
            if turn is not None:
                self._console.note("/retry sends it again, /edit changes it first", dim=True)

    async def _answer(self, turn: Turn, turns: ChatInput) -> None:
        request = self.state.request_for(turn)
        before = self._parts.session.last_answer
        self.state.unsent = turn
        try:
            await self._stoppable(self._agreed(request), turns)
        except _StoppedError:
            self._console.note(_NOT_SENT, dim=True)
            return
        stream = self._stream(await self.state.current_conversation(turn), request)
        try:
            with turns.busy():
                answer = await self._stoppable(stream, turns)
        except _StoppedError:
            self._console.end_answer()
            self._console.note(self._stopped(before), dim=True)
            return
        finally:
            self._console.end_answer()
            if self._parts.session.last_answer is not before:
                self.state.note_sent(turn, request)
                self._say_cut_off(request)
        self._statuses.append(answer.status)
        for note in notes_on(answer, has_fallbacks=bool(request.options.fallbacks), option=None):
            self._console.note(note, fg="yellow")

    def _stopped(self, before: Answer | None) -> str:
        answer = self._parts.session.last_answer
        if answer is not None and answer is not before and (answer.content or answer.reasoning):
            return "stopped; what came is kept"
        return "stopped before anything came; /retry asks again"

    def _say_cut_off(self, request: SendRequest) -> None:
        note = cut_off_note(self._parts.session.last_answer, streamed=request.options.stream)
        if note is not None and not self._parts.interruption.reader_is_gone:
            self._console.note(note, dim=True)

    def _say(self, lines: list[str]) -> None:
        for line in lines:
            self._console.note(line, dim=True)

    async def _agreed(self, request: SendRequest) -> None:
        """Return when the turn may be sent; raise when it may not."""
        if self._confirm is not None:
            await self._confirm(request, self.state.conversation or Conversation(model_id=self.state.model))

    async def _stoppable(self, work: Awaitable[_Result], turns: ChatInput) -> _Result:
        """Wait for something. In a terminal Ctrl-C stops only this, and then _StoppedError is raised."""
        if not turns.interactive:
            return await work
        import asyncio

        import anyio

        loop = asyncio.get_running_loop()
        with anyio.CancelScope() as scope:
            # Only `call_soon_threadsafe` wakes a loop that waits.
            with self._parts.interruption.stopping_piece(lambda: loop.call_soon_threadsafe(scope.cancel)):
                try:
                    return await work
                except KeyboardInterrupt:  # from the line editor, or from what waits without the loop
                    self._parts.interruption.check()
        raise _StoppedError

    async def _stream(self, conversation: Conversation, request: SendRequest) -> Answer:
        with self._console.busy(f"waiting for {request.options.model}"):
            return await stream_answer(self._parts.orchestrator, conversation, request, self._console.write_answer)
