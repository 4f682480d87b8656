"""Token counts made here, where the service has not reported any, and how they learn from those that it has."""

from __future__ import annotations

import contextlib
from math import ceil, sqrt

from neuralterm.application.context import has_attachments
from neuralterm.application.counting import BYTES_PER_TOKEN, utf8_length
from neuralterm.application.ports import RatioStore, TokenCounting
from neuralterm.application.turn import Prompt, Turn
from neuralterm.domain.exceptions import StorageError
from neuralterm.domain.models import Message, TokenUsage
from neuralterm.domain.ratios import Family, Ratio, family_of
from neuralterm.domain.record import record

TOKENS, BYTES = "tokens", "bytes"

# From so many observations on, what was learnt takes the place of what is known in general.
_ENOUGH_SAMPLES = 3
# Of so many prompts that teach, one at least is counted: what a provider adds unseen is to be known before a budget is tight.
_PROMPTS_PER_COUNT = 8
# Prompts shorter than this say more about what frames them than about the text.
_SHORTEST_LESSON_BYTES = 160
# Further off than this, something else was counted: a hidden prompt, a search.
_BELIEVABLE = (0.2, 5.0)
# No size tells more than a count with a vocabulary as good as this.
_EXACT_SPREAD = 0.03
# More than what frames a prompt can add to a count that is right.
_TRUSTED_UP_TO = 1.1
_FRAMING_PER_PROMPT, _FRAMING_PER_MESSAGE = 3, 4


@record
class Estimate:
    """About how many tokens: `low` to `high` is two standard deviations either way; learnt from `samples` calls."""

    tokens: int
    low: int
    high: int
    samples: int = 0

    def at_most(self, bound: int) -> Estimate:
        """Return the same estimate, no part of it above a bound."""
        return Estimate(min(self.tokens, bound), min(self.low, bound), min(self.high, bound), self.samples)

    @property
    def error(self) -> float:
        """The error bar as a part of the whole: 0.04 for plus or minus four per cent."""
        return (self.high - self.tokens) / self.tokens if self.tokens else 0.0


