"""The Streamlit example, run as Streamlit runs it: the whole page for every question, each run in its own thread."""

import contextlib
import runpy
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from neuralterm.domain.models import MessageStatus
from neuralterm.infrastructure.repositories import SQLiteConversationRepository
from neuralterm.sandbox.embedded import running_sandbox

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "streamlit_app.py"


class FakeStreamlit(ModuleType):
    """The few functions of Streamlit that the example uses; `page` is what a person sees after a run."""

    def __init__(self, model):
        super().__init__("streamlit")
        self.session_state = {}
        self.page = []
        self.model = model
        self.question = None
        self.resources = {}
        self.sidebar = SimpleNamespace(text_input=lambda label, value: self.model or value)

    def cache_resource(self, function):
        def cached():
            if function.__name__ not in self.resources:
                self.resources[function.__name__] = function()
            return self.resources[function.__name__]

        return cached

    @contextlib.contextmanager
    def chat_message(self, name):
        self.page.append(f"<{name}>")
        yield

    def chat_input(self, label):
        return self.question

    def write_stream(self, stream):
        self.page.append("".join(stream))

    def title(self, text):
        self.page.append(text)

    markdown = caption = error = title


@pytest.fixture
def ask(monkeypatch):
    """Return a function that asks one question in a new run of the page."""

    opened = []

    def run(streamlit, question):
        opened.append(streamlit.resources)
        monkeypatch.setitem(sys.modules, "streamlit", streamlit)
        streamlit.page, streamlit.question = [], question
        with ThreadPoolExecutor(1) as script_thread:
            script_thread.submit(runpy.run_path, str(EXAMPLE)).result()
        return streamlit.page

    yield run
    for resources in opened:
        if "open_repository" in resources:
            resources["open_repository"].database.close()


@pytest.fixture
def sandbox(monkeypatch):
    with running_sandbox(delay=0) as url:
        monkeypatch.setenv("OPENROUTER_BASE_URL", url)
        monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-v1-example")
        yield


@pytest.mark.usefixtures("sandbox")
def test_two_questions_make_one_conversation(ask):
    streamlit = FakeStreamlit("sandbox/echo")
    assert ask(streamlit, None) == ["neuralterm"]
    first = ask(streamlit, "What is blue?")
    assert first[:3] == ["neuralterm", "<user>", "What is blue?"]
    assert "What is blue?" in first[4]
    assert first[5].startswith("$")

    second = ask(streamlit, "And red?")
    assert second[1:5] == first[1:5]
    assert "And red?" in second[-2]

    repository = SQLiteConversationRepository()
    stored = repository.get_messages(streamlit.session_state["conversation_id"])
    repository.database.close()
    assert [message.status for message in stored] == [MessageStatus.COMPLETE] * 4
    assert stored[3].content == second[-2]


@pytest.mark.usefixtures("sandbox")
def test_an_error_is_shown_and_the_chat_goes_on(ask):
    streamlit = FakeStreamlit("sandbox/no-credit")
    page = ask(streamlit, "Hello")
    assert page[-2] == "<assistant>"
    assert "credit" in page[-1]
    assert ask(streamlit, None)[0] == "neuralterm"
