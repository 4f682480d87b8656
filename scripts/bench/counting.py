"""Measurement of the token counter, in a process of its own: `python counting.py BYTES ROUNDS` prints the figures as JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator

from rig import HERE, Rig
from rows import ROWS, Result, Series
from running import output_of
from texts import PROSE, texts

# One model for each vocabulary.
_MODELS = {"cl100k": "openai/gpt-4", "o200k": "openai/gpt-4o"}


def tokens(rig: Rig) -> Iterator[Result]:
    """The worst text against prose; the vocabulary that is worse counts."""
    program = rig.python(str(HERE / "counting.py"), str(rig.sizes.text_bytes), str(rig.rounds), name="counting.py")
    found = json.loads(output_of(program))
    results = [_result({name: Series(values, "ns/B") for name, values in series.items()}) for series in found.values()]
    yield max(results, key=lambda result: result.value)


def _result(series: dict[str, Series]) -> Result:
    base = next(name for name in series if name.endswith(PROSE))
    worst = max(series, key=lambda name: series[name].median)
    return Result(ROWS["tokens"], series, worst, base, [f"{len(series) - 1} texts, each with both vocabularies"])


def main() -> None:
    """Print nanoseconds of processor time per byte by vocabulary and text; all texts take turns."""
    from neuralterm.infrastructure.token_counter import TokenCounter

    size, rounds = map(int, sys.argv[1:])
    counter = TokenCounter()
    found: dict[str, dict[str, list[float]]] = {vocabulary: {} for vocabulary in _MODELS}
    for turn in range(rounds + 1):
        for name, text in texts(size):
            length = len(text.encode("utf-8", "surrogatepass"))
            for vocabulary, model in _MODELS.items():
                began = time.process_time_ns()
                counter.count_tokens(text, model)
                took = (time.process_time_ns() - began) / length
                if turn:
                    found[vocabulary].setdefault(f"{vocabulary} {name}", []).append(took)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
