"""The loop and the commands, with somebody who types and a model that follows a script."""

import re
from decimal import Decimal

import pytest

from neuralterm.application.attachments import AttachmentFile
from neuralterm.application.records import SendOptions
from neuralterm.components.chat_commands import COMMANDS
from neuralterm.components.tables import columns_of
from neuralterm.domain.attachments import Attachment, AttachmentKind
from neuralterm.domain.budget import Budget, Window
from neuralterm.domain.exceptions import BudgetExceededError, ModelUnavailableError, ValidationError
from neuralterm.domain.models import TokenUsage
from tests.fakes.chat import ChatWorld, FakeDesk
from tests.fakes.client import final

pytestmark = pytest.mark.anyio


async def test_a_chat_says_how_it_begins_and_what_it_cost():
    talk = ChatWorld(["fine", final()])
    await talk.type("how are you")
    first, last = talk.said.splitlines()
    assert first == "chat with test/model; /help lists the commands, Ctrl-D leaves"
    (conversation,) = talk.world.store.tables.conversations
    cost = "$0.00005 in this chat"
    assert last == f"{cost}; `neuralterm chat --cid {str(conversation)[:8]}` goes on with it"
    assert talk.out.getvalue() == "fine\n"


async def test_in_the_sandbox_one_goes_on_there():
    talk = ChatWorld(["fine", final()])
    await talk.type("hi", program="neuralterm --sandbox")
    assert "; `neuralterm --sandbox chat --cid " in talk.said


async def test_a_chat_that_is_not_kept_names_no_id():
    talk = ChatWorld(["fine", final()])
    await talk.type("hi", is_kept=False)
    assert talk.said.splitlines()[-1] == "$0.00005 in this chat"


async def test_a_chat_in_which_nothing_was_asked_ends_without_a_word():
    talk = ChatWorld()
    await talk.type("/title Later", "  ", "/exit", "never")
    assert talk.said.splitlines()[1:] == ["title: Later"]
    assert talk.asked == []


async def test_the_help_names_every_command_once():
    talk = ChatWorld()
    await talk.type("/help")
    for command in COMMANDS:
        assert talk.said.count(f"\n/{command.name} ") == 1
    assert len({command.name for command in COMMANDS}) == len(COMMANDS)


