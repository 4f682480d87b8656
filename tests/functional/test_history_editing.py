"""`history fork|rename|tag|delete|restore|purge`, and what the list and the search make of it."""

import json
import os
import sqlite3
from datetime import UTC, datetime

import pytest

from neuralterm.application.trash import KEPT_FOR

from .conftest import KEY
from .terminal import Terminal

DAY_MS = 86_400_000


@pytest.fixture
def talk(service, run, listed):
    """Make a conversation of two exchanges and return its id."""

    def talk(*options):
        run("send", "why is the sky blue?", *options)
        run("send", "-c", "and the sea?")
        return listed("-n", "1")[0]["id"]

    return talk


@pytest.fixture
def shown(run):
    return lambda identity: json.loads(run("history", "show", "--json", identity).out)


def money(run):
    return json.loads(run("cost", "--json").out)["total_usd"]


def test_a_fork_costs_nothing_and_knows_its_origin(run, talk, shown, listed):
    original = talk("--tag", "x")
    paid = money(run)

    result = run("history", "fork", original[:8], "--at", "2")

    assert (result.code, result.err) == (0, "")
    fork = shown(result.out.strip())
    about = fork["conversation"]
    assert (about["forked_from"], about["total_usd"], about["unsettled"]) == (original, "0", 0)
    assert (about["title"], about["tags"]) == ("why is the sky blue? (fork)", ["x"])
    assert [each["number"] for each in fork["messages"]] == [1, 2]
    paid_for = [each["id"] for each in shown(original)["messages"][:2]]
    assert [each["copied_from"] for each in fork["messages"]] == paid_for
    assert [each["cost"] for each in fork["messages"]] == [None, None]
    assert money(run) == paid
    assert len(listed()) == 2


def test_a_fork_goes_on_by_itself(service, run, talk, shown):
    original = talk()
    fork = run("history", "fork", original, "--title", "Other").out.strip()

    assert run("send", "-c", "now what?").code == 0

    request = service.requests[-1].body
    assert [each["content"] for each in request["messages"]][0::2] == [
        "why is the sky blue?",
        "and the sea?",
        "now what?",
    ]
    document = shown(fork)
    assert document["conversation"]["title"] == "Other"
    assert document["conversation"]["total_usd"] == document["messages"][-1]["cost"]["usd"]
    assert len(shown(original)["messages"]) == 4


@pytest.mark.parametrize("words", [["--at", "9"], ["--at", "0"]])
def test_a_fork_needs_a_message_that_is_there(run, talk, listed, words):
    result = run("history", "fork", talk(), *words)

    assert (result.code, result.out) == (2, "")
    assert len(listed()) == 1


@pytest.mark.parametrize(("written", "title"), [("My\n title", "My title"), (" ", None)])
def test_a_title_is_one_line_wherever_it_is_given(run, talk, listed, written, title):
    run("history", "fork", talk("--title", written), "--title", written)

    assert [each["title"] for each in listed()] == (
        [title, title] if title else ["why is the sky blue? (fork)", "why is the sky blue?"]
    )


def test_a_question_names_no_more_than_one_can_read(service, run, talk, listed, data_dir):
    original = talk("--title", "Sky")
    for _ in range(21):
        run("history", "fork", original)
    run("history", "delete", "--yes", *[each["id"] for each in listed("-n", "30")])
    terminal = Terminal("history", "purge")
    try:
        terminal.expect("... and 2 more\n")
        terminal.expect("Delete for good? [y/N]: ")
        terminal.type("\x04")
        assert terminal.end() == (130, "\n")
    finally:
        terminal.close()
    assert len(listed("--deleted", "-n", "30")) == 22


def test_renaming(run, talk, listed):
    identity = talk()

    assert run("history", "rename", identity, "The", "sky").err == "renamed\n"
    assert run("history", "rename", identity, " ").code == 2

    assert listed()[0]["title"] == "The sky"


def test_a_title_holds_no_key(run, talk, listed):
    run("history", "rename", talk(), f"with {KEY}")

    assert listed()[0]["title"] == "with [redacted: api key]"


def test_tags_change_and_money_stays_under_the_old_ones(run, talk, listed):
    identity = talk("--tag", "old")

    assert run("history", "tag", identity).out == "old\n"
    assert run("history", "tag", identity, "new", "b", "--remove", "old").out == "new\nb\n"
    assert run("history", "tag", identity, "a\nb").code == 2
    assert run("history", "tag", identity, "").code == 2
    cleared = run("history", "tag", identity, "--remove", "new", "--remove", "b")

    assert (cleared.out, cleared.err) == ("", "no tags\n")
    assert listed()[0]["tags"] == []
    groups = json.loads(run("cost", "--by", "tag", "--json").out)["groups"]
    assert {each["key"]: each["calls"] for each in groups} == {"": 1, "old": 1}


