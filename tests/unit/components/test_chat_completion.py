import time

import pytest

from neuralterm.application.records import ConversationSummary
from neuralterm.components.chat_commands import COMMANDS
from neuralterm.components.chat_completion import Suggestions, ranked
from neuralterm.domain.exceptions import StorageError
from neuralterm.domain.models import Conversation, MessageStatus

MODELS = ["openai/gpt-4o", "anthropic/claude-haiku-4.5", "anthropic/claude-opus-4.7", "x/claude-like", "claude/own"]


class Sources:
    """Counts how often it is asked."""

    def __init__(self, *titles, models=MODELS):
        self.asked = []
        self.models = models
        self.conversations = [
            ConversationSummary(Conversation(title=title), 2, "preview", MessageStatus.COMPLETE) for title in titles
        ]

    def suggestions(self):
        return Suggestions(self._models, self._conversations)

    def _models(self):
        self.asked.append("models")
        return self.models

    def _conversations(self):
        self.asked.append("conversations")
        return self.conversations


def completed(suggest, line):
    """What the line may become."""
    return [line[: len(line) - each.replaced] + each.text for each in suggest(line)]


def test_commands_with_what_they_do():
    sources = Sources()
    suggest = sources.suggestions()
    assert completed(suggest, "/") == [f"/{command.name}" for command in COMMANDS]
    assert completed(suggest, "/mo") == ["/model"]
    assert [(each.shown, each.note) for each in suggest("/ne")] == [("/new [TITLE]", "begin a fresh conversation")]
    assert sources.asked == []


@pytest.mark.parametrize("line", ["", "/model", "a /model ", "hello", "/cost ", "/nonsense x", "/model\nx"])
def test_where_there_is_nothing_to_say_nobody_is_asked(line):
    sources = Sources()
    assert [each for each in sources.suggestions()(line) if each.text != "/model"] == []
    assert sources.asked == []


def test_models_by_words_likeliest_first():
    suggest = Sources().suggestions()
    assert completed(suggest, "/model claude-h") == ["/model anthropic/claude-haiku-4.5"]
    assert completed(suggest, "/retry CLAUDE") == [
        "/retry claude/own",
        "/retry anthropic/claude-haiku-4.5",
        "/retry anthropic/claude-opus-4.7",
        "/retry x/claude-like",
    ]
    assert completed(suggest, "/model anthropic 4.7") == ["/model anthropic/claude-opus-4.7"]
    assert len(suggest("/model ")) == len(MODELS)


def test_the_list_is_read_once_when_there_is_one():
    sources = Sources(models=[])
    suggest = sources.suggestions()
    assert suggest("/model gpt") == []
    sources.models = MODELS
    for _ in range(3):
        assert completed(suggest, "/model gpt") == ["/model openai/gpt-4o"]
    assert sources.asked == ["models"] * 2


def test_it_is_quick_with_many_models():
    ids = [f"author-{number % 50}/model-{number}-instruct" for number in range(5000)]
    begun = time.process_time()
    assert ranked("instruct 4999", ids) == ["author-49/model-4999-instruct"]
    assert time.process_time() - begun < 0.2


def test_conversations_by_title_and_by_id():
    sources = Sources("Weather in Rome", "Taxes")
    suggest = sources.suggestions()
    weather, taxes = (str(each.conversation.id) for each in sources.conversations)
    assert completed(suggest, "/resume rome") == [f"/resume {weather}"]
    assert completed(suggest, f"/resume {taxes[:9]}") == [f"/resume {taxes}"]
    assert [(each.shown, each.note) for each in suggest("/resume tax")] == [(taxes[:8], "Taxes")]


def test_a_database_that_can_not_be_read_suggests_nothing():
    def fail():
        raise StorageError("locked")

    assert Suggestions(fail, fail)("/model x") == Suggestions(fail, fail)("/resume x") == []


class TestFiles:
    @pytest.fixture
    def suggest(self, tmp_path, monkeypatch):
        for name in ("notes.md", "my notes.txt", ".hidden", "bad\x1b[31m", "it's"):
            (tmp_path / name).touch()
        (tmp_path / "sub").mkdir()
        (tmp_path / "sub" / "deep.md").touch()
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", str(tmp_path))
        return Sources().suggestions()

    @pytest.mark.parametrize(
        ("line", "lines"),
        [
            ("/file no", ["/file notes.md"]),
            ("/file my", ["/file my\\ notes.txt"]),
            ("/file my\\ n", ["/file my\\ notes.txt"]),
            ("/file notes.md su", ["/file notes.md sub/"]),
            ("/attach sub/", ["/attach sub/deep.md"]),
            ("/save ./sub/d", ["/save ./sub/deep.md"]),
            ("/save ~/sub/d", ["/save ~/sub/deep.md"]),
            ("/file .h", ["/file .hidden"]),
            ("/file ", ["/file it\\'s", "/file my\\ notes.txt", "/file notes.md", "/file sub/"]),
            ("/file 'my n", ["/file 'my notes.txt'"]),
            ("/file 'a b' \"su", ["/file 'a b' \"sub/"]),
            ('/file "sub/d', ['/file "sub/deep.md"']),
            ("/file 'it", []),
            ("/file it\\'", ["/file it\\'s"]),
            ("/file nowhere/x", []),
            ("/attach https://example.org/c", []),
        ],
    )
    def test_files(self, suggest, line, lines):
        assert completed(suggest, line) == lines
