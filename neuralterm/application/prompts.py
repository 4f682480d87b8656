"""From what a user says to what a model is sent: checked, with its history, fitted to the window."""

from __future__ import annotations

from neuralterm.application.context import dropped, prompt_messages
from neuralterm.application.ports import ConversationRepository, TokenCounting
from neuralterm.application.records import SendOptions
from neuralterm.application.turn import Prompt
from neuralterm.domain.catalogue import ANSWER_RESERVE
from neuralterm.domain.exceptions import TokenLimitError, ValidationError
from neuralterm.domain.models import Conversation, Message, MessageRole
from neuralterm.domain.record import replace

# The smallest window in the service's list of May 2026 is 4,095 tokens; up to here, with room for an answer, no window need
# be known.
SMALLEST_WINDOW = 3500
# Characters. Hardly any text has tokens that are so long on average.
_LONG_TOKEN = 8


def check_input(content: str, max_chars: int | None) -> None:
    """Raise `ValidationError` for an input that is empty (`EMPTY_INPUT`) or longer than allowed (`INPUT_TOO_LONG`)."""
    if not content.strip():
        raise ValidationError("the message cannot be empty", "EMPTY_INPUT")
    if max_chars is not None and len(content) > max_chars:
        raise ValidationError(
            f"the message exceeds maximum length: {len(content):,} characters of at most {max_chars:,}",
            "INPUT_TOO_LONG",
        )


def check_output_cap(max_tokens: float | None) -> None:
    """Raise `ValidationError` for a cap that would make the worst case of a call look cheaper than it is."""
    if max_tokens is not None and not (max_tokens >= 1 and max_tokens % 1 == 0):
        raise ValidationError(f"the output cap must be a whole number of tokens above 0, not {max_tokens}")


def new_messages(
    repository: ConversationRepository, conversation: Conversation, content: str, options: SendOptions
) -> tuple[list[Message], list[Message]]:
    """Return the stored history as the model is to see it, and what this turn adds to the conversation."""
    history = repository.get_messages(conversation.id)
    if options.replaces is not None:
        from neuralterm.application.replacing import without_exchange

        history = without_exchange(history, options.replaces)
    added = []
    if options.system_prompt:
        systems = [message.content for message in history if message.role is MessageRole.SYSTEM]
        if not systems or systems[-1] != options.system_prompt:
            added.append(_message(conversation, MessageRole.SYSTEM, options.system_prompt))
    added.append(_message(conversation, MessageRole.USER, content))
    return prompt_messages(history), added


def fit_to_window(prompt: Prompt, counter: TokenCounting, wanted_output_tokens: int | None) -> Prompt:
    """Return the prompt with as much of its history as the model's window holds.

    Raises:
        TokenLimitError: the newest message alone is longer than the window.
    """
    window = prompt.model.context_length if prompt.model else None
    if not window:
        return prompt
    # Much too long a message is found so before anything else is counted.
    is_long = len(prompt.new[-1].content) > _LONG_TOKEN * window
    if is_long and not counter.fits(prompt.new[-1:], prompt.model_id, window):
        raise _too_long(prompt.model_id, window)
    reserve = min(wanted_output_tokens or ANSWER_RESERVE, window // 4)
    fitted = counter.truncate_context(prompt.messages, prompt.model_id, window, reserve)
    if not counter.fits(fitted, prompt.model_id, window):
        raise _too_long(prompt.model_id, window)
    return replace(prompt, messages=fitted, dropped=len(dropped(prompt.messages, fitted)))


def _too_long(model_id: str, window: int) -> TokenLimitError:
    return TokenLimitError(
        f"the input does not fit the window of {model_id}: {window:,} tokens",
        hint="shorten the input or choose a model with a larger window (`neuralterm models --sort context`)",
    )


def needs_window(prompt_messages: list[Message], counter: TokenCounting) -> bool:
    """Say whether the model must be looked up before the prompt can be sent with confidence."""
    return counter.upper_bound(prompt_messages) > SMALLEST_WINDOW


def _message(conversation: Conversation, role: MessageRole, content: str) -> Message:
    return Message(conversation_id=conversation.id, role=role, content=content)
