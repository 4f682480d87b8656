"""What of a conversation is sent to the model."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.application.context import (
    TRUNCATION_MARKER,
    UNFINISHED_NOTE,
    dropped,
    is_inserted,
    prompt_messages,
    truncate,
)
from neuralterm.domain.models import Message, MessageRole, MessageStatus

MARKER_TOKENS = len(TRUNCATION_MARKER.split())


def words(message):
    return len(message.content.split())


def system(text):
    return Message(role=MessageRole.SYSTEM, content=text)


def user(text):
    return Message(role=MessageRole.USER, content=text)


def answer(text, status=MessageStatus.COMPLETE):
    return Message(role=MessageRole.ASSISTANT, content=text, status=status)


def of_words(count):
    return " ".join(["w"] * count)


def texts(messages):
    return [message.content for message in messages]


class TestTruncate:
    def test_what_fits_is_returned_as_it_is(self):
        messages = [system("be kind"), user("one"), answer("two"), user("three")]
        result = truncate(messages, 5, words)
        assert result == messages
        assert result is not messages

    def test_the_newest_messages_stay_behind_system_and_marker(self):
        messages = [system("s"), user(of_words(20)), answer(of_words(20)), user("u2"), answer("a2"), user("u3")]
        result = truncate(messages, 1 + MARKER_TOKENS + 3, words)
        assert texts(result) == ["s", TRUNCATION_MARKER, "u2", "a2", "u3"]
        assert result[1].role is MessageRole.SYSTEM

    def test_the_marker_costs_tokens(self):
        messages = [user(of_words(20)), *(user("u") for _ in range(MARKER_TOKENS + 2))]
        result = truncate(messages, MARKER_TOKENS + 2, words)
        assert texts(result) == [TRUNCATION_MARKER, "u", "u"]

    def test_dropping_one_message_is_a_truncation_although_the_count_stays_the_same(self):
        messages = [user(of_words(30)), answer("a"), user("u")]
        result = truncate(messages, 20, words)
        assert len(result) == len(messages)
        assert texts(result) == [TRUNCATION_MARKER, "a", "u"]
        assert dropped(messages, result) == messages[:1]

    def test_the_newest_question_stays_even_if_it_is_too_long_alone(self):
        messages = [system("s"), user("u1"), answer("a1"), user(of_words(100))]
        result = truncate(messages, 10, words)
        assert texts(result) == ["s", TRUNCATION_MARKER, messages[3].content]

    def test_nothing_is_marked_where_nothing_can_be_dropped(self):
        messages = [system("s"), user(of_words(100))]
        assert truncate(messages, 10, words) == messages

    def test_the_newest_question_stays_before_an_answer_that_is_too_long(self):
        messages = [user("u1"), answer("a1"), user("u2"), answer(of_words(50))]
        assert texts(truncate(messages, 20, words)) == [TRUNCATION_MARKER, "u2"]

    def test_system_messages_move_to_the_front(self):
        late = system("late")
        messages = [user(of_words(40)), late, answer("a"), user("u")]
        result = truncate(messages, 20, words)
        assert texts(result) == ["late", TRUNCATION_MARKER, "a", "u"]

    def test_the_marker_is_a_message_of_its_own_each_time(self):
        messages = [user(of_words(40)), user("u")]
        first, second = (truncate(messages, 20, words)[0] for _ in range(2))
        assert is_inserted(first)
        assert first.id != second.id
        assert first.id not in {message.id for message in messages}

    def test_truncating_again_leaves_one_marker(self):
        once = truncate([user(of_words(40)), answer(of_words(5)), user("u")], 20, words)
        assert texts(once) == [TRUNCATION_MARKER, of_words(5), "u"]
        assert texts(truncate(once, MARKER_TOKENS + 2, words)) == [TRUNCATION_MARKER, "u"]

    def test_a_note_goes_with_its_answer(self):
        history = [user("u1"), answer(of_words(3), MessageStatus.CUT), user("u2")]
        messages = prompt_messages(history)
        note_tokens = len(UNFINISHED_NOTE.split())
        filler = [user(of_words(60))]
        room = MARKER_TOKENS + 3 + note_tokens + 1
        assert texts(truncate(filler + messages, room, words)) == [TRUNCATION_MARKER, *texts(messages[1:])]
        assert texts(truncate(filler + messages, room - 1, words)) == [TRUNCATION_MARKER, "u2"]

    def test_the_overhead_is_part_of_the_budget(self):
        messages = [user("one"), user("two")]
        assert truncate(messages, 5, words, overhead=3) == messages
        assert texts(truncate(messages, 4, words, overhead=3)) == [TRUNCATION_MARKER, "two"]

    def test_counts_each_message_once_and_none_that_is_out_of_reach(self):
        messages = [user(f"u{number} " + of_words(9)) for number in range(100)]
        counted = Counter()

        def count(message):
            counted[message.id] += 1
            return words(message)

        truncate(messages, 50, count)
        assert set(counted.values()) == {1}
        assert len(counted) <= 7
        assert not {message.id for message in messages[:90]} & set(counted)

    def test_an_empty_list_stays_empty(self):
        assert truncate([], 0, words) == []

    @given(
        kinds=st.lists(
            st.tuples(st.sampled_from([system, user, user, answer]), st.integers(min_value=1, max_value=30)),
            max_size=12,
        ),
        budget=st.integers(min_value=-5, max_value=120),
        overhead=st.integers(min_value=0, max_value=5),
    )
    def test_the_budget_holds_and_the_newest_question_stays(self, kinds, budget, overhead):
        messages = [make(of_words(count)) for make, count in kinds]
        result = truncate(messages, budget, words, overhead)
        lost = dropped(messages, result)
        total = overhead + sum(map(words, result))
        questions = [message for message in messages if message.role is MessageRole.USER]
        systems = [message for message in messages if message.role is MessageRole.SYSTEM]
        markers = [message for message in result if is_inserted(message)]

        assert all(message in result for message in systems + questions[-1:])
        assert len(markers) == bool(lost)
        if total > budget:
            assert [message for message in result if message not in markers + systems] in (questions[-1:], [])
        if not lost:
            assert result == messages
        spoken = [message for message in messages if message.role is not MessageRole.SYSTEM]
        kept = [message for message in result if message.role is not MessageRole.SYSTEM]
        newest = [message for message in kept if message not in questions[-1:]]
        others = [message for message in spoken if message not in questions[-1:]]
        assert newest == others[len(others) - len(newest) :]


class TestDropped:
    def test_compares_ids_and_not_contents(self):
        before = [user("same"), user("same")]
        assert dropped(before, before[1:]) == before[:1]

    def test_notes_and_markers_are_nobodys_loss(self):
        before = prompt_messages([user("u"), answer("a", MessageStatus.CUT)])
        assert dropped(before, []) == before[:2]


class TestPromptMessages:
    @pytest.mark.parametrize(
        "status",
        [
            MessageStatus.TRUNCATED,
            MessageStatus.CUT,
            MessageStatus.INTERRUPTED,
            MessageStatus.STOPPED,
            MessageStatus.PENDING,
        ],
    )
    def test_a_partial_answer_is_followed_by_a_note(self, status):
        history = [user("u1"), answer("half an", status), user("u2")]
        prompt = prompt_messages(history)
        assert texts(prompt) == ["u1", "half an", UNFINISHED_NOTE, "u2"]
        assert prompt[1] is history[1]
        assert prompt[2].role is MessageRole.SYSTEM
        assert is_inserted(prompt[2])

    @pytest.mark.parametrize("status", [MessageStatus.FAILED, MessageStatus.PENDING, MessageStatus.INTERRUPTED])
    @pytest.mark.parametrize("text", ["", " \n"])
    def test_a_failed_answer_is_left_out_with_its_question(self, status, text):
        history = [system("s"), user("u1"), answer("a1"), user("u2"), answer(text, status), user("u3")]
        assert texts(prompt_messages(history)) == ["s", "u1", "a1", "u3"]

    def test_the_question_stays_if_another_attempt_answered_it(self):
        history = [user("u"), answer("", MessageStatus.FAILED), answer("a")]
        assert texts(prompt_messages(history)) == ["u", "a"]

    def test_a_question_without_any_answer_stays(self):
        history = [user("u1"), answer("a1"), user("u2")]
        assert prompt_messages(history) == history

    def test_a_system_message_stays_where_an_exchange_is_left_out(self):
        history = [user("u1"), answer("", MessageStatus.FAILED), system("s"), user("u2")]
        assert texts(prompt_messages(history)) == ["s", "u2"]

    def test_history_itself_is_not_changed(self):
        history = [user("u1"), answer("half", MessageStatus.CUT)]
        prompt_messages(history)
        assert len(history) == 2
        assert history[1].content == "half"

    def test_complete_history_is_sent_as_it_is(self):
        history = [system("s"), user("u"), answer("a")]
        assert prompt_messages(history) == history
