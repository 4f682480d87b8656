import pytest

from neuralterm.application.context import TRUNCATION_MARKER
from neuralterm.application.prompts import SMALLEST_WINDOW, check_input, check_output_cap, fit_to_window, needs_window
from neuralterm.application.turn import Prompt
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.exceptions import TokenLimitError, ValidationError
from neuralterm.domain.models import Message, MessageRole
from tests.fakes.counter import WordCounter

COUNTER = WordCounter()


def messages(*lengths):
    """Messages of so many tokens, question and answer by turns."""
    roles = (MessageRole.USER, MessageRole.ASSISTANT)
    return [Message(role=roles[i % 2], content="w " * (length - 1)) for i, length in enumerate(lengths)]


def fitted(window, *lengths, wanted=None):
    model = None if window is None else OpenRouterModel("a/b", context_length=window)
    listed = messages(*lengths)
    prompt = Prompt(listed[0].conversation_id, "a/b", model, listed, listed[-1:])
    return prompt, fit_to_window(prompt, COUNTER, wanted)


@pytest.mark.parametrize("content", ["", "\n", "\u2003"])
def test_empty_input(content):
    with pytest.raises(ValidationError) as caught:
        check_input(content, None)
    assert caught.value.code == "EMPTY_INPUT"


def test_long_input():
    check_input("x" * 10, 10)
    check_input("x" * 10**6, None)
    with pytest.raises(ValidationError) as caught:
        check_input("x" * 1001, 1000)
    assert caught.value.code == "INPUT_TOO_LONG"
    assert "1,001 characters of at most 1,000" in caught.value.message


@pytest.mark.parametrize("cap", [None, 1, 100, 10.0])
def test_a_cap_that_makes_sense(cap):
    check_output_cap(cap)


@pytest.mark.parametrize("cap", [0, -1, 1.5, 0.5, float("nan"), float("inf"), float("-inf")])
def test_a_cap_that_makes_none(cap):
    with pytest.raises(ValidationError):
        check_output_cap(cap)


def test_a_prompt_that_fits_stays_as_it_is():
    prompt, fit = fitted(4000, 100, 100, 100)
    assert fit.messages == prompt.messages
    assert fit.dropped == 0


def test_without_a_window_nothing_is_dropped():
    prompt, fit = fitted(None, 10_000, 10_000)
    assert fit is prompt


def test_room_is_left_for_the_answer():
    """Of 4000 tokens 500 are kept free, unless the user asks for another size."""
    lengths = (1000, 1000, 1000, 500, 400)
    assert fitted(4400, *lengths)[1].dropped == 0
    assert fitted(4300, *lengths)[1].dropped == 1
    assert fitted(4400, *lengths, wanted=600)[1].dropped == 1


def test_no_more_than_a_quarter_of_the_window_is_kept_free():
    assert fitted(4000, 1500, 1500, wanted=100_000)[1].dropped == 0


def test_dropping_one_message_for_the_marker_is_a_truncation():
    """As many messages go out as were there, and still something is missing."""
    prompt, fit = fitted(2000, 1000, 700, 400)
    assert len(fit.messages) == 3
    assert fit.dropped == 1
    assert fit.messages[0].content == TRUNCATION_MARKER
    assert fit.messages[1:] == prompt.messages[1:]
    assert fit.new == prompt.new


def test_the_newest_question_is_never_dropped():
    _, fit = fitted(1000, 10, 10, 900)
    assert len(fit.messages[-1].content.split()) == 899


def test_a_question_longer_than_the_window_is_refused():
    with pytest.raises(TokenLimitError) as caught:
        fitted(1000, 10, 10, 1001)
    assert "1,000 tokens" in caught.value.message
    assert caught.value.hint


def test_the_model_is_looked_up_only_for_prompts_that_might_not_fit():
    assert not needs_window(messages(SMALLEST_WINDOW // 2), COUNTER)
    assert needs_window(messages(SMALLEST_WINDOW // 2 + 1), COUNTER)