@pytest.mark.parametrize("width", [40, 59, 60, 80, 200])
async def test_the_help_fits_a_terminal(width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    talk = ChatWorld()
    talk.console.stderr_is_terminal = True
    await talk.type("/help")
    rows = talk.said.splitlines()[1:]
    assert max(map(len, rows)) <= width
    words = " ".join(talk.said.split())
    for command in COMMANDS:
        assert f"/{command.name} {command.argument}".rstrip() in words
        assert command.summary in words


@pytest.mark.parametrize("word", ["exit", " quit "])
async def test_a_word_with_which_one_leaves_is_not_asked(word):
    talk = ChatWorld(["one"], ["two"])
    await talk.type("first", word, "never")
    assert talk.asked == [["first"]]
    piped = ChatWorld(["one"], at_terminal=False)
    await piped.type(word.strip())
    assert piped.asked == [[word.strip()]]


async def test_a_command_that_is_misspelt_is_told_which_may_be_meant():
    talk = ChatWorld()
    await talk.type("/modle x", "/quit", "/zzz")
    rest = "/help lists them; // sends a line that begins with /"
    hints = [line for line in talk.said.splitlines() if line.startswith("hint")]
    assert hints == [f"hint: did you mean /model? {rest}", f"hint: did you mean /exit? {rest}", f"hint: {rest}"]


class TestTakingBack:
    async def test_undo_keeps_what_was_said_and_its_cost(self):
        talk = ChatWorld(["one", final()], ["two", final()], ["three", final()])
        chat = await talk.type("first", "second", "/undo", "third")
        assert talk.asked[-1] == ["first", "one", "third"]
        assert talk.spoken() == ["first", "one", "third", "three"]
        assert talk.spoken(withdrawn=True) == ["first", "one", "second", "two", "third", "three"]
        assert "taken back: second\n" in talk.said
        assert chat.state.spent() == "$0.00015"

    async def test_there_may_be_nothing_to_take_back(self):
        talk = ChatWorld(["one"])
        await talk.type("/undo", "first", "/undo", "/undo")
        assert talk.said.count("error: there is nothing to take back") == 2

    async def test_what_was_never_sent_is_not_taken_back_from_the_conversation(self):
        talk = ChatWorld(["one"])

        async def refuse(request, conversation):
            if request.prompt == "second":
                raise BudgetExceededError("too dear")

        await talk.type("first", "second", "/undo", confirm=refuse)
        assert talk.spoken() == ["first", "one"]
        assert "the last prompt was not sent" in talk.said


class TestAskingAgain:
    async def test_the_old_answer_gives_way_and_is_kept(self):
        talk = ChatWorld(["one"], ["better"])
        await talk.type("first", "/retry")
        assert talk.asked == [["first"], ["first"]]
        assert talk.spoken() == ["first", "better"]
        assert talk.spoken(withdrawn=True) == ["first", "one", "first", "better"]
        assert "\n> first\n" in talk.said

    async def test_another_model_answers_this_once(self):
        talk = ChatWorld(["one"], ["two"], ["three"])
        await talk.type("first", "/retry other/model", "then")
        assert [request["model"] for request in talk.world.client.requests] == [
            "test/model",
            "other/model",
            "test/model",
        ]

    async def test_an_unknown_model_changes_nothing(self):
        talk = ChatWorld(["one"])
        await talk.type("first", "/retry no/such")
        assert "error: there is no model 'no/such'" in talk.said
        assert talk.spoken() == ["first", "one"]

    async def test_after_a_failure_of_the_service(self):
        talk = ChatWorld([ModelUnavailableError("gone", 404)], ["here"])
        await talk.type("first", "/retry")
        assert "error: gone\n/retry sends it again, /edit changes it first\n" in talk.said
        assert talk.spoken() == ["first", "here"]

    async def test_a_refusal_leaves_the_answer_and_the_prompt(self):
        usage = TokenUsage(prompt_tokens=5, completion_tokens=1000, total_tokens=1005, cost=Decimal("0.0021"))
        talk = ChatWorld(["one", final(usage)], budgets=[Budget("day", Decimal("0.0021"), Window.DAY)])
        chat = await talk.type("first", "/retry")
        assert "error: refused by" in talk.said
        assert talk.spoken() == ["first", "one"]
        assert chat.state.last_turn().prompt == "first"

    async def test_what_was_refused_is_asked_when_it_may_be(self):
        allowed = []

        async def confirm(request, conversation):
            if not allowed:
                allowed.append(request.prompt)
                raise BudgetExceededError("too dear")

        talk = ChatWorld(["one"], desk=FakeDesk(notes="notes:\nmilk"))
        await talk.type("/file notes", "buy?", "/retry", confirm=confirm)
        assert allowed == ["notes:\nmilk\n\nbuy?"]
        assert talk.asked == [["notes:\nmilk\n\nbuy?"]]

    async def test_nothing_to_ask_again(self):
        talk = ChatWorld()
        await talk.type("/retry")
        assert "error: there is nothing to ask again" in talk.said

    async def test_in_a_conversation_that_goes_on_with_what_was_attached(self):
        talk = ChatWorld(["one"])
        conversation = await talk.world.converse("look", "at this")
        record = Attachment(AttachmentKind.IMAGE, "cat.png", "image/png", 3, "ab" * 32).to_record()
        question = next(each for each in talk.world.store.tables.messages.values() if each.content == "at this")
        question.metadata["attachments"] = [record]
        talk.request = {"conversation": str(conversation.id)}
        turn = talk.chat().state.last_turn()
        assert (turn.prompt, turn.replaces) == ("at this", question.id)
        assert [each.attachment.name for each in turn.attachments] == ["cat.png"]


class TestEditing:
    async def test_the_last_prompt_is_replaced_by_what_is_saved(self):
        talk = ChatWorld(["one"], ["two"])
        talk.desk.edits = lambda text: f"{text}, please\n"
        await talk.type("first", "/edit")
        assert talk.desk.edited == ["first"]
        assert talk.asked == [["first"], ["first, please"]]
        assert talk.spoken() == ["first, please", "two"]

    async def test_a_text_that_is_given_replaces_nothing(self):
        talk = ChatWorld(["one"], ["two"])
        talk.desk.edits = str.upper
        await talk.type("first", "/edit draft")
        assert talk.spoken() == ["first", "one", "DRAFT", "two"]

    @pytest.mark.parametrize(
        ("edits", "words"),
        [(lambda text: None, "as it was"), (lambda text: text + "\n", "as it was"), (lambda text: " \n", "is empty")],
    )
    async def test_nothing_is_sent_for_nothing(self, edits, words):
        talk = ChatWorld(["one"])
        talk.desk.edits = edits
        await talk.type("first", "/edit")
        assert words in talk.said
        assert len(talk.asked) == 1

    async def test_a_failing_editor_leaves_the_chat_usable(self):
        def fail(text):
            raise ValidationError("the editor failed: vi")

        talk = ChatWorld(["one"], ["two"])
        talk.desk.edits = fail
        await talk.type("first", "/edit", "second")
        assert "error: the editor failed: vi" in talk.said
        assert len(talk.asked) == 2


class TestMaterial:
    async def test_files_go_along_once(self):
        talk = ChatWorld(["one"], ["two"], desk=FakeDesk(**{"a b": "a b:\nA", "c": "c:\nC"}))
        await talk.type("/file 'a b' c", "sum it up", "thanks")
        assert talk.asked == [["a b:\nA\n\nc:\nC\n\nsum it up"], ["a b:\nA\n\nc:\nC\n\nsum it up", "one", "thanks"]]
        assert "with the next turn: 10 characters of text\n" in talk.said

    async def test_a_file_that_can_not_be_read_leaves_the_others_out_too(self):
        talk = ChatWorld(["one"], desk=FakeDesk(c="c:\nC"))
        await talk.type("/file c missing", "/file", '/file "c', "/file -", "hi")
        errors = [line for line in talk.said.splitlines() if line.startswith("error")]
        assert errors == [
            "error: the file missing can't be read",
            "error: /file needs the name of a file",
            "error: /file: a quote is not closed",
            "error: stdin is where this chat comes from: - names no file here",
        ]
        assert talk.asked == [["hi"]]

    async def test_attachments_go_along(self):
        file = AttachmentFile(Attachment(AttachmentKind.IMAGE, "cat.png", "image/png", 3, "ab" * 32), b"cat")
        talk = ChatWorld(desk=FakeDesk(**{"cat.png": file}))
        chat = talk.chat()
        await talk.type("/attach cat.png", chat=chat)
        from neuralterm.components.chat_state import Turn

        request = chat.state.request_for(Turn("what is it?"))
        assert (request.prompt, request.attachments) == ("what is it?", (file,))
        assert "with the next turn: cat.png\n" in talk.said

    async def test_the_title_of_a_conversation_is_what_was_typed(self):
        talk = ChatWorld(["one"], desk=FakeDesk(c="c:\nC"))
        await talk.type("/file c", "sum it up")
        (conversation,) = talk.world.store.tables.conversations.values()
        assert conversation.title == "sum it up"


class TestSaving:
    async def test_each_format_and_never_over_a_file(self):
        talk = ChatWorld(["one"])
        saves = ["/save a.md", "/save a.json", "/save a.jsonl", "/save a.HTML", "/save a.md", "/save! a.md"]
        await talk.type("first", *saves)
        assert talk.desk.files["a.md"].startswith("# first\n")
        assert '"conversations"' in talk.desk.files["a.json"]
        assert talk.desk.files["a.jsonl"].count("\n") == 1
        assert "<html" in talk.desk.files["a.HTML"]
        assert "error: a.md exists already\nhint: /save! writes over it\n" in talk.said
        assert talk.said.count("written to a.md\n") == 2

    async def test_what_can_not_be_saved(self):
        talk = ChatWorld(["one"])
        await talk.type("/save a.md", "first", "/save a.doc", "/save", "/save a.md b.md")
        assert talk.desk.files == {}
        assert talk.said.count("error: ") == 4


class TestConversations:
    async def test_going_on_shows_where_one_is(self):
        talk = ChatWorld(["two"])
        conversation = await talk.world.converse("first", "second", title="Weather")
        talk.request = {"conversation": str(conversation.id)}
        await talk.type("third")
        assert talk.said.splitlines()[:4] == [
            "going on with Weather (4 messages)",
            "> second",
            "ok",
            "chat with test/model; /help lists the commands, Ctrl-D leaves",
        ]
        assert talk.asked == [["first", "ok", "second", "ok", "third"]]

    async def test_its_model_answers_unless_another_is_named(self):
        talk = ChatWorld()
        conversation = await talk.world.converse("first", model_id="other/model")
        talk.request = {"conversation": str(conversation.id)}
        assert talk.chat().state.model == "other/model"
        talk.options = SendOptions(model="third/model")
        assert talk.chat().state.model == "third/model"

    async def test_it_takes_the_title_that_is_given(self):
        talk = ChatWorld()
        conversation = await talk.world.converse("first", title="Weather")
        talk.request = {"conversation": str(conversation.id), "title": "Rain"}
        await talk.type("/title")
        assert "going on with Rain (2 messages)" in talk.said
        assert talk.world.repository.get_by_id(conversation.id).title == "Rain"

    async def test_a_fork_goes_on_alone(self):
        talk = ChatWorld(["one"], ["two"], ["three"])
        await talk.type("first", "second", "/fork 2", "other")
        assert talk.asked[-1] == ["first", "one", "other"]
        assert talk.spoken(0) == ["first", "one", "second", "two"]
        assert talk.spoken(1) == ["first", "one", "other", "three"]

    async def test_numbers_are_numbers_of_messages(self):
        talk = ChatWorld(["one"])
        await talk.type("/fork", "first", "/fork zero", "/fork 0", "/fork 9", "/history -1")
        assert talk.said.count("error: ") == 5

    async def test_titles(self):
        talk = ChatWorld(["one"])
        await talk.type("/title", "/title Later", "first", "/title", "/title  Now\nor  never ")
        titles = [line for line in talk.said.splitlines() if line.startswith("title")]
        assert titles == [
            "title: (the first prompt will be the title)",
            "title: Later",
            "title: Later",
            "title: Now or never",
        ]

    async def test_what_was_said_has_numbers_and_tells_what_was_taken_back(self):
        talk = ChatWorld(["one"], ["two"])
        await talk.type("/history", "first", "second", "/undo", "/history", "/history 1")
        assert "nothing was said yet" in talk.said
        lines = talk.said.splitlines()
        assert "  1 user: first" in lines
        assert lines.count("  4 assistant (taken back): two") == 2

    async def test_another_conversation_is_found_and_gone_on_with(self):
        talk = ChatWorld(["three"], ["four"])
        weather = await talk.world.converse("rain?", title="Weather")
        await talk.type("/resume", "hi", f"/resume {str(weather.id)[:8]}", "and wind?", "/new Else", "/resume nothing")
        assert f"{str(weather.id)[:8]}  Weather  (" in talk.said
        assert talk.asked == [["hi"], ["rain?", "ok", "and wind?"]]
        assert "error: there is no conversation 'nothing'" in talk.said

    async def test_the_system_prompt_of_a_conversation_is_known(self):
        talk = ChatWorld(["one"])
        conversation = await talk.world.converse("first", system_prompt="be brief")
        talk.request = {"conversation": str(conversation.id)}
        await talk.type("/system", "/system be kind", "/new", "/system")
        assert [line for line in talk.said.splitlines() if line.startswith("system")] == [
            "system: be brief",
            "system: be kind",
            "system: be kind",
        ]


async def test_a_truncated_answer_is_told_without_an_option_that_chat_has_not():
    talk = ChatWorld(["sho", final(finish_reason="length")])
    await talk.type("first")
    assert "\nnote: the answer was truncated (length)\n" in talk.said


async def test_reasoning_is_shown_and_hidden():
    talk = ChatWorld()
    await talk.type("/reasoning", "/reasoning", "/reasoning off", "/reasoning on", "/reasoning maybe")
    assert talk.said.splitlines()[1:5] == [f"reasoning: {each}" for each in ("hidden", "shown", "hidden", "shown")]
    assert "error: /reasoning takes on or off, not 'maybe'" in talk.said


@pytest.mark.parametrize("line", ["/cost all", "/undo 2", "/exit now", "/help edit"])
async def test_words_behind_a_command_that_takes_none_are_refused(line):
    talk = ChatWorld(["one"], ["two"])
    await talk.type("first", line, "second")
    name, words = line.split()
    assert f"error: {name} takes no words behind it, not {words!r}" in talk.said
    assert talk.asked == [["first"], ["first", "one", "second"]]


async def test_control_c_at_an_empty_line_says_how_to_leave():
    talk = ChatWorld(["one"])
    await talk.type(KeyboardInterrupt(), "first")
    assert "\nCtrl-D or /exit leaves\n" in talk.said
    assert talk.asked == [["first"]]


class TestPipe:
    @pytest.mark.parametrize("line", ["/file /etc/hosts", "/attach x.png", "/save x.md", "/save! x.md", "/edit"])
    async def test_the_lines_of_a_pipe_have_no_files(self, line):
        talk = ChatWorld(["never"], at_terminal=False)
        with pytest.raises(ValidationError, match="for a terminal"):
            await talk.type(line)

    async def test_it_says_nothing_of_itself(self):
        talk = ChatWorld(["one"], ["two"], at_terminal=False)
        await talk.type("first", "/retry")
        assert (talk.out.getvalue(), talk.said) == ("one\ntwo\n", "")

    async def test_an_error_ends_it(self):
        talk = ChatWorld(at_terminal=False)
        with pytest.raises(ValidationError, match="there is no command /etc/hosts"):
            await talk.type("/etc/hosts\nis a file")


async def test_context_used_is_what_the_last_answer_told():
    usage = TokenUsage(prompt_tokens=3000, completion_tokens=200, total_tokens=3200, reasoning_tokens=100)
    talk = ChatWorld(["one", final(usage)], ["two", final()], ["three"], [ModelUnavailableError("gone", 404)])
    chat = talk.chat()
    seen = []

    def look(line=None):
        return lambda: (seen.append(chat.state.context_tokens), line)[1]

    lines = ["first", "second", "/undo", "untold", "third", "/new"]
    await talk.type(*map(look, lines), look(), chat=chat)
    assert seen == [None, 3100, 30, 3100, 3100, 3100, None]


async def test_tokens_that_were_not_told_are_not_none():
    talk = ChatWorld(["one"], ["two", final()], ["three"], [ModelUnavailableError("gone", 404)])
    await talk.type("/cost", "first", "/cost", "second", "third", "fourth", "/cost")
    costs = [line.partition("chat, ")[2] for line in talk.said.splitlines() if line.startswith("cost:")]
    assert costs == [
        "0 tokens in this run",
        "1 answer told no tokens",
        "30 tokens in this run, 2 answers told no tokens",
    ]


async def test_the_costs_that_are_drawn_are_those_of_answers_here():
    talk = ChatWorld(["one", final()], [ModelUnavailableError("gone", 404)], ["two", final()], ["three", final()])
    chat = talk.chat()
    await talk.type("first", "second", "third", chat=chat)
    assert len(chat.state.known_costs) == 2
    await talk.type("/new", "fourth", chat=chat)
    assert len(chat.state.known_costs) == 1
    await talk.type("/fork", chat=chat)
    assert chat.state.known_costs == []


async def test_a_long_title_leaves_room_for_the_age_of_a_conversation():
    talk = ChatWorld()
    await talk.world.converse("first", title="日本" * 50)
    await talk.type("/resume")
    line = talk.said.splitlines()[1]
    assert columns_of(line) <= 80
    assert re.search("日…  \\(.* ago\\)$", line)


async def test_a_cost_that_is_not_known_is_never_left_out():
    talk = ChatWorld(["one"], ["two", final()], ["three"], options=SendOptions(model="un/known"))
    chat = talk.chat()
    assert chat.state.spent() == "$0.00"
    await talk.type("first", "/undo", "/model test/model", "second", chat=chat)
    assert chat.state.spent() == "$0.00005 and 1 unknown"
    (conversation,) = talk.world.store.tables.conversations
    await talk.type("/new", "/model un/known", "third", chat=chat)
    assert chat.state.spent() == "$0.00 and 1 unknown"
    await talk.type(f"/resume {conversation}", chat=chat)
    assert chat.state.spent() == "$0.00005 and 1 unknown"
    later = ChatWorld(repository=talk.world.repository, request={"conversation": str(conversation)})
    assert later.chat().state.spent() == "$0.00005 and 1 unknown"
