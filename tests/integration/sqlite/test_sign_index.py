"""The index of signs finds what reading all messages finds, whatever was changed or deleted meanwhile."""

import sqlite3
from contextlib import closing
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuralterm.infrastructure.backup import back_up
from neuralterm.infrastructure.database import Database
from neuralterm.infrastructure.migrations import MIGRATIONS
from neuralterm.infrastructure.repositories import SQLiteConversationRepository
from neuralterm.infrastructure.search import index_for, search_messages
from neuralterm.infrastructure.sign_index import BLOCK, index_messages, unindexed
from neuralterm.infrastructure.signs import grams, has_signs
from tests.integration.sqlite.places import give_away, unprivileged
from tests.integration.sqlite.samples import conversation, finished, pending, question

_ADD = """
    INSERT INTO messages (number, id, conversation_id, position, role, content, status, created_at, metadata)
    VALUES (?, ?, ?, (SELECT coalesce(max(position), 0) + 1 FROM messages), 'user', ?, 'complete', 0, '{}')
"""


def always(done, total):
    return True


def never(done, total):
    raise AssertionError("nothing is to be indexed")


class History:
    """A conversation whose messages may have any numbers."""

    def __init__(self, database):
        self.database = database
        self.repository = SQLiteConversationRepository(database)
        self.thread = conversation()
        self.repository.save(self.thread)

    def add(self, content, number=None):
        identity = uuid4()
        self.database.change(_ADD, (number, str(identity), str(self.thread.id), content))
        return identity

    def change(self, identity, content):
        self.database.change("UPDATE messages SET content = ? WHERE id = ?", (content, str(identity)))

    def delete(self, identity):
        self.database.change("DELETE FROM messages WHERE id = ?", (str(identity),))

    def begin_block(self, block):
        """Let all numbers before be those of whole blocks."""
        return self.add("plain", block * BLOCK)

    def index(self):
        index_messages(self.database, always)

    def found(self, query, limit=100):
        return [hit.message_id for hit in search_messages(self.database, query, limit)]

    def indexed(self):
        return [block for (block,) in self.database.query("SELECT block FROM sign_blocks ORDER BY block")]

    def kept(self):
        """Return the grams that the file has, by block."""
        rows = self.database.query("SELECT block, first_signs, last_signs FROM message_signs")
        return {
            (block, first + last) for block, first, lasts in rows for last in lasts if not "\x80" <= last <= "\u047f"
        }

    def holding(self):
        """Return the grams of the texts in the blocks that are indexed."""
        rows = self.database.query("SELECT number / 1024, content FROM messages WHERE status <> 'pending'")
        indexed = self.indexed()
        return {(block, gram) for block, content in rows if block in indexed for gram in grams(content)}


@pytest.fixture
def history(database):
    return History(database)


def test_messages_of_whole_blocks_are_indexed_and_found_newest_first(history):
    first, second = history.add("今天天气很好"), history.add("天気がいい", BLOCK - 1)
    third, fourth = history.add("天气, 天气"), history.add("天天 again", 2 * BLOCK)

    for _ in range(2):
        assert history.found("天") == [fourth, third, second, first]
        assert history.found("天气") == [third, first]
        assert history.found("天气 很好") == history.found("今天天气很") == [first]
        assert history.found("天", limit=3) == [fourth, third, second]
        assert history.found("天 AGAIN") == [fourth]
        assert history.found("天", limit=0) == []
        assert history.found("气天") == history.found("地") == []
        history.index()

    assert history.indexed() == [0, 1]
    assert unindexed(history.database) == []


