"""What is known of one answer while its chunks arrive."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from neuralterm.application.deltas import Deltas
from neuralterm.domain.exceptions import StreamInterruptedError
from neuralterm.domain.models import TokenUsage
from neuralterm.domain.text import join_surrogates
from neuralterm.infrastructure.openrouter.decoding import TextJoiner, without_surrogates
from neuralterm.infrastructure.openrouter.limits import LARGEST_ANSWER
from neuralterm.infrastructure.openrouter.tool_calls import ToolCalls
from neuralterm.infrastructure.openrouter.usage import parse_usage

if TYPE_CHECKING:
    from neuralterm.infrastructure.openrouter.recurring import RecurringChunk

# These say that an answer is not what was asked for; a weightier reason replaces an earlier one.
_WEIGHT = {"length": 1, "content_filter": 1, "error": 2}
# The same few names come with every chunk; so many, of so many characters, are remembered as they are without the key.
_MOST_NAMES, _LONGEST_NAME = 16, 200
_CUT_BY_LIMIT = frozenset({"length", "max_output_tokens", "max_tokens", "model_length"})


class Completion:
    """One answer, complete or not. Takes stream chunks and whole replies alike; reads no clock but the one it gets.

    `on_generation` is called once with the id of the generation, as soon as it is known. `clean` takes the key out of what the
    service says about the answer; the answer itself stays as it is. `choices` counts chunks that had a choice, `pieces` those
    that had something of the answer in it. `largest` bounds what is kept, in characters.
    """

    def __init__(
        self,
        model: str,
        clock: Callable[[], float],
        on_generation: Callable[[str], None] | None = None,
        clean: Callable[[str], str] = str,
        *,
        largest: int = LARGEST_ANSWER,
    ) -> None:
        self._clean = clean
        self._cleaned: dict[str, str] = {}
        self._clock = clock
        self.on_generation = on_generation
        self._content = TextJoiner()
        self._reasoning = TextJoiner()
        self._refusal = TextJoiner()
        self._tool_calls = ToolCalls()
        self._annotations: list[Any] = []
        self._usage: TokenUsage | None = None
        self._model = model
        self._provider: str | None = None
        self._generation_id: str | None = None
        self._finish_reason: str | None = None
        self._native_finish_reason: str | None = None
        self._started: float | None = None
        self._first: float | None = None
        self._ended: float | None = None
        self.choices = 0
        self.pieces = 0
        self._size = 0
        self._largest = largest

    @property
    def has_output(self) -> bool:
        """True once anything that the model wrote has arrived: text, reasoning, a refusal or a tool call."""
        return bool(
            self._content.has_text
            or self._reasoning.has_text
            or self._refusal.has_text
            or self._tool_calls.as_list() is not None
        )

    @property
    def finish_reason(self) -> str | None:
        """Why the answer ended; a tool call that the token limit cut off counts as `length`."""
        native = (self._native_finish_reason or "").lower()
        if self._finish_reason == "tool_calls" and native in _CUT_BY_LIMIT:
            return "length"
        return self._finish_reason

    def leave_text(self) -> None:
        """Keep no content and no reasoning from now on: who takes the deltas does."""
        self._content.keeps = self._reasoning.keeps = False

    def start(self) -> None:
        """Begin to measure."""
        self._started = self._clock()

    def end(self) -> None:
        """Stop measuring."""
        self._ended = self._clock()

    def note_generation(self, generation_id: str | None) -> None:
        """Remember the id of the generation; the first one holds."""
        if generation_id and self._generation_id is None:
            self._generation_id = self._clean(generation_id)
            if self.on_generation is not None:
                self.on_generation(self._generation_id)

    def absorb(self, chunk: Mapping[str, Any], deltas: Deltas) -> None:
        """Take in a chunk, or a whole reply; add the delta for its text, if it has any."""
        if self._generation_id is None:
            self.note_generation(_text(chunk.get("id")))
        self._model = self._text(chunk.get("model")) or self._model
        self._provider = self._text(chunk.get("provider")) or self._provider
        self._usage = parse_usage(chunk.get("usage")) or self._usage
        choice = first_choice(chunk)
        self.choices += bool(choice)
        self._take_finish_reason(choice)
        part = choice.get("delta")
        if not isinstance(part, dict):
            part = choice.get("message")
        if isinstance(part, dict):
            self._take_part(part, deltas)

    def absorb_again(self, recurring: RecurringChunk, texts: list[str], deltas: Deltas) -> None:
        """Take in a chunk that was taken in before, once for each text, with that text in it."""
        texts = self._until_too_long(texts)
        self._model = self._text(recurring.chunk.get("model")) or self._model
        self._provider = self._text(recurring.chunk.get("provider")) or self._provider
        self.choices += len(texts)
        self.pieces += sum(map(bool, texts))
        self._size += sum(map(len, texts))
        shown = (self._reasoning if recurring.is_reasoning else self._content).feed_all(texts)
        if shown:
            self._note_first()
            (deltas.add_reasonings if recurring.is_reasoning else deltas.add_contents)(shown)

    def check_size(self) -> None:
        """Raise StreamInterruptedError once there is more of the answer than any model writes."""
        if self._size > self._largest:
            raise StreamInterruptedError(f"the answer is longer than {self._largest:,} characters")

    def flush(self, deltas: Deltas) -> None:
        """Add the delta for text that was kept back, if there is any: no more chunks will come."""
        self._refusal.flush()
        self._add(self._content.flush(), self._reasoning.flush(), deltas)

    def as_dict(self) -> dict[str, Any]:
        """Return everything known so far under the keys of the final dictionary."""
        return {
            "type": "final",
            "content": self._content.text,
            "reasoning": self._reasoning.text or None,
            "refusal": self._refusal.text or None,
            "usage": self._usage,
            "latency_ms": self._milliseconds(self._clock() if self._ended is None else self._ended) or 0,
            "first_token_ms": self._milliseconds(self._first),
            "model": self._model,
            "provider": self._provider,
            "generation_id": self._generation_id,
            "finish_reason": self.finish_reason,
            "native_finish_reason": self._native_finish_reason,
            "tool_calls": self._tool_calls.as_list(),
            "annotations": list(self._annotations) or None,
        }

    def _take_finish_reason(self, choice: Mapping[str, Any]) -> None:
        reason = self._text(choice.get("finish_reason"))
        native = self._text(choice.get("native_finish_reason"))
        earlier = self._finish_reason
        if reason and (earlier is None or _WEIGHT.get(reason, 0) > _WEIGHT.get(earlier, 0)):
            self._finish_reason = reason
            self._native_finish_reason = native or self._native_finish_reason
        self._native_finish_reason = self._native_finish_reason or native

    def _take_part(self, part: Mapping[str, Any], deltas: Deltas) -> None:
        told = [name for name, value in part.items() if value and name != "role"]
        self.pieces += bool(told)
        if told == ["content"] and isinstance(part["content"], str):
            self._size += len(part["content"])
            self._add(self._content.feed(part["content"]), "", deltas)
            return
        calls, annotations = part.get("tool_calls"), part.get("annotations")
        self._tool_calls.absorb(calls)
        if isinstance(annotations, list):
            self._annotations.extend(without_surrogates(annotations))
        self._size += sum(len(repr(kept)) for kept in (calls, annotations) if kept)
        content, refusal = _written(part.get("content")), _written(part.get("refusal"))
        # Other servers of this protocol call the reasoning text `reasoning_content`.
        reasoning = _written(part.get("reasoning")) or _written(part.get("reasoning_content"))
        self._size += len(content) + len(reasoning) + len(refusal)
        self._refusal.feed(refusal)
        self._add(self._content.feed(content), self._reasoning.feed(reasoning), deltas)

    def _add(self, content: str, reasoning: str, deltas: Deltas) -> None:
        if content or reasoning:
            self._note_first()
            deltas.add(content, reasoning)

    def _note_first(self) -> None:
        if self._first is None:
            self._first = self._clock()

    def _until_too_long(self, texts: list[str]) -> list[str]:
        """Return the texts up to the one with which there is more than is kept."""
        room = self._largest - self._size
        if sum(map(len, texts)) <= room:
            return texts
        return texts[: bisect_right(list(accumulate(map(len, texts))), room) + 1]

    def _text(self, value: object) -> str | None:
        if not isinstance(value, str) or not value:
            return None
        known = self._cleaned.get(value)
        if known is not None:
            return known
        cleaned = self._clean(join_surrogates(value))
        if len(self._cleaned) < _MOST_NAMES and len(value) <= _LONGEST_NAME:
            self._cleaned[value] = cleaned
        return cleaned

    def _milliseconds(self, moment: float | None) -> int | None:
        if moment is None or self._started is None:
            return None
        return round((moment - self._started) * 1000)


def first_choice(chunk: Mapping[str, Any]) -> dict[str, Any]:
    """Return `choices[0]`; an empty mapping when there is none."""
    choices = chunk.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        return choices[0]
    return {}


def _text(value: object) -> str | None:
    return join_surrogates(value) if isinstance(value, str) and value else None


def _written(value: object) -> str:
    """Return the text of a `content` field: a string, or a list of parts as some servers send it."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        return ""
    texts = (part.get("text") for part in value if isinstance(part, dict))
    return "".join(text for text in texts if isinstance(text, str))
