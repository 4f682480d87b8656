"""`history`: reading, exporting and deleting what `send` kept."""

import json
import os
import sqlite3
from contextlib import closing
from uuid import uuid4

import pytest

from .stand_in import chunk, events

# As if there had been five thousand before.
LATER_MESSAGE = """
    INSERT INTO messages (number, id, conversation_id, position, role, content, status, created_at, metadata)
    SELECT 5 * 1024, ?, conversation_id, 9, role, 'plain', status, created_at, '{}' FROM messages WHERE number = 1
"""
DELETED = "1 conversation deleted; `history restore` brings back what was deleted in the last 30 days\n"


@pytest.fixture
def talk(service, run, listed):
    """Make a conversation and return its id."""

    def talk(prompt="why is the sky blue?", *options):
        run("send", prompt, *options)
        return listed("-n", "1")[0]["id"]

    return talk


def test_nothing_said(run):
    result = run("history", "--json")

    assert (result.code, result.err) == (0, "no conversations\n")
    assert json.loads(result.out) == {"schema_version": 1, "conversations": []}


def test_the_list_names_whole_ids_where_stdout_is_no_terminal(run, talk):
    identity = talk()

    result = run("history")

    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[2].startswith(f"{identity}  ")
    assert result.out.splitlines()[2].endswith("why is the sky blue?")


def test_json_of_the_list(service, talk, listed):
    identity = talk("hello", "--tag", "ci", "--title", "A talk")

    (conversation,) = listed()

    assert list(conversation) == [
        "id",
        "title",
        "model",
        "created_at",
        "updated_at",
        "messages",
        "total_usd",
        "unsettled",
        "total_tokens",
        "tags",
        "forked_from",
        "deleted_at",
        "status",
        "preview",
    ]
    assert conversation["id"] == identity
    assert (conversation["title"], conversation["preview"], conversation["tags"]) == ("A talk", "hello", ["ci"])
    assert (conversation["messages"], conversation["status"]) == (2, "complete")
    assert conversation["total_usd"] == format(service.bill[0].normalize(), "f")


def test_the_last_changed_comes_first_and_more_is_announced(run, talk, listed):
    first, second = talk("one"), talk("two")
    assert [each["id"] for each in listed()] == [second, first]

    result = run("history", "-n", "1", "--json")

    assert [each["id"] for each in json.loads(result.out)["conversations"]] == [second]
    assert result.err == "not all shown: -n N shows more\n"


def test_filters(service, talk, listed):
    tagged = talk("one", "--tag", "ci")
    service.scripts = [events(chunk({"content": "half an ans"}))]
    cut = talk("two")

    assert [each["id"] for each in listed("--tag", "ci")] == [tagged]
    assert [each["id"] for each in listed("--partial")] == [cut]
    assert listed("--partial")[0]["status"] == "cut"
    assert len(listed("--since", "1h")) == 2
    assert listed("--since", "2999-01-01") == []


def test_show_tells_who_said_what_and_how_far_it_got(service, run, talk):
    service.scripts = [events(chunk({"content": "half an ans"}))]
    identity = talk()

    result = run("history", "show", identity[:13])

    assert result.code == 0
    assert result.out.splitlines()[1] == identity
    assert "--- user ---\nwhy is the sky blue?\n" in result.out
    assert result.out.endswith("[cut] ---\nhalf an ans\n")


def test_show_json(service, run, talk):
    identity = talk()

    document = json.loads(run("history", "show", "--json", identity).out)

    assert list(document) == ["schema_version", "conversation", "messages"]
    assert document["conversation"]["id"] == identity
    assert [(each["role"], each["content"]) for each in document["messages"]] == [
        ("user", "why is the sky blue?"),
        ("assistant", "Hello there."),
    ]
    assert document["messages"][1]["cost"]["source"] == "billed"
    assert document["messages"][1]["usage"]["total_tokens"] == 15


@pytest.mark.parametrize("command", ["show", "export", "delete"])
def test_an_unknown_id_is_wrong_usage(run, command):
    result = run("history", command, "abcdef")

    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: there is no conversation 'abcdef'\n")


