"""A conversation as it runs: turns, slash commands, and answers that can be stopped."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TypeVar

from neuralterm.application.bounds import Subject, subject_of
from neuralterm.application.interruption import Interruption
from neuralterm.application.orchestrator import ChatOrchestrator
from neuralterm.application.ports import ConversationRepository
from neuralterm.application.records import Answer
from neuralterm.application.sending import SendRequest, find_conversation, stream_answer, title_of
from neuralterm.application.spending import SpendingGate
from neuralterm.application.state import SessionState
from neuralterm.components.answer_notes import cut_off_note, notes_on
from neuralterm.components.chat_input import ChatInput
from neuralterm.components.console import OUTPUT_FAILED, Console
from neuralterm.components.cost_view import states_table
from neuralterm.domain.exceptions import NeuralTermError, ValidationError
from neuralterm.domain.models import Conversation, MessageStatus
from neuralterm.domain.money import dollars
from neuralterm.domain.record import record, replace

Confirm = Callable[[SendRequest, Conversation], Awaitable[None]]
_Result = TypeVar("_Result")


@record(kw_only=True)
class ChatParts:
    """What a chat works with; `check_model` raises for a model id that does not exist."""

    orchestrator: ChatOrchestrator
    repository: ConversationRepository
    spending: SpendingGate
    session: SessionState
    console: Console
    interruption: Interruption
    check_model: Callable[[str], Awaitable[None]]


class _StoppedError(Exception):
    """Ctrl-C has stopped what ran."""


class Chat:
    """One chat. In a terminal an error or Ctrl-C ends the turn, in a pipe it ends the chat.

    `confirm` looks at each turn before it is sent, and raises unless it may be.
    """

    def __init__(self, parts: ChatParts, request: SendRequest, confirm: Confirm | None = None) -> None:
        self._parts = parts
        self._confirm = confirm
        self._console = parts.console
        self._request = request
        self._conversation: Conversation | None = find_conversation(request, parts.repository)
        if self._conversation is not None and request.options.model is None:
            self._request = self._with_model(self._conversation.model_id)
        self._running = True
        self._statuses: list[MessageStatus] = []

    @property
    def model(self) -> str:
        """The model that answers the next turn."""
        return self._request.options.model or self._request.default_model

    def status_line(self) -> str:
        """Return model, money spent in this chat and what the tightest budget has left."""
        parts = [self.model, f"{self._spent()} in this chat"]
        tightest = self._parts.spending.tightest(self._subject())
        if tightest is not None:
            parts.append(f"{dollars(tightest.remaining_usd)} left of the {tightest.budget.name}")
        return " · ".join(parts)

    async def run(self, turns: ChatInput) -> list[MessageStatus]:
        """Take turns until the end; return how the answers ended."""
        if turns.interactive:
            self._console.note(f"chat with {self.model}; /help lists the commands, Ctrl-D leaves", dim=True)
        while self._running:
            try:
                turn = await self._stoppable(turns.next_turn(), turns)
            except _StoppedError:
                self._console.note("Ctrl-D or /exit leaves", dim=True)
                continue
            if turn is None:
                break
            if turn.strip():
                await self._take(turn, turns)
        self._parts.interruption.check()
        return self._statuses

    async def _take(self, turn: str, turns: ChatInput) -> None:
        try:
            if turn.startswith("/") and not turn.startswith("//"):
                await self._stoppable(self._command(turn), turns)
            else:
                await self._answer(turn.removeprefix("/") if turn.startswith("//") else turn, turns)
        except _StoppedError:
            self._console.note("stopped", dim=True)
        except NeuralTermError as error:
            self._parts.interruption.check()
            self._parts.session.note_error(error.message)
            if not turns.interactive or error.code == OUTPUT_FAILED:
                raise
            self._console.error(error.message, error.hint)

    async def _answer(self, prompt: str, turns: ChatInput) -> None:
        request = replace(self._request, prompt=prompt)
        try:
            await self._stoppable(self._agreed(request), turns)
        except _StoppedError:
            self._console.note("not sent", dim=True)
            return
        before = self._parts.session.last_answer
        stream = self._stream(await self._current_conversation(prompt), request)
        try:
            answer = await self._stoppable(stream, turns)
        except _StoppedError:
            self._console.end_answer()
            self._console.note("stopped; what came is kept", dim=True)
            return
        finally:
            self._console.end_answer()
            self._say_cut_off(before, request)
        self._statuses.append(answer.status)
        for note in notes_on(answer, has_fallbacks=bool(request.options.fallbacks)):
            self._console.note(note, fg="yellow")

    def _say_cut_off(self, before: Answer | None, request: SendRequest) -> None:
        answer = self._parts.session.last_answer
        note = cut_off_note(answer, streamed=request.options.stream) if answer is not before else None
        if note is not None and not self._parts.interruption.reader_is_gone:
            self._console.note(note, dim=True)

    async def _agreed(self, request: SendRequest) -> None:
        """Return when the turn may be sent; raise when it may not."""
        if self._confirm is not None:
            await self._confirm(request, self._conversation or Conversation(model_id=self.model))

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
        return await stream_answer(self._parts.orchestrator, conversation, request, self._console.write_answer)

    async def _current_conversation(self, prompt: str) -> Conversation:
        if self._conversation is None:
            self._conversation = await self._parts.orchestrator.create_conversation(
                self._request.title or title_of(prompt), self.model, tags=self._request.options.tags
            )
        return self._conversation

    def _subject(self) -> Subject:
        """Return what budgets look at when they count the next turn."""
        options = self._request.options
        conversation = self._conversation.id if self._conversation else None
        models = (self.model, *options.fallbacks)
        return subject_of(options.tags, models, map(self._parts.orchestrator.get_model_config, models), conversation)

    def _spent(self) -> str:
        if self._conversation is None:
            return dollars(Decimal(0))
        stored = self._parts.repository.get_by_id(self._conversation.id)
        known = dollars(stored.total_cost if stored else self._parts.session.known_cost)
        unknown = self._parts.session.unknown_costs
        return known if not unknown else f"{known} and {unknown} unknown"

    async def _command(self, line: str) -> None:
        name, _, argument = line[1:].partition(" ")
        known = {
            "help": self._help,
            "model": self._choose_model,
            "system": self._set_system,
            "cost": self._say_cost,
            "budget": self._list_budgets,
            "new": self._begin_anew,
            "exit": self._leave,
        }
        if name not in known:
            raise ValidationError(
                f"there is no command /{name}", hint="/help lists them; // sends a line that begins with /"
            )
        await known[name](argument.strip())

    async def _help(self, argument: str) -> None:
        """Show the commands."""
        for line in _HELP:
            self._console.note(line)

    async def _choose_model(self, argument: str) -> None:
        if argument:
            await self._parts.check_model(argument)
            self._request = self._with_model(argument)
        self._console.note(f"model: {self.model}")

    async def _set_system(self, argument: str) -> None:
        if argument:
            options = replace(self._request.options, system_prompt=argument)
            self._request = replace(self._request, options=options)
        self._console.note(f"system: {self._request.options.system_prompt or '(none)'}")

    async def _say_cost(self, argument: str) -> None:
        self._console.note(
            f"cost: {self._spent()} in this chat, {self._parts.session.total_tokens:,} tokens in this run"
        )
        spending = self._parts.spending
        for status in map(spending.status, spending.applying(self._subject())):
            left = f"{dollars(status.remaining_usd)} of {dollars(status.budget.limit_usd)} left"
            held = (
                f", {dollars(status.reserved_usd)} kept back until its cost is certain" if status.reserved_usd else ""
            )
            self._console.note(f"{status.budget.name}: {left}{held}")

    async def _list_budgets(self, argument: str) -> None:
        """List the budgets that count the next turn."""
        spending, console = self._parts.spending, self._console
        statuses = [spending.status(budget) for budget in spending.applying(self._subject())]
        if not statuses:
            console.note("no budget counts the next turn")
            return
        for line in states_table(statuses, console.width if console.stderr_is_terminal else None).splitlines():
            console.note(line)

    async def _begin_anew(self, argument: str) -> None:
        self._conversation = None
        self._request = replace(self._request, title=argument or None)
        self._console.note("a fresh conversation begins with the next line")

    async def _leave(self, argument: str) -> None:
        self._running = False

    def _with_model(self, model_id: str) -> SendRequest:
        return replace(self._request, options=replace(self._request.options, model=model_id))


_HELP = (
    "/help            this list",
    "/model [ID]      show or choose the model",
    "/system [TEXT]   show or set the system prompt",
    "/cost            what this chat has cost, and what the budgets have left",
    "/budget          the budgets that count the next turn: spent, reserved, left, and when they reset",
    "/new [TITLE]     begin a fresh conversation",
    "/exit            leave (or Ctrl-D)",
    "//text           send a line that begins with a slash",
    'Alt-Enter, a backslash at a line end, or """ before and after: several lines',
    "Ctrl-C           stop the answer, keep the chat",
)