def test_more_messages_than_are_looked_at_in_one_go_come_in_order(history, database):
    blocks, of_each = 20, 40
    with database.transaction():
        added = [history.add("一二" if at % 3 else "二一", at * BLOCK // of_each) for at in range(blocks * of_each)]
    history.index()

    newest_first = [each for at, each in enumerate(added) if at % 3][::-1]
    assert len(history.indexed()) == blocks - 1
    for limit in (1, 7, 50, 1000):
        assert history.found("一二", limit) == newest_first[:limit]
    assert history.found("一二 二一", 1000) == []


def test_signs_that_are_nearly_everywhere_are_found_in_order(history, database):
    with database.transaction():
        added = [history.add("一二 rare" if at % 500 == 0 else "一二") for at in range(3 * BLOCK)]
    history.index()

    assert len(history.indexed()) == 3
    assert history.found("一 rare") == added[::500][::-1]
    assert history.found("一", 30) == added[:-31:-1]


@pytest.mark.parametrize("query", ["天", "天气", "สวัสดี", "สวั", "ว", "🙂", "가나", "c天d"])
def test_a_message_that_changes_is_read_again_and_nothing_of_it_is_kept(history, query):
    identity = history.add(f"before {query} after")
    history.begin_block(1)
    history.index()
    assert history.found(query) == [identity]
    assert history.kept() == {(0, gram) for gram in grams(query)}

    history.change(identity, "something else 地")
    assert (history.found(query), history.indexed(), history.kept()) == ([], [], set())
    history.index()
    assert history.kept() == {(0, "地 ")}

    history.delete(identity)
    assert (history.indexed(), history.kept()) == ([], set())


def test_a_backup_has_the_index(history, database, tmp_path):
    identity = history.add("天气")
    history.begin_block(1)
    history.index()

    back_up(database, tmp_path / "copy.db")

    with closing(Database(tmp_path / "copy.db")) as copy:
        assert copy.query("SELECT block FROM sign_blocks") == [(0,)]
        assert [hit.message_id for hit in search_messages(copy, "天气", 5)] == [identity]


def test_any_program_that_deletes_takes_the_signs_with_it(history, database):
    history.add("天气")
    history.begin_block(1)
    history.index()
    assert history.kept()

    with closing(sqlite3.connect(database.path)) as other, other:
        other.execute("DELETE FROM messages")

    assert history.kept() == set()


def test_deleting_a_conversation_takes_its_signs_and_no_others(history):
    other = conversation()
    history.repository.save(other)
    history.add("天气", 5)
    history.add("地", BLOCK + 5)
    history.repository.add_message(question(other, "天天"))
    history.begin_block(2)
    history.index()

    assert history.repository.delete(other.id)
    assert (history.indexed(), history.kept()) == ([0], {(0, "天气"), (0, "气 ")})
    assert len(history.found("地")) == 1


def test_what_has_no_signs_and_what_changes_no_text_leaves_the_index_alone(history):
    history.add("天气")
    plain = history.add("plain")
    answer = finished(pending(history.thread), "很好")
    history.repository.add_message(answer)
    history.begin_block(1)
    history.index()

    history.repository.finish_message(answer)
    history.change(plain, "simple")
    history.delete(plain)

    assert history.indexed() == [0]
    assert history.found("很好") == [answer.id]


def test_an_answer_that_ends_in_an_indexed_block_is_found(history):
    answer = pending(history.thread, content="天气")
    abandoned = pending(history.thread, content="天气不好")
    history.repository.add_message(answer)
    history.repository.add_message(abandoned)
    history.begin_block(1)
    history.index()
    assert (history.indexed(), history.found("天气"), history.kept()) == ([0], [], set())

    history.repository.finish_message(finished(answer, "天气"))
    assert history.found("天气") == [answer.id]
    history.index()
    history.repository.abandon_message(abandoned.id)
    assert history.found("天气") == [abandoned.id, answer.id]


def test_a_number_that_is_given_again_is_found(history):
    history.add("天气")
    last = history.begin_block(1)
    history.index()
    history.delete(last)

    again = history.add("天气")

    assert len(history.found("天气")) == 2
    assert history.found("天气", limit=1) == [again]


def test_a_text_with_a_nul_leaves_nothing(history):
    identity = history.add("plain\0天气")
    history.begin_block(1)
    history.index()
    assert history.found("天气") == [identity]

    history.delete(identity)
    assert history.kept() == set()


def test_a_text_that_is_no_utf8_is_found_by_its_signs(history, database):
    identity = history.add("")
    database.change("UPDATE messages SET content = CAST(x'E5FFE5A4A9E6B094FFE5A5BD' AS TEXT)")
    history.begin_block(1)

    for _ in range(2):
        assert history.found("天气") == history.found("好") == [identity]
        assert history.found("气好") == []
        history.index()


def test_a_transaction_searches_what_it_has_written(history, database):
    history.begin_block(1)
    history.index()
    with database.transaction():
        identity = history.add("天气", 5)
        assert history.found("天气") == [identity]


def test_signs_that_come_as_halves_of_pairs_are_looked_up(history):
    identity = history.add("🙂")
    history.begin_block(5)
    index_for(history.database, "\ud83d\ude42", always)

    assert len(history.indexed()) == 5
    assert history.found("\ud83d\ude42") == [identity]


def test_indexing_ends_when_it_is_told_to(history):
    history.begin_block(6)
    told = []

    index_for(history.database, "天", lambda done, total: told.append((done, total)) or done < 2)

    assert told == [(0, 6), (1, 6), (2, 6)]
    assert history.indexed() == [4, 5]


def test_a_few_blocks_and_searches_for_other_words_are_left_to_reading(history):
    history.begin_block(4)
    index_for(history.database, "天", never)
    history.begin_block(5)
    index_for(history.database, "words", never)
    assert history.indexed() == []

    index_for(history.database, "天", always)
    assert history.indexed() == [0, 1, 2, 3, 4]


def test_who_can_not_write_now_is_answered_and_leaves_the_index_for_later(history, database):
    identity = history.add("天气")
    history.begin_block(5)

    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert history.found("天气") == [identity]
        index_for(database, "天气", always)
        assert history.indexed() == []

    index_for(database, "天气", always)
    assert len(history.indexed()) == 5


def test_a_file_that_can_not_be_written_is_searched_as_far_as_it_is_indexed(public_directory):
    path = public_directory / "neuralterm.db"
    with closing(Database(path)) as database:
        history = History(database)
        indexed = history.add("天气")
        history.begin_block(1)
        history.index()
        read = history.add("天气", 2 * BLOCK)
        history.begin_block(9)
    path.chmod(0o400)
    give_away(path)
    public_directory.chmod(0o555)
    before = path.read_bytes()

    with unprivileged(), closing(Database(path)) as database:
        assert [hit.message_id for hit in search_messages(database, "天气", 5)] == [read, indexed]
        index_for(database, "天气", never)

    assert path.read_bytes() == before


def test_a_message_that_is_deleted_meanwhile_makes_no_other_be_missed(history, database):
    other = history.add("天气", 3)
    kept = history.add("天气", BLOCK - 1)
    history.begin_block(1)
    history.index()

    class Meddled(Database):
        """Another process deletes a message as soon as the index has been asked once."""

        def query(self, sql, parameters=()):
            rows = super().query(sql, parameters)
            if "FROM sign_blocks" in sql:
                history.delete(other)
            return rows

    with closing(Meddled(database.path)) as meddled:
        assert kept in [hit.message_id for hit in search_messages(meddled, "天气", 5)]
    assert history.found("天气") == [kept]


def test_two_that_index_at_once_do_it_once(history, database):
    history.add("天气")
    history.begin_block(2)

    def meanwhile(done, total):
        if done == 0:
            history.index()
        return True

    with closing(Database(database.path)) as other:
        index_messages(other, meanwhile)

    assert history.indexed() == [0, 1]
    assert history.kept() == history.holding()


def test_a_text_that_changes_while_it_is_indexed_is_left_for_later(history, database):
    identity = history.add("天气")
    history.begin_block(1)

    class Meddled(Database):
        """Another process changes a text as soon as all have been read."""

        def query(self, sql, parameters=()):
            rows = super().query(sql, parameters)
            if "CAST(content AS BLOB)" in sql and not self._begun:
                history.change(identity, "很好")
            return rows

    with closing(Meddled(database.path)) as meddled:
        index_messages(meddled, always)
    assert (history.indexed(), history.kept()) == ([], set())
    assert history.found("很好") == [identity]


def test_no_database_is_made_for_it(tmp_path):
    with closing(Database(tmp_path / "neuralterm.db")) as database:
        assert search_messages(database, "天", 5) == []
        index_for(database, "天", never)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("version", [1, 5])
def test_messages_of_an_older_file_are_found_at_once_and_indexed_later(tmp_path, version):
    path = tmp_path / "neuralterm.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        for migration in MIGRATIONS[:version]:
            migration(old)
        old.execute(f"PRAGMA user_version = {version}")
        old.execute("INSERT INTO conversations VALUES (1, ?, 'old', 'a/b', 0, 0, 0, 0)", (str(UUID(int=1)),))
        for number in (1, BLOCK, 2 * BLOCK):
            old.execute(_ADD, (number, str(UUID(int=number)), str(UUID(int=1)), "今天天气很好"))

    with closing(Database(path)) as database:
        for indexed in (0, 2):
            assert database.query("SELECT count(*) FROM sign_blocks") == [(indexed,)]
            hits = search_messages(database, "天气", 5)
            assert [hit.message_id.int for hit in hits] == [2 * BLOCK, BLOCK, 1]
            index_messages(database, always)


# Few signs, so that they meet often; what ends a run, and letters of both cases.
_TEXTS = st.text(st.sampled_from("天気がกขค🙂🚀aA é"), max_size=12)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), _TEXTS),
        st.tuples(st.just("change"), _TEXTS, st.integers(0, 50)),
        st.tuples(st.just("delete"), st.integers(0, 50)),
        st.tuples(st.just("next block")),
        st.tuples(st.just("index")),
        st.tuples(st.just("search"), _TEXTS, st.integers(1, 5)),
    ),
    max_size=25,
)


