"""What the sandbox says: the same text for the same question, every time."""

from __future__ import annotations

import zlib

from neuralterm.sandbox.request import ChatRequest

_QUOTED_CHARACTERS = 200

_OPENINGS = (
    "This is a rehearsed answer from the sandbox.",
    "No model was asked: the sandbox wrote this by itself.",
    "Here is what a short answer looks like.",
    "You are talking to the sandbox, which is free and always in.",
)
_MIDDLES = (
    "The same question gets the same words back, so a script that parses them can be tested.",
    "The tokens are counted and priced as on the real list, but nobody is charged.",
    "It travelled over real HTTP as server-sent events, one token at a time.",
    "A budget that holds here holds in earnest, because the arithmetic is the same.",
    "Try the sandbox models to see how a slow, a cut or a refused answer behaves.",
)
_CLOSINGS = (
    "Set a key and leave out --sandbox to hear a real model.",
    "When your script is ready, send it to a real model.",
    "Ask something else to get another selection of these sentences.",
)
_THOUGHTS = (
    "The user wants a short reply, so the main point comes first.",
    "There is nothing to look up; the question itself has all that is needed.",
    "A long list would not help here, one paragraph will do.",
    "The wording should be plain and the tone friendly.",
    "Before answering, the limits of what is known deserve a line.",
    "That seems complete enough to write down.",
)
_THOUGHTS_PER_EFFORT = {"minimal": 1, "low": 2, "medium": 3, "high": 5, "xhigh": 6, "max": 6}

_LONG_SENTENCES = (
    "Every line of this text is here to be long.",
    "It goes on whether or not anyone asked it to stop.",
    "A careful client watches the bill while it reads.",
    "What has arrived has been paid for, and should be kept.",
)


def stable_hash(text: str) -> int:
    """Return a number that depends on the text only, in every process."""
    return zlib.crc32(text.encode("utf-8", "replace"))


def paragraph(request: ChatRequest) -> str:
    """Return the usual answer: what was understood, and a few sentences that the question selects."""
    text = request.last_user_text
    seed = stable_hash(text)
    quoted = text[:_QUOTED_CHARACTERS] + ("..." if len(text) > _QUOTED_CHARACTERS else "")
    sentences = (
        f"You said: {quoted}" if quoted.strip() else "You sent no text.",
        _OPENINGS[seed % len(_OPENINGS)],
        _MIDDLES[seed // 7 % len(_MIDDLES)],
        _CLOSINGS[seed // 31 % len(_CLOSINGS)],
    )
    return f"{sentences[0]}\n\n{' '.join(sentences[1:])}"


def thoughts(request: ChatRequest, effort: str) -> str:
    """Return reasoning text, the more of it the higher the effort."""
    seed = stable_hash(request.last_user_text)
    count = _THOUGHTS_PER_EFFORT.get(effort, 3)
    return " ".join(_THOUGHTS[(seed + step) % len(_THOUGHTS)] for step in range(count))


def long_text(sentences: int) -> str:
    """Return that many numbered sentences of about thirteen tokens each."""
    lines = (f"{number}. {_LONG_SENTENCES[number % len(_LONG_SENTENCES)]}" for number in range(1, sentences + 1))
    return "\n".join(lines)