def test_search(run, talk):
    identity = talk("why is the sky blue?")
    talk("how deep is the sea?")

    document = json.loads(run("history", "search", "--json", "sky", "why").out)

    assert document["schema_version"] == 1
    (hit,) = document["hits"]
    assert hit["conversation_id"] == identity
    assert hit["snippet"] == "[why] is the [sky] blue?"
    assert run("history", "search", "sky").out.startswith(f"{identity}  ")


def test_search_says_when_it_finds_nothing_or_more(run, talk):
    talk("same words")
    talk("same words")

    nothing = run("history", "search", "absent")
    assert (nothing.code, nothing.out, nothing.err) == (0, "", "nothing found\n")
    assert run("history", "search", "same", "-n", "1").err == "not all shown: -n N shows more\n"
    assert run("history", "search", "").code == 2


def test_a_search_indexes_scripts_without_spaces_once_it_is_answered(run, talk, data_dir):
    talk("今天天气很好")
    with closing(sqlite3.connect(os.path.join(data_dir, "neuralterm.db"))) as connection:
        connection.execute(LATER_MESSAGE, (str(uuid4()),))
        connection.commit()
        indexed = "SELECT count(*) FROM sign_blocks"
        run("history", "search", "weather")
        assert connection.execute(indexed).fetchone() == (0,)

        for _ in range(2):
            result = run("history", "search", "天气")
            assert ("今天天气很好" in result.out, result.err) == (True, "")
            assert connection.execute(indexed).fetchone() == (5,)


def test_what_was_said_last_is_shown_without_an_id(run, talk):
    nothing = run("history", "show")
    assert (nothing.code, nothing.err) == (2, "error: there is no conversation to show\n")
    talk("one")
    last = talk("two")

    assert run("history", "show").out == run("history", "show", last).out
    assert json.loads(run("history", "show", "--json").out)["conversation"]["id"] == last


def test_exports(run, talk):
    ids = [talk("one"), talk("two")]

    lines = run("history", "export", "--format", "jsonl", *ids).out.splitlines()
    document = json.loads(run("history", "export", "--format", "json", *ids).out)

    assert [json.loads(line)["conversation"]["id"] for line in lines] == ids
    assert [each["messages"][0]["content"] for each in document["conversations"]] == ["one", "two"]
    assert run("history", "export", ids[0]).out.startswith("# one\n")


class TestChoosingWhatToExport:
    @pytest.fixture
    def exported(self, run):
        def exported(*options):
            result = run("history", "export", "--format", "jsonl", *options)
            assert result.code == 0
            return [json.loads(line)["conversation"]["id"] for line in result.out.splitlines()]

        return exported

    def test_all_are_in_the_order_of_their_last_change(self, run, talk, exported):
        first, second, deleted = talk("one"), talk("two"), talk("three")
        run("send", "--cid", first, "again")
        assert run("history", "delete", "--yes", deleted).code == 0

        assert exported("--all") == [second, first]

    def test_by_what_they_are(self, talk, exported):
        tagged = talk("one", "--tag", "ci")
        other = talk("two", "-m", "anthropic/claude-haiku-4.5")

        assert exported("--tag", "ci") == [tagged]
        assert exported("--model", "anthropic/*") == [other]
        assert exported("--since", "1h", "--tag", "ci") == [tagged]
        assert exported("--until", "2020-01-01") == []

    def test_where_there_are_none_it_is_said_and_no_file_is_written(self, run, talk, tmp_path):
        talk("one")
        file = tmp_path / "talks.md"

        result = run("history", "export", "--tag", "nightly", "-O", str(file))

        assert (result.code, result.out, result.err) == (0, "", "no such conversations\n")
        assert not file.exists()

    def test_where_there_are_none_a_json_document_has_an_empty_list(self, run):
        result = run("history", "export", "--all", "--format", "json")
        assert (result.code, json.loads(result.out)["conversations"]) == (0, [])

    @pytest.mark.parametrize("options", [("--all",), ("--tag", "ci"), ("--since", "7d")])
    def test_ids_and_a_choice_exclude_each_other(self, run, talk, options):
        result = run("history", "export", talk("one"), *options)
        assert (result.code, result.out) == (2, "")
        assert "exclude each other" in result.err

    def test_nothing_is_exported_by_accident(self, run, talk):
        talk("one")
        result = run("history", "export")
        assert (result.code, result.out) == (2, "")
        assert "--all" in result.err


