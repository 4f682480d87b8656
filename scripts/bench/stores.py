"""Measurements of what reads the database, when there is little in it and when there is much."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rig import HERE, Rig
from rows import ROWS, Result, Series
from running import Program, in_turn, output_of, run

FEW, MANY = "few", "many"

# Of the words that `filling.py` makes messages of: common, rare, together, as a phrase, and absent; then of scripts without
# spaces: words, a sentence, two that never meet, and, all absent, a sign, a Japanese and a Thai word.
QUERIES = (
    *("the", "synergies", "data system", '"of the"', "nowhere-to-be-found"),
    *("天气", "我们的", "人的看的营", "天气 我们的", "龘", "データベース", "สวัสดี"),
)

_FILL = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from filling import fill
path = Path(sys.argv[2])
path.parent.mkdir(parents=True, exist_ok=True)
fill(path, messages=int(sys.argv[3]))
"""


def stores(rig: Rig) -> Iterator[Result]:
    """Fill both databases, then measure reports, the list and searches."""
    for home, messages in ((FEW, rig.sizes.few_messages), (MANY, rig.sizes.many_messages)):
        _fill(rig, home, messages)
    for row, arguments in (("cost", ["cost", "--json"]), ("history", ["history"])):
        programs = [rig.neuralterm(*arguments, home=home, name=home) for home in (FEW, MANY)]
        yield Result(ROWS[row], _milliseconds(rig, programs), MANY, FEW)
    queries = [rig.neuralterm("history", "search", query, home=MANY, name=query) for query in QUERIES]
    version = rig.neuralterm("--version", home=MANY, name="--version")
    series = _milliseconds(rig, [*queries, version])
    slowest = max(QUERIES, key=lambda query: series[query].median)
    above = series[slowest].median - series[version.name].median
    yield Result(
        ROWS["search"], series, slowest, notes=[f"the slowest query: {slowest}, {above:.0f} ms above --version"]
    )


def _fill(rig: Rig, home: str, messages: int) -> None:
    path = Path(output_of(rig.neuralterm("history", "path", home=home)).strip())
    run(rig.python("-c", _FILL, str(HERE), str(path), str(messages), name="filling.py"))


def _milliseconds(rig: Rig, programs: list[Program]) -> dict[str, Series]:
    runs = in_turn(programs, rig.rounds, run)
    return {name: Series([each.wall * 1000 for each in turns], "ms") for name, turns in runs.items()}
