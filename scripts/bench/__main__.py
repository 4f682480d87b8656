"""Measures every promise about speed and memory that docs/performance.md makes, and says which are kept.

The programs of a row take turns, so that a busy moment of the machine hits all of them alike; a first round only warms the
caches, and ratios are of medians. A program that fails ends the run. The figures are compared with those of the last whole
measurement, which are kept in build/bench.json. Leave the machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from calls import many_deltas, models, one_delta, parallel, start
from counting import tokens
from delays import delay
from peers import absent
from report import document, heading, last_found, lines, read, write
from rig import QUICK, Rig, Sizes, rigged
from rows import ROWS, Result
from running import MeasurementError
from stores import stores

ROUNDS = 11
STORED = Path(__file__).resolve().parents[2] / "build" / "bench.json"

# What finds the figures of which rows.
MEASUREMENTS: tuple[tuple[Callable[[Rig], Iterator[Result]], tuple[str, ...]], ...] = (
    (start, ("version", "help")),
    (one_delta, ("send", "wire", "memory")),
    (many_deltas, ("deltas", "deltas-16k", "memory-deltas")),
    (delay, ("delay", "delay-p99")),
    (stores, ("cost", "history", "search")),
    (parallel, ("parallel",)),
    (models, ("models",)),
    (tokens, ("tokens",)),
)


def main() -> int:
    """Measure, print the table, write the figures; 1 when a program failed."""
    options = _parse()
    rounds = options.rounds or (3 if options.quick else ROUNDS)
    sizes = QUICK if options.quick else Sizes()
    wanted = set(options.only or ROWS)
    stored = read(STORED)
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, {rounds} rounds{', quick' * options.quick}")
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="neuralterm-bench-") as folder:
        try:
            with rigged(Path(folder), sizes, rounds, peers=options.peers) as rig:
                for name in absent(rig):
                    print(f"not installed here: {name}")
                print(heading(), flush=True)
                for result in _measure(rig, wanted):
                    print(*lines(result, last_found(stored, result.row)), sep="\n", flush=True)
                    results.append(result)
        except MeasurementError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    found = document(results, rounds, dataclasses.asdict(sizes))
    if options.json is not None:
        write(options.json, found)
    if rounds >= ROUNDS and not options.quick:
        write(STORED, {**found, "rows": {**stored["rows"], **found["rows"]}})
    return 0


def _measure(rig: Rig, wanted: set[str]) -> Iterator[Result]:
    for measure, names in MEASUREMENTS:
        if wanted.intersection(names):
            yield from (result for result in measure(rig) if result.row.name in wanted)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python scripts/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rounds", type=int, help=f"how often each program runs (default: {ROUNDS}; fewer are not kept)"
    )
    parser.add_argument(
        "--only", action="append", choices=list(ROWS), metavar="ROW", help="measure this row; repeatable"
    )
    parser.add_argument(
        "--quick", action="store_true", help="little of everything: shows that it works, measures nothing"
    )
    parser.add_argument(
        "--peers", action="store_true", help="run curl, llm and the openai SDK too, where they are installed"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args()
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


if __name__ == "__main__":
    sys.exit(main())
