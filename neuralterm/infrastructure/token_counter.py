"""Counts tokens on this machine, without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from threading import Lock
from typing import Protocol

from neuralterm.application.context import has_attachments, truncate
from neuralterm.application.counting import byte_bound, framing_bound, utf8_length
from neuralterm.domain.models import Message
from neuralterm.domain.ratios import bare_name, family_of, is_openai
from neuralterm.domain.record import replace

CL100K = "cl100k_base"
O200K = "o200k_base"

# OpenAI's framing: a start mark, an end mark and a separator round each message, its role, and the start of the answer.
TOKENS_PER_MESSAGE = 3
TOKENS_PER_PROMPT = 3

# OpenAI's own models add 3 or 4 tokens a message and 3 a prompt; twice that and some.
CLOSE_BOUND_PER_MESSAGE = 8
CLOSE_BOUND_PER_PROMPT = 16

# So much is counted before somebody may interrupt.
LONGEST_PIECE = 200_000


class Encoder(Protocol):
    """Turns text into token numbers, treating the spelling of special tokens as ordinary text."""

    def encode_ordinary(self, text: str) -> list[int]:
        """Return the tokens of the text."""


class TokenCounter:
    """Counts what a text, a message or a prompt is in tokens.

    Exact for OpenAI's text models apart from what the service adds to a prompt; for other families it is an estimate with
    OpenAI's o200k_base vocabulary (0.8 to 1.6 times the true number, by family and language). Only the content of a
    message is counted, as text, and each attachment as a fixed number for its kind. Vocabularies are loaded when a count
    first needs them, one of each per process. Thread-safe. `load` builds an encoder from its name. A text of more than one
    piece is not counted to its end once `interrupted` says so: KeyboardInterrupt is raised.
    """

    def __init__(
        self, load: Callable[[str], Encoder] | None = None, interrupted: Callable[[], bool] = lambda: False
    ) -> None:
        self._load = load or shared_encoder
        self._interrupted = interrupted

    def count_tokens(self, text: str, model_id: str) -> int:
        """Return the number of tokens of a text; spellings such as `<|endoftext|>` count as ordinary text."""
        return sum(self._counts(text, model_id))

    def _counts(self, text: str, model_id: str, for_each_cut: int = 0) -> Iterator[int]:
        """Yield the tokens of each piece of a text, with so many more for every place where a run had to be cut."""
        if not text:
            return
        from neuralterm.infrastructure.token_pieces import parts, well_formed

        encoder = self._load(encoding_name(model_id))
        for number, piece in enumerate(_pieces(text)):
            if number and self._interrupted():
                raise KeyboardInterrupt
            counts = [_count_piece(encoder, part) for part in parts(well_formed(piece))]
            yield sum(counts) + for_each_cut * (len(counts) - 1)

    def count_message(self, message: Message, model_id: str) -> int:
        """Return the tokens of a message in a prompt: its content, its role, and 3 that frame it."""
        role = self.count_tokens(message.role.value, model_id)
        return TOKENS_PER_MESSAGE + role + self.count_tokens(message.content, model_id) + _attached(message)

    def count_messages(self, messages: Iterable[Message], model_id: str) -> int:
        """Return the tokens of a prompt made of these messages: their sum, and 3 that begin the answer."""
        return TOKENS_PER_PROMPT + sum(self.count_message(message, model_id) for message in messages)

    def upper_bound(self, messages: Iterable[Message], model_id: str | None = None) -> int:
        """Return a number that the prompt's tokens do not exceed.

        Without a model it is taken from the UTF-8 bytes alone and loads no vocabulary: each token of a byte-level
        vocabulary, and of one that falls back to bytes, stands for at least one byte of the text. The allowance for
        framing is generous. With a model whose vocabulary is known the text is counted, which gives a closer bound.

        It is no bound where a tokenizer rewrites text into longer text first (NFKC turns some single characters into a
        dozen), where a provider adds a hidden prompt of its own that is longer than the allowance, and for attachments.
        """
        messages = list(messages)
        attached = sum(map(_attached, messages))
        if model_id is None or not _has_known_vocabulary(model_id):
            return attached + byte_bound(messages)
        framing = framing_bound(messages)
        if "gpt-oss" not in model_id:  # whose preamble is long
            framing = CLOSE_BOUND_PER_PROMPT + CLOSE_BOUND_PER_MESSAGE * len(messages)
        # Two parts of a run may, hardly ever, have fewer tokens than the whole.
        counts = (count for message in messages for count in self._counts(message.content, model_id, for_each_cut=1))
        return attached + framing + sum(counts)

    def fits(self, messages: Iterable[Message], model_id: str, max_tokens: int) -> bool:
        """Tell whether the prompt has at most `max_tokens`; counts only where the bound does not settle it."""
        messages = list(messages)
        if self.upper_bound(messages) <= max_tokens:
            return True
        # Without the contents first, and of those no more than it takes to be over.
        total = TOKENS_PER_PROMPT + sum(self.count_message(replace(each, content=""), model_id) for each in messages)
        for count in (count for each in messages for count in self._counts(each.content, model_id)):
            total += count
            if total > max_tokens:
                return False
        return total <= max_tokens

    def truncate_context(
        self, messages: Iterable[Message], model_id: str, max_tokens: int, reserve_tokens: int = 500
    ) -> list[Message]:
        """Return what fits into `max_tokens` while `reserve_tokens` are left for the answer.

        System messages and the newest user message always stay; where anything is dropped, a marker that is not part of
        the history says so. The result may still be too long, which `fits` tells. Families whose tokens are shorter than
        those counted here get a smaller share of history. See `application.context.truncate` for the rules.
        """
        messages = list(messages)
        budget = max_tokens - reserve_tokens
        if self.upper_bound(messages) <= budget:
            return messages
        budget = int(budget / family_of(model_id).factor)
        return truncate(messages, budget, lambda message: self.count_message(message, model_id), TOKENS_PER_PROMPT)


def encoding_name(model_id: str) -> str:
    """Return the name of the encoding that a model's text is counted with.

    The id may carry an author (`openai/`) and a variant (`:free`). Models that are not OpenAI's, and unknown ones, get the
    newer encoding, which is the better guess for all of them.
    """
    return CL100K if _is_older_openai(bare_name(model_id)) else O200K


def _is_older_openai(name: str) -> bool:
    after_4 = name.removeprefix("gpt-4")
    is_4 = after_4 != name and not (after_4[:1].isdecimal() or after_4.startswith((".", "o")))
    return is_4 or name.startswith(("gpt-3.5", "gpt-35"))


_loading = Lock()


def shared_encoder(name: str) -> Encoder:
    """Return this process's one encoder of that name, built on first use."""
    with _loading:
        return _build_encoder(name)


