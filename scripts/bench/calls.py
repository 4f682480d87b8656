"""Measurements of single commands: start, `send` in all its sizes, the list of models, many calls at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import mean

from peers import peers
from rig import MINIMAL, NEURALTERM, Rig
from rows import ROWS, Result, Series
from running import MeasurementError, Program, Run, in_turn, run, started

CLICK = "import click"
SIXTEEN_KIB = 16 * 1024
# Times that a program runs alone before many run at once, and again after that.
_ALONE = 4


def start(rig: Rig) -> Iterator[Result]:
    """`--version` and `--help` against the library that both need."""
    programs = [
        rig.python("-c", "import click", name=CLICK),
        *(rig.neuralterm(f"--{name}", name=f"--{name}") for name in ("version", "help")),
    ]
    runs = in_turn(programs, rig.rounds, run)
    for name in ("version", "help"):
        yield Result(ROWS[name], _walls({each: runs[each] for each in (f"--{name}", CLICK)}), f"--{name}", CLICK)


def one_delta(rig: Rig) -> Iterator[Result]:
    """`send` with one short prompt: the whole process, the way to the request, and memory."""

    def measure(program: Program) -> tuple[Run, float]:
        took = run(program)
        return took, int(rig.arrivals.read_bytes()) / 1e9 - took.began / 1e9

    programs = [rig.neuralterm("send", "one"), rig.minimal("one"), *peers(rig, "one")]
    results = in_turn(programs, rig.rounds, measure)
    runs = {name: [took for took, _ in each] for name, each in results.items()}
    yield Result(ROWS["send"], _walls(runs), NEURALTERM, MINIMAL)
    wires = {name: Series([wire * 1000 for _, wire in each], "ms") for name, each in results.items()}
    yield Result(ROWS["wire"], wires, NEURALTERM, MINIMAL)
    yield _memory("memory", runs)


def many_deltas(rig: Rig) -> Iterator[Result]:
    """`send` with an answer that comes as fast as the server sends it, and its memory."""
    for row, chunk_bytes in (("deltas", 0), ("deltas-16k", SIXTEEN_KIB)):
        prompt = f"burst {rig.sizes.deltas} {chunk_bytes}"
        runs = in_turn([rig.neuralterm("send", prompt), rig.minimal(prompt), *peers(rig, prompt)], rig.rounds, run)
        per_delta = 1e6 / rig.sizes.deltas
        added = (Series([each.cpu for each in runs[name]], "s").median * per_delta for name in (NEURALTERM, MINIMAL))
        note = "microseconds of CPU per delta: {:.1f}, minimal script {:.1f}".format(*added)
        yield Result(ROWS[row], _walls(runs), NEURALTERM, MINIMAL, [note])
        if chunk_bytes == 0:
            yield _memory("memory-deltas", runs)


def models(rig: Rig) -> Iterator[Result]:
    """The cached list against the smallest command."""
    run(rig.neuralterm("models", "--refresh"))
    programs = [rig.neuralterm("models", name="models"), rig.neuralterm("--version", name="--version")]
    yield Result(ROWS["models"], _walls(in_turn(programs, rig.rounds, run)), "models", "--version")


def parallel(rig: Rig) -> Iterator[Result]:
    """Many calls at once, and some one by one before and after; the minimal script shows what the machine itself adds."""
    series, count = {}, rig.sizes.parallel
    both = [rig.neuralterm("send", "one", home="parallel"), rig.minimal("one")]
    at_once = in_turn(both, rig.rounds, lambda program: _alone_and_together(program, count))
    for name, turns in at_once.items():
        series[f"{name}, one alone"] = Series([alone * 1000 for alone, _ in turns], "ms")
        series[f"{name}, each of {count}"] = Series([many * 1000 for _, many in turns], "ms")
    subject, alone = f"{NEURALTERM}, each of {count}", f"{NEURALTERM}, one alone"
    script = series[f"{MINIMAL}, each of {count}"].median / series[f"{MINIMAL}, one alone"].median
    notes = ["no call failed", f"the minimal script against itself alone: {script:.2f}x"]
    yield Result(ROWS["parallel"], series, subject, alone, notes)


def _alone_and_together(program: Program, count: int) -> tuple[float, float]:
    """Return the seconds of processor time of a program alone, and of each of many at once.

    It runs alone before and after: many at once take seconds, in which the speed of a shared machine changes.
    """
    before = [run(program).cpu for _ in range(_ALONE)]
    together = _together([program] * count)
    after = [run(program).cpu for _ in range(_ALONE)]
    return mean(before + after), together


def _together(programs: Sequence[Program]) -> float:
    """Run programs at the same time, and return the seconds of processor time that each took on average."""
    with ExitStack() as stack:
        running = [stack.enter_context(started(program)) for program in programs]
        return sum(ended().cpu for _, ended in running) / len(programs)


def _walls(runs: Mapping[str, Sequence[Run]]) -> dict[str, Series]:
    return {name: Series([each.wall * 1000 for each in turns], "ms") for name, turns in runs.items()}


def _memory(row: str, runs: Mapping[str, Sequence[Run]]) -> Result:
    """Judge peaks of memory. A process begins with the peak of the one that starts it, which is this one."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    own = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    series = {name: Series([each.peak_mib for each in turns], "MiB") for name, turns in runs.items()}
    if min(series[NEURALTERM].values) <= own:
        raise MeasurementError(f"the bench has had {own:.0f} MiB itself, and can't measure less")
    return Result(ROWS[row], series, NEURALTERM, notes=[f"figures up to {own:.0f} MiB are the bench's own"])
