"""How long a delta is on its way from the server to the reader of the pipe."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator

from peers import find, peers
from rig import NEURALTERM, Rig
from rows import ROWS, Result, Series
from running import MeasurementError, Program, in_turn, started

# 200 deltas a second.
_MICROSECONDS_APART = 5000
_SENT = re.compile(rb"@(\d+);")
_READ_BYTES = 65536


def delay(rig: Rig) -> Iterator[Result]:
    """Median and 99th percentile of every run."""
    prompt = f"paced {rig.sizes.paced_deltas} {_MICROSECONDS_APART}"
    others = [rig.minimal(prompt), *(peers(rig, prompt) or filter(None, [find(rig, "curl", prompt)]))]
    programs = [rig.neuralterm("send", prompt), *others]
    runs = in_turn(programs, rig.rounds, lambda program: _delays(program, rig.sizes.paced_deltas))
    for row, part in (("delay", 0.5), ("delay-p99", 0.99)):
        series = {name: Series([_quantile(each, part) for each in turns], "ms") for name, turns in runs.items()}
        yield Result(ROWS[row], series, NEURALTERM)


def _delays(program: Program, expected: int) -> list[float]:
    """Return the delay of each delta in ms. The clock of both processes is the same, CLOCK_MONOTONIC."""
    delays: list[float] = []
    with started(program, subprocess.PIPE) as (process, ended):
        assert process.stdout is not None
        waiting = b""
        while data := process.stdout.read1(_READ_BYTES):  # type: ignore[attr-defined]
            now = time.monotonic_ns()
            waiting += data
            *whole, waiting = waiting.split(b";")
            stamps = (_SENT.search(each + b";") for each in whole)
            delays.extend((now - int(sent[1])) / 1e6 for sent in stamps if sent)
        ended()
    if len(delays) != expected:
        raise MeasurementError(f"{program.name}: {len(delays)} deltas came of {expected}")
    return delays


def _quantile(values: list[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
