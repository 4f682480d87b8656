"""A chat with fakes all round it: somebody who types, a desk with files, and a console that remembers."""

from contextlib import nullcontext
from io import StringIO

from neuralterm.application.events import Events
from neuralterm.application.interruption import Interruption
from neuralterm.application.records import SendOptions
from neuralterm.application.sending import SendRequest
from neuralterm.application.state import SessionState
from neuralterm.components.chat import Chat
from neuralterm.components.chat_state import ChatParts, Desk
from neuralterm.components.console import Console
from neuralterm.components.notices import Notices
from neuralterm.domain.budget import Budget, Window
from neuralterm.domain.exceptions import NotFoundError, ValidationError
from tests.fakes.world import MODEL, make_world


class Typist:
    """Types these lines, one after the other; a function is called in its turn and its result typed."""

    interactive = True

    def __init__(self, *lines):
        self.lines = list(lines)

    async def next_turn(self):
        line = self.lines.pop(0) if self.lines else None
        if callable(line):
            line = line()
        if isinstance(line, BaseException):
            raise line
        return line

    def busy(self):
        return nullcontext()


class FakeDesk:
    """Files by name, and an editor that makes of a text what `edits` says."""

    def __init__(self, **files):
        self.files = files
        self.edited = []
        self.edits = lambda text: text

    def desk(self):
        return Desk(read_text=self.read, read_attachment=self.read, write=self.write, edit=self.edit)

    def read(self, name):
        if name not in self.files:
            raise ValidationError(f"the file {name} can't be read")
        return self.files[name]

    def write(self, path, text, overwrite):
        if path.name in self.files and not overwrite:
            raise ValidationError(f"{path} exists already", "FILE_EXISTS", hint="another way")
        self.files[path.name] = text

    def edit(self, text):
        self.edited.append(text)
        return self.edits(text)


class ChatWorld:
    """A chat about to begin in a world of fakes. `said` is what was written to stderr, `answers` what to stdout."""

    def __init__(self, *scripts, desk=None, at_terminal=True, options=None, request=None, **arguments):
        self.world = make_world(*scripts, **arguments)
        self.out, self.err = StringIO(), StringIO()
        self.console = Console(stdout=self.out, stderr=self.err)
        self.session = SessionState()
        for event_type in (Events.MESSAGE_STARTED, Events.MESSAGE_COMPLETED):
            self.world.bus.subscribe(event_type, self.session)
        self.desk = desk or FakeDesk()
        self.at_terminal = at_terminal
        self.options = options or SendOptions()
        self.request = request or {}

    @property
    def said(self):
        return self.err.getvalue()

    @property
    def asked(self):
        """What the model was sent, request by request, as texts."""
        return [[message["content"] for message in request["messages"]] for request in self.world.client.requests]

    def spoken(self, number=-1, **arguments):
        """The texts of a conversation, by the order in which they were begun."""
        conversations = list(self.world.store.tables.conversations)
        return [each.content for each in self.world.repository.get_messages(conversations[number], **arguments)]

    def chat(self, confirm=None, program="neuralterm", **arguments):
        parts = ChatParts(
            orchestrator=self.world.orchestrator,
            repository=self.world.repository,
            spending=self.world.spending,
            session=self.session,
            console=self.console,
            notices=Notices(self.console),
            interruption=Interruption(),
            check_model=self.check_model,
            ceiling=lambda usd: Budget("ceiling", usd, Window.CALL),
            program=program,
        )
        request = SendRequest("", self.options, default_model=MODEL.id, **self.request)
        return Chat(parts, request, confirm, desk=self.desk.desk() if self.at_terminal else None, **arguments)

    async def check_model(self, model_id):
        if model_id.startswith("no/"):
            raise NotFoundError(f"there is no model {model_id!r}")

    async def type(self, *lines, chat=None, **arguments):
        """Run a chat in which these lines are typed; return it."""
        chat = chat or self.chat(**arguments)
        typist = Typist(*lines)
        typist.interactive = self.at_terminal
        await chat.run(typist)
        return chat
