"""What a chat is about: the conversation it goes on in, how its next turn is sent, and what goes along with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from neuralterm.application.bounds import Subject, subject_of
from neuralterm.application.editing import rename_conversation
from neuralterm.application.interruption import Interruption
from neuralterm.application.orchestrator import ChatOrchestrator
from neuralterm.application.ports import ConversationRepository
from neuralterm.application.replacing import last_exchange
from neuralterm.application.sending import SendRequest, find_conversation, title_of
from neuralterm.application.spending import SpendingGate
from neuralterm.application.state import SessionState
from neuralterm.components.console import Console
from neuralterm.components.notices import Notices
from neuralterm.domain.models import Conversation, Message, MessageRole, MessageStatus, TokenUsage, is_unsettled
from neuralterm.domain.money import dollars
from neuralterm.domain.record import record, replace

if TYPE_CHECKING:
    from pathlib import Path

    from neuralterm.application.attachments import AttachmentFile
    from neuralterm.domain.budget import Budget


@record(kw_only=True)
class ChatParts:
    """What a chat works with; `check_model` raises for a model id that does not exist.

    `ceiling` returns the budget of this invocation that holds so much, USD. `program` is how a command begins that goes on with
    a conversation later.
    """

    orchestrator: ChatOrchestrator
    repository: ConversationRepository
    spending: SpendingGate
    session: SessionState
    console: Console
    notices: Notices
    interruption: Interruption
    check_model: Callable[[str], Awaitable[None]]
    ceiling: Callable[[Decimal], Budget | None]
    program: str = "neuralterm"


@record(kw_only=True)
class Desk:
    """The files and the editor of the person at the terminal. All of it raises ValidationError for what can't be done.

    `read_text` returns a text file as it goes into a prompt; `write` writes a file that nobody else can read, over one that
    is there only if told to; `edit` returns what became of a text in the editor, None when it was not saved.
    """

    read_text: Callable[[str], str]
    read_attachment: Callable[[str], AttachmentFile]
    write: Callable[[Path, str, bool], None]
    edit: Callable[[str], str | None]


@record
class Turn:
    """Something to be asked: in the place of the question `replaces`, at `model` instead of the chat's.

    `with_material`: what was put aside for the next turn goes along with it.
    """

    prompt: str
    attachments: tuple[AttachmentFile, ...] = ()
    model: str | None = None
    replaces: UUID | None = None
    with_material: bool = True


@record
class _Seen:
    """What the stored messages told when they were looked at.

    `unknown_elsewhere` and the session's count of unknown costs make that of the conversation; it is negative where the
    session has others.
    """

    context_tokens: int | None
    unknown_elsewhere: int


class ChatState:
    """The state of one chat; its commands change it.

    `texts` and `attachments` were put aside for the next turn. `desk` is None where nobody sits at a terminal. `unsent` is
    the last turn where nothing of it was stored, because it was refused or given up. `known_costs` are those of the answers
    since the conversation was begun or gone on with, in USD, oldest first; `untold` counts the answers of this run whose
    tokens are not known.
    """

    def __init__(self, parts: ChatParts, request: SendRequest, desk: Desk | None = None) -> None:
        self.parts = parts
        self.console = parts.console
        self.desk = desk
        self.running = True
        self.texts: tuple[str, ...] = ()
        self.attachments: tuple[AttachmentFile, ...] = ()
        self.unsent: Turn | None = None
        self.known_costs: list[Decimal] = []
        self.untold = 0
        self.conversation: Conversation | None = None
        self._seen: _Seen | None = None
        self._said: tuple[UUID, Turn] | None = None
        self.request = request
        found = find_conversation(request, parts.repository)
        if found is not None:
            titled = rename_conversation(parts.repository, found.id, request.title) if request.title else found
            self.go_on_in(titled, request.options.model)
        elif request.options.model is None:
            self.choose_model(request.default_model)

    @property
    def model(self) -> str:
        """The model that answers the next turn."""
        return self.request.options.model or self.request.default_model

    @property
    def system_prompt(self) -> str | None:
        """What the next turn is sent under; None where there is none."""
        if self.request.options.system_prompt is not None:
            return self.request.options.system_prompt
        spoken = (each.content for each in reversed(self.messages()) if each.role is MessageRole.SYSTEM)
        return next(spoken, None)

    def choose_model(self, model_id: str) -> None:
        """Let another model answer from now on."""
        self.request = replace(self.request, options=replace(self.request.options, model=model_id))

    def messages(self, *, withdrawn: bool = False) -> list[Message]:
        """Return what was said in the conversation, oldest first."""
        if self.conversation is None:
            return []
        return self.parts.repository.get_messages(self.conversation.id, withdrawn=withdrawn)

    def go_on_in(self, conversation: Conversation, model_id: str | None = None) -> None:
        """Go on in another conversation, at its own model or at another one."""
        self.conversation, self.unsent, self.known_costs = conversation, None, []
        self.choose_model(model_id or conversation.model_id)
        self.recount()

    def begin_anew(self, title: str | None) -> None:
        """Let the next turn begin a conversation."""
        self.conversation, self.unsent, self.known_costs = None, None, []
        self.recount()
        self.request = replace(self.request, title=title)

    @property
    def context_tokens(self) -> int | None:
        """How much of a window the conversation takes, as the last answer told that did; None where that is not known."""
        return self._look().context_tokens

    def recount(self) -> None:
        """Look again at what the conversation holds, when somebody wants to know."""
        self._seen = None

    def _look(self) -> _Seen:
        if self._seen is None:
            messages = self.messages(withdrawn=True)
            standing = (each for each in reversed(messages) if each.withdrawn_at is None)
            told = next((usage for each in standing if (usage := each.token_usage) is not None), None)
            unknown = sum(map(is_unsettled, messages)) - self.parts.session.unknown_costs
            self._seen = _Seen(_carried(told), unknown)
        return self._seen

    async def current_conversation(self, turn: Turn) -> Conversation:
        """Return the conversation the turn goes to; it is begun where there is none."""
        if self.conversation is None:
            request = self.request
            self.conversation = await self.parts.orchestrator.create_conversation(
                request.title or title_of(turn.prompt), self.model, tags=request.options.tags
            )
        return self.conversation

    def request_for(self, turn: Turn) -> SendRequest:
        """Return the request that a turn makes."""
        options = replace(self.request.options, model=turn.model or self.model, replaces=turn.replaces)
        texts, attachments = (self.texts, self.attachments) if turn.with_material else ((), ())
        prompt = "\n\n".join((*texts, turn.prompt))
        return replace(self.request, prompt=prompt, options=options, attachments=(*turn.attachments, *attachments))

    def note_sent(self, turn: Turn, request: SendRequest) -> None:
        """Take note that a turn was sent and stored: `session.last_answer` is what came of it."""
        answer = self.parts.session.last_answer
        self.unsent = None
        if turn.with_material:
            self.texts, self.attachments = (), ()
        if answer is not None:
            sent = Turn(request.prompt, request.attachments, with_material=False)
            self._said = answer.message_id, sent
            is_refused = answer.status is MessageStatus.FAILED and not answer.cost.usd
            self.untold += answer.usage is None and not is_refused
            if answer.cost.usd is not None and not is_refused:
                self.known_costs.append(answer.cost.usd)
            if answer.usage is not None and self._seen is not None:
                self._seen = replace(self._seen, context_tokens=_carried(answer.usage))

    def last_turn(self) -> Turn | None:
        """Return what was asked last, as it can be asked again: in its own place if it was stored. None if nothing was."""
        if self.unsent is not None:
            return self.unsent
        exchange = last_exchange(self.messages())
        if not exchange:
            return None
        question, *following = exchange
        if self._said is not None and self._said[0] in [message.id for message in following]:
            return replace(self._said[1], replaces=question.id)
        return Turn(question.content, _kept_attachments(question), replaces=question.id, with_material=False)

    def subject(self) -> Subject:
        """Return what budgets look at when they count the next turn."""
        options = self.request.options
        conversation = self.conversation.id if self.conversation else None
        models = (self.model, *options.fallbacks)
        return subject_of(options.tags, models, map(self.parts.orchestrator.get_model_config, models), conversation)

    def spent(self) -> str:
        """Say what the conversation has cost."""
        if self.conversation is None:
            return dollars(Decimal(0))
        stored = self.parts.repository.get_by_id(self.conversation.id)
        known = dollars(stored.total_cost if stored else self.parts.session.known_cost)
        unknown = self._look().unknown_elsewhere + self.parts.session.unknown_costs
        return known if not unknown else f"{known} and {unknown} unknown"


def _carried(usage: TokenUsage | None) -> int | None:
    """Return the tokens of an exchange that the next prompt brings along: the reasoning is not sent again."""
    return None if usage is None else usage.total_tokens - usage.reasoning_tokens


def _kept_attachments(question: Message) -> tuple[AttachmentFile, ...]:
    from neuralterm.application.context import has_attachments

    if not has_attachments(question):
        return ()
    from neuralterm.application.attachments import AttachmentFile
    from neuralterm.domain.attachments import attachments_of

    return tuple(map(AttachmentFile, attachments_of(question)))