def holds(content, word):
    return _folded(word) in _folded(content)


def _folded(text):
    return "".join(each.lower() if each.isascii() else each for each in text)


@pytest.mark.no_cover
@settings(deadline=None, max_examples=150)
@given(_STEPS)
def test_the_index_finds_what_reading_finds(steps):
    with closing(Database(":memory:")) as database:
        history = History(database)
        texts = {}
        for what, *details in [*steps, ("index",), ("search", "天", 50), ("search", "กข 天", 50)]:
            if what == "add":
                texts[history.add(details[0])] = details[0]
            elif what == "next block":
                newest = database.query("SELECT coalesce(max(number), 0) FROM messages")[0][0]
                texts[history.add("天気", (newest // BLOCK + 2) * BLOCK - 1)] = "天気"
            elif what == "index":
                history.index()
            elif what == "search" and has_signs(details[0]):
                words = details[0].split()
                expected = [each for each, text in texts.items() if all(holds(text, word) for word in words)]
                assert history.found(*details) == expected[::-1][: details[1]]
            elif what in ("change", "delete") and texts:
                identity = list(texts)[details[-1] % len(texts)]
                if what == "change":
                    history.change(identity, details[0])
                    texts[identity] = details[0]
                else:
                    history.delete(identity)
                    del texts[identity]
            assert history.kept() == history.holding()
