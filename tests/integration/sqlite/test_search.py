"""Searching: any text is a valid query, and a message is found by its own words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuralterm.application.search import SearchFilter
from neuralterm.domain.models import MessageRole, MessageStatus
from neuralterm.infrastructure.database import Database
from neuralterm.infrastructure.repositories import SQLiteConversationRepository
from tests.integration.sqlite.samples import (
    NOON,
    conversation,
    finished,
    minutes_after_noon,
    pending,
    question,
    write_journal,
)


@pytest.fixture
def thread(repository):
    thread = conversation(title="Talk")
    repository.save(thread)
    return thread


def add(repository, thread, *contents):
    for content in contents:
        repository.add_message(question(thread, content))


def found(repository, query, limit=10):
    return [hit.snippet for hit in repository.search(query, limit)]


def test_all_words_must_match_and_the_newest_comes_first(repository, thread):
    add(repository, thread, "red apples", "green apples", "green pears")

    assert found(repository, "apples") == ["green [apples]", "red [apples]"]
    assert found(repository, "GREEN  apples") == ["[green] [apples]"]
    assert found(repository, "red pears") == []
    assert found(repository, "apples", limit=1) == ["green [apples]"]
    assert found(repository, "apples", limit=0) == []
    assert found(repository, "") == found(repository, " \n\t ") == []


def test_a_hit_tells_where_it_is(repository, thread):
    message = question(thread, "red apples", role=MessageRole.SYSTEM)
    repository.add_message(message)

    (hit,) = repository.search("apples", 5)

    assert (hit.conversation_id, hit.message_id) == (thread.id, message.id)
    assert (hit.role, hit.title, hit.created_at) == ("system", "Talk", NOON)


def test_a_search_can_be_narrowed(repository, thread):
    tagged = conversation(tags=("t",), model_id="c/d")
    repository.save(tagged)
    add(repository, tagged, "red apples 天气")
    repository.add_message(question(thread, "old apples 天气", created_at=minutes_after_noon(-9)))
    repository.add_message(question(thread, "green apples 天气", role=MessageRole.ASSISTANT, model_id="a/b"))

    def found(**fields):
        hits = [repository.search(query, 10, SearchFilter(**fields)) for query in ("apples", "天气")]
        contents = [[hit.snippet.split()[0] for hit in each] for each in hits]
        assert contents[0] == contents[1]
        return contents[0]

    assert found() == ["green", "old", "red"]
    assert found(tag="t") == found(model="C/*") == ["red"]
    assert found(model="a/b") == ["green"]
    assert found(until=NOON) == ["old"]
    assert found(since=NOON) == ["green", "red"]
    assert found(since=NOON, tag="t", model="a/b") == []


def test_a_pending_answer_is_found_when_it_is_finished(repository, thread):
    answer = pending(thread)
    repository.add_message(answer)
    write_journal(repository, answer, "red apples")
    assert found(repository, "apples") == []

    repository.finish_message(finished(answer, "green apples", status=MessageStatus.CUT))
    assert found(repository, "apples") == ["green [apples]"]

    repository.finish_message(finished(answer, "green pears"))
    assert found(repository, "apples") == []
    assert found(repository, "pears") == ["green [pears]"]


def assert_index_is_sound(database):
    """Let SQLite compare the index with the texts."""
    database.change("INSERT INTO message_search (message_search, rank) VALUES ('integrity-check', 1)")


def test_the_index_follows_every_change(database):
    repository = SQLiteConversationRepository(database)
    threads = [conversation(), conversation()]
    answers = [pending(thread, content="begun") for thread in threads]
    for thread, answer in zip(threads, answers, strict=True):
        repository.save(thread)
        add(repository, thread, "red apples")
        repository.add_message(answer)
    assert_index_is_sound(database)

    for content in ("green", "yellow"):
        repository.finish_message(finished(answers[0], content))
        assert_index_is_sound(database)
    repository.finish_message(pending(threads[0], id=answers[0].id))
    assert_index_is_sound(database)
    for thread in threads:
        repository.delete(thread.id)
        assert_index_is_sound(database)


def test_a_pending_answer_is_not_found_by_reading_either(repository, thread):
    repository.add_message(pending(thread, content="今天天气"))

    assert found(repository, "天气") == []


@pytest.fixture
def disk(database):
    repository = SQLiteConversationRepository(database)
    thread = conversation()
    repository.save(thread)
    add(
        repository,
        thread,
        'what is c++? "quoted" words',
        "do NOT use AND or NEAR(a b) here*",
        "今天天气很好, said he",
        "สวัสดีครับ",
        "100% sure_thing \\ backslash ++",
        "Ein Café in MÜNCHEN",
        "smile 🙂 please",
    )
    return repository


@pytest.mark.parametrize(
    ("query", "snippet"),
    [
        ("what is c++?", '[what] [is] [c]++? "quoted" words'),
        ('"quoted', 'what is c++? "[quoted]" words'),
        ('quoted" OR', None),
        ("NOT", "do [NOT] use AND or NEAR(a b) here*"),
        ("NEAR(a", "do NOT use AND or [NEAR(a] b) here*"),
        ("content:what", None),
        ("here*", "do NOT use AND or NEAR(a b) [here]*"),
        ("her*", None),
        ('"', 'what is c++? ["]quoted["] words'),
        ("天气", "今天[天气]很好, said he"),
        ("天气 SAID", "今天[天气]很好, [said] he"),
        ("天气 gone", None),
        ("สวัสดี", "[สวัสดี]ครับ"),
        ("%", "100[%] sure_thing \\ backslash ++"),
        ("_ \\", "100% sure[_]thing [\\] backslash ++"),
        ("*", "do NOT use AND or NEAR(a b) here[*]"),
        ("cafe münchen", "Ein [Café] in [MÜNCHEN]"),
        ("🙂", "smile [🙂] please"),
        ("\ud83d\ude42", "smile [🙂] please"),
        ("\ud83d", None),
        ("please\0smile", "[smile] 🙂 [please]"),
    ],
)
def test_any_text_is_a_query(disk, query, snippet):
    assert found(disk, query) == ([] if snippet is None else [snippet])


def test_very_long_queries_are_answered(disk):
    assert found(disk, " ".join(f"w{number}" for number in range(3000))) == []
    assert found(disk, " ".join(f"天{number}" for number in range(3000))) == []
    assert found(disk, "天" * 100_000) == []
    assert found(disk, "smile " * 1000) == ["[smile] 🙂 please"]


def test_snippets_of_long_texts_are_short(database):
    repository = SQLiteConversationRepository(database)
    thread = conversation()
    repository.save(thread)
    add(repository, thread, "a " * 1000 + "needle 天气 " + "z " * 1000)

    for query in ("needle", "天气"):
        (snippet,) = found(repository, query)
        assert f"[{query}]" in snippet
        assert len(snippet) < 200
        assert snippet[0] == snippet[-1] == "…"


@settings(deadline=None, max_examples=80)
@given(st.text(max_size=40), st.text(st.characters(), max_size=40))
def test_a_message_is_found_by_its_own_text_and_no_query_fails(content, other):
    database = Database(":memory:")
    repository = SQLiteConversationRepository(database)
    thread = conversation()
    repository.save(thread)
    add(repository, thread, content)

    hits = repository.search(content, 5)
    repository.search(other, 5)
    assert_index_is_sound(database)
    database.close()

    assert len(hits) == bool(content.replace("\0", " ").split())