class TokenEstimates:
    """Estimates tokens of any model from counts made here. Without a store it knows only what is known in general."""

    def __init__(self, counter: TokenCounting, ratios: RatioStore | None = None) -> None:
        self._counter = counter
        self._ratios = ratios
        self._factors: dict[str, Ratio] = {}

    def prompt(self, messages: list[Message], model_id: str) -> Estimate:
        """Return an estimate for a prompt. Loads a vocabulary."""
        family = family_of(model_id)
        by_tokens, by_bytes = self._factor(family), self._learnt(family, BYTES)
        closer = by_bytes is not None and family.spread > max(_spread(family, by_bytes) / by_bytes.mean, _EXACT_SPREAD)
        if by_bytes and closer and not by_tokens.samples:
            return _estimate(family, _bytes_of(messages), by_bytes, _framing(messages))
        return _estimate(family, self._counter.count_messages(messages, model_id), by_tokens)

    def close_bound(self, messages: list[Message], model_id: str) -> int:
        """Return a number of tokens that the prompt can't exceed, as close as can be told.

        Counts with the model's own vocabulary are trusted until the service reports more than they say: then somebody
        adds to the prompt, or the vocabulary is another, and only the size of the text is a bound. Loads a vocabulary.
        """
        ratio = self._learnt(family_of(model_id), TOKENS)
        if ratio is not None and ratio.mean + 2 * ratio.spread > _TRUSTED_UP_TO:
            return self._counter.upper_bound(messages)
        return self._counter.upper_bound(messages, model_id)

    def quick_bound(self, messages: list[Message]) -> int:
        """Return the same by the size of the text alone; loads nothing."""
        return self._counter.upper_bound(messages)

    def count_tokens(self, text: str, model_id: str) -> int:
        """Return about how many tokens a text has; exact where the model's vocabulary is here. Loads a vocabulary."""
        return ceil(self._counter.count_tokens(text, model_id) * self._factor(family_of(model_id)).mean)

    def rough_tokens(self, text: str, model_id: str) -> int:
        """Return about how many tokens a text has, by its size alone: loads nothing."""
        family = family_of(model_id)
        learnt = self._learnt(family, BYTES)
        per_byte = learnt.mean if learnt else family.factor / BYTES_PER_TOKEN
        return ceil(len(text.encode("utf-8", "replace")) * per_byte)

    def rough_prompt(self, messages: list[Message], model_id: str) -> int:
        """Return about how many tokens a prompt has, by its size alone: loads nothing."""
        return self.rough_tokens("".join(message.content for message in messages), model_id) + _framing(messages)

    def usage(self, turn: Turn, *, roughly: bool) -> TokenUsage:
        """Return what an answer used so far; `roughly` where there is no time to load a vocabulary."""
        text, model_id = turn.content + (turn.reasoning or ""), turn.prompt.model_id
        if roughly:
            prompt = self.rough_tokens("".join(message.content for message in turn.prompt.messages), model_id)
            output = self.rough_tokens(text, model_id)
        else:
            prompt = self.prompt(turn.prompt.messages, model_id).tokens
            output = self.count_tokens(text, model_id)
        return TokenUsage(prompt, output, prompt + output)

    def is_lesson_due(self, prompt: Prompt) -> bool:
        """Say whether a count of the prompt is wanted for what it teaches: too few are known, or few beside the sizes."""
        if self._ratios is None or not _teaches(prompt.messages):
            return False
        family = family_of(prompt.model_id)
        counts, sizes = self._samples(family, TOKENS), self._samples(family, BYTES)
        return counts < _ENOUGH_SAMPLES or sizes >= counts * _PROMPTS_PER_COUNT

    def learn(self, prompt: Prompt, usage: TokenUsage | None) -> None:
        """Compare what was counted here with what the service reports; costs no more than adding up sizes."""
        if self._ratios is None or usage is None or usage.prompt_tokens <= 0 or not _teaches(prompt.messages):
            return
        family, size = family_of(prompt.model_id), _bytes_of(prompt.messages)
        text_tokens = max(usage.prompt_tokens - _framing(prompt.messages), 1)
        lessons = [(BYTES, text_tokens / size, BYTES_PER_TOKEN)]
        if prompt.tokens:
            lessons.append((TOKENS, usage.prompt_tokens / prompt.tokens, 1))
        for basis, value, usual in lessons:
            if _BELIEVABLE[0] <= value * usual <= _BELIEVABLE[1]:
                self._ratios.add_sample(family.name, basis, value)
        self._factors.pop(family.name, None)

    def _factor(self, family: Family) -> Ratio:
        if family.name not in self._factors:
            self._factors[family.name] = self._learnt(family, TOKENS) or _known(family)
        return self._factors[family.name]

    def _learnt(self, family: Family, basis: str) -> Ratio | None:
        ratio = self._kept(family, basis)
        return ratio if ratio is not None and ratio.samples >= _ENOUGH_SAMPLES else None

    def _samples(self, family: Family, basis: str) -> int:
        ratio = self._kept(family, basis)
        return 0 if ratio is None else ratio.samples

    def _kept(self, family: Family, basis: str) -> Ratio | None:
        with contextlib.suppress(StorageError):  # an estimate must not fail where the storage does
            return None if self._ratios is None else self._ratios.ratio(family.name, basis)
        return None


def _known(family: Family) -> Ratio:
    """Return what is known in general, as if it had been learnt from no call."""
    return Ratio(0, family.factor)


def _spread(family: Family, ratio: Ratio) -> float:
    """Return a standard deviation of the ratio: what was learnt, with the doubt of what is known as two more calls.

    Few calls that agree by chance, or because they were the same, do not make an estimate certain.
    """
    doubt = (family.spread * ratio.mean / family.factor) ** 2
    return sqrt((ratio.samples * ratio.spread**2 + 2 * doubt) / (ratio.samples + 2))


def _estimate(family: Family, counted: int, ratio: Ratio, framing: int = 0) -> Estimate:
    spread = 2 * _spread(family, ratio)
    low = max(0, int(counted * (ratio.mean - spread)))
    high = ceil(counted * (ratio.mean + spread))
    return Estimate(ceil(counted * ratio.mean) + framing, low + framing, high + framing, ratio.samples)


def _framing(messages: list[Message]) -> int:
    """Return about how many tokens frame the messages of a prompt."""
    return _FRAMING_PER_PROMPT + _FRAMING_PER_MESSAGE * len(messages)


def _teaches(messages: list[Message]) -> bool:
    """Say whether what the service reports of a prompt can be compared with what is known here."""
    return _bytes_of(messages) >= _SHORTEST_LESSON_BYTES and not any(map(has_attachments, messages))


def _bytes_of(messages: list[Message]) -> int:
    return sum(utf8_length(message.content) for message in messages)