@pytest.mark.parametrize(
    ("name", "options", "begins"),
    [
        ("talk.html", (), "<!DOCTYPE html>"),
        ("talk.JSON", (), '{\n  "schema_version"'),
        ("talk.jsonl", (), '{"schema_version"'),
        ("talk.txt", (), "# one\n"),
        ("talk.html", ("--format", "md"), "# one\n"),
    ],
)
def test_the_ending_of_a_file_says_what_an_export_is(run, talk, tmp_path, name, options, begins):
    file = tmp_path / name

    assert run("history", "export", talk("one"), "-O", str(file), *options).code == 0

    assert file.read_text(encoding="utf-8").startswith(begins)


def test_an_export_to_a_hyphen_is_one_to_stdout(run, talk, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    identity = talk("one", "--tag", "ci")

    result = run("history", "export", identity, "-O", "-")

    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[2].startswith(f"`{identity}`, ")
    assert result.out.splitlines()[2].endswith(", tagged ci")
    assert not os.path.exists("-")


def test_an_export_overwrites_only_by_force(run, talk, tmp_path):
    identity, file = talk("Grüße"), tmp_path / "talk.md"

    first = run("history", "export", identity, "-O", str(file))
    assert (first.code, first.out) == (0, "")
    written = file.read_bytes()
    assert "Grüße".encode() in written
    file.write_text("precious")

    refused = run("history", "export", identity, "-O", str(file))
    assert refused.code == 2
    assert "--force" in refused.err
    assert file.read_text() == "precious"

    assert run("history", "export", identity, "-O", str(file), "--force").code == 0
    assert file.read_bytes() == written


def test_an_export_that_cannot_be_written_is_one_sentence(run, talk, tmp_path):
    result = run("history", "export", talk(), "-O", str(tmp_path / "absent" / "talk.md"))

    assert result.code == 2
    assert result.err.startswith("error: ")
    assert "can't be written" in result.err


def test_delete_needs_somebody_to_ask_or_yes(run, talk, listed):
    identity = talk()

    refused = run("history", "delete", identity)
    assert (refused.code, len(listed())) == (2, 1)
    assert "--yes" in refused.err

    done = run("history", "delete", "--yes", identity)
    assert (done.code, done.out, done.err) == (0, "", DELETED)
    assert listed() == []


def test_one_wrong_id_keeps_all(run, talk, listed):
    assert run("history", "delete", "--yes", talk(), "abcdef").code == 2
    assert len(listed()) == 1


def test_deleted_words_stay_paid(service, run, talk):
    run("history", "delete", "--yes", talk())

    assert json.loads(run("cost", "--json").out)["calls"] == 1
    assert run("history", "search", "sky").out == ""


@pytest.mark.parametrize(("said", "left"), [(b"y\n", 0), (b"n\n", 1), (b"\n", 1)])
def test_delete_asks_on_a_terminal(talk, listed, start, said, left):
    identity = talk()
    ours, theirs = os.openpty()
    try:
        os.write(ours, said)
        process = start("history", "delete", identity, stdin=theirs)
        out, err = process.communicate(timeout=30)
    finally:
        os.close(ours)
        os.close(theirs)

    assert (process.returncode, out) == (0, b"")
    assert identity.encode() in err
    assert len(listed()) == left


def test_path(run, data_dir):
    assert run("history", "path").out == os.path.join(data_dir, "neuralterm.db") + "\n"
    assert not os.path.exists(data_dir)


@pytest.mark.parametrize("command", [[], ["show", "abc"], ["search", "abc"]])
def test_errors_are_json_where_json_is_asked_for(run, data_dir, command):
    os.makedirs(data_dir)
    with open(os.path.join(data_dir, "neuralterm.db"), "wb") as file:
        file.write(b"not a database, whatever its name says " * 100)

    result = run("history", *command, "--json")

    assert (result.code, result.out) == (3, "")
    assert json.loads(result.err.splitlines()[-1])["error"]["exit_code"] == 3