def test_the_trash_and_the_way_back(run, talk, listed):
    identity = talk()
    paid = money(run)

    run("history", "delete", "--yes", identity)

    assert listed() == []
    (deleted,) = listed("--deleted")
    assert (deleted["id"], deleted["deleted_at"][:2]) == (identity, "20")
    assert run("history", "search", "sky").out == ""
    assert run("send", "-c", "x").code == run("send", "--cid", identity, "x").code == 2
    hidden = run("history", "show", identity)
    assert hidden.code == 2
    assert "history restore" in hidden.err
    assert money(run) == paid

    assert run("history", "restore", identity[:8]).err == "1 conversation restored\n"
    assert [each["id"] for each in listed()] == [identity]
    assert run("history", "restore", identity).code == 2
    assert run("history", "search", "sky").out != ""


def test_the_trash_is_emptied_when_its_time_is_over(run, talk, listed, data_dir):
    identity = talk()
    run("history", "delete", "--yes", identity)

    def set_back(days):
        with sqlite3.connect(os.path.join(data_dir, "neuralterm.db")) as connection:
            connection.execute("UPDATE conversations SET deleted_at = deleted_at - ?", (days * DAY_MS,))
        connection.close()

    set_back(KEPT_FOR.days - 1)
    assert len(listed("--deleted")) == 1
    set_back(2)
    assert run("send", "-c", "x").code == 2  # which deletes nothing
    assert listed("--deleted") == []
    assert run("history", "restore", identity).code == 2


def test_purging_leaves_no_way_back(run, talk, listed, stored):
    first, second, third = talk(), talk(), talk()
    run("history", "delete", "--yes", first, second)
    paid = money(run)

    assert run("history", "purge").code == 2  # nobody to ask
    assert run("history", "delete", "--purge", "--yes", first, third).err == "2 conversations deleted for good\n"
    assert [each["id"] for each in listed("--deleted")] == [second]
    assert run("history", "purge", "--yes").err == "1 conversation deleted for good\n"
    assert run("history", "purge", "--yes").err == "the trash is empty\n"

    assert listed() == listed("--deleted") == []
    assert stored("SELECT count(*) FROM messages") == [(0,)]
    assert money(run) == paid


@pytest.mark.parametrize(
    "words",
    [
        ["fork"],
        ["rename", "x"],
        ["tag", "x"],
        ["restore"],
        ["delete", "--purge", "--yes"],
        ["export", "--format", "html"],
    ],
)
def test_an_unknown_id_is_wrong_usage(run, words):
    command, *rest = words
    result = run("history", command, "abcdef", *rest)

    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: there is no conversation 'abcdef'")


def test_lists_and_searches_are_filtered(run, talk, listed):
    identity = talk("--tag", "a", "-m", "openai/gpt-4o")
    other = talk("-m", "openai/gpt-4o-mini", "--title", "Other")
    run("send", "-c", "x", "-m", "openai/gpt-4o-mini")

    def ids(*options):
        return [each["id"] for each in listed(*options)]

    assert ids("--model", "openai/gpt-4o") == [identity]
    assert ids("--model", "OpenAI/*") == [other, identity]
    assert ids("--model", "x/*") == []
    assert run("history", "--tag", "b").err == "no such conversations\n"
    for option in ("--tag", "--model"):
        assert run("history", option, "").code == run("history", "search", "sky", option, " ").code == 2
    assert ids("--until", "1h") == ids("--min-cost", "100") == []
    assert ids("--min-cost", "0") == ids("--until", "2999-01-01") == [other, identity]

    def found(*options):
        hits = json.loads(run("history", "search", "sky", "--json", *options).out)["hits"]
        return [each["conversation_id"] for each in hits]

    assert found() == [other, identity]
    assert found("--tag", "a") == found("--model", "openai/gpt-4o") == [identity]
    assert found("--since", "1h", "--until", "2999-01-01") == [other, identity]
    assert found("--until", "1h") == []
    assert run("history", "--until", "9999-12-31").code == 2


def test_dates_are_those_of_the_settings_time_zone(run, talk, listed, data_dir):
    talk()
    with sqlite3.connect(os.path.join(data_dir, "neuralterm.db")) as connection:
        late = datetime(2026, 3, 1, 22, 30, tzinfo=UTC).timestamp() * 1000  # half past seven in Tokyo, the day after
        connection.execute("UPDATE conversations SET updated_at = ?", (late,))
    connection.close()
    assert len(listed("--since", "2026-03-01", "--until", "2026-03-01")) == 1
    with open(os.environ["NEURALTERM_CONFIG"], "w") as file:
        file.write('timezone = "Asia/Tokyo"\n')

    assert len(listed("--since", "2026-03-02", "--until", "2026-W10-1")) == 1
    assert listed("--until", "2026-03-01") == []


def test_a_search_shows_its_hits_without_marks_in_a_pipe(run, talk):
    identity = talk()

    assert run("history", "search", "SKY").out.splitlines()[1] == "  why is the sky blue?"
    assert run("history", "search", "SKY").out.startswith(identity)


def test_a_page_of_html(run, talk, tmp_path):
    file = tmp_path / "talk.html"

    assert run("history", "export", talk(), "--format", "html", "-O", str(file)).code == 0

    assert file.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert "why is the sky blue?" in file.read_text(encoding="utf-8")