@cache
def _build_encoder(name: str) -> Encoder:
    from neuralterm.infrastructure.vocabularies import load_encoding

    return load_encoding(name)


def _has_known_vocabulary(model_id: str) -> bool:
    author, slash, _ = model_id.lower().partition("/")
    return (not slash or author == "openai") and is_openai(bare_name(model_id))


def _attached(message: Message) -> int:
    if not has_attachments(message):
        return 0
    from neuralterm.application.attachments import estimated_tokens

    return estimated_tokens(message)


def _pieces(text: str) -> Iterator[str]:
    """Cut a long text after the last newline, or else before the last space, of every 200,000 characters."""
    start = 0
    while len(text) - start > LONGEST_PIECE:
        limit = start + LONGEST_PIECE
        end = text.rfind("\n", start, limit) + 1
        if end <= start:
            end = text.rfind(" ", start + 1, limit)
        if end <= start:
            end = limit
        yield text[start:end]
        start = end
    yield text[start:]


def _count_piece(encoder: Encoder, piece: str) -> int:
    try:
        return len(encoder.encode_ordinary(piece))
    except BaseException as error:
        # A panic in tiktoken's Rust code is no `Exception`, and its class can't be imported.
        if type(error).__name__ != "PanicException":
            raise
        return utf8_length(piece)
