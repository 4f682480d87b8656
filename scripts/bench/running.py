"""Runs programs in turn and notes what each run took."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypeVar

# Would falsify what is measured, or be a user's own settings.
_FALSIFIES = ("NEURALTERM_", "OPENROUTER_", "PYTHON", "COVERAGE_", "XDG_", "LLM_", "OPENAI_")

Measured = TypeVar("Measured")


class MeasurementError(Exception):
    """A program failed; a failure is no measurement."""


@dataclass(frozen=True, slots=True)
class Program:
    """A command line. `environment` is added to the plain one; `folder` is its home and working directory."""

    name: str
    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def variables(self) -> dict[str, str]:
        """Return its environment: this process's own without what would falsify the figures."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FALSIFIES)}
        return {**kept, "HOME": str(self.folder), "LANG": "C.UTF-8", **self.environment}


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took: seconds of the clock, seconds of processor time, MiB at the peak; `began` is in ns."""

    began: int
    wall: float
    cpu: float
    peak_mib: float


@contextlib.contextmanager
def started(
    program: Program, stdout: int | IO[bytes] = subprocess.DEVNULL
) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[], Run]]]:
    """Start a program; the function handed over waits for its end.

    Raises MeasurementError with what it wrote to stderr when its exit code is not 0.
    """
    with tempfile.TemporaryFile() as stderr:
        began = time.monotonic_ns()
        process = subprocess.Popen(
            program.command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=program.variables(),
            cwd=program.folder,
        )

        def ended() -> Run:
            _, status, usage = os.wait4(process.pid, 0)
            wall = (time.monotonic_ns() - began) / 1e9
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                stderr.seek(0)
                told = stderr.read().decode("utf-8", "replace")
                raise MeasurementError(f"{program.name}: exit code {process.returncode}\n{told}")
            return Run(began, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)

        try:
            yield process, ended
        finally:
            if process.returncode is None:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


def run(program: Program) -> Run:
    """Run a program to its end; what it prints is thrown away."""
    with started(program) as (_, ended):
        return ended()


def output_of(program: Program) -> str:
    """Run a program to its end and return what it printed."""
    with started(program, subprocess.PIPE) as (process, ended):
        assert process.stdout is not None
        text = process.stdout.read().decode()
        ended()
        return text


def in_turn(
    programs: Sequence[Program], rounds: int, measure: Callable[[Program], Measured]
) -> dict[str, list[Measured]]:
    """Measure all programs once in each round, so that a busy moment of the machine hits all alike.

    A first round that is not counted warms the caches. The results are by the program's name, in the order of the rounds.
    """
    results: dict[str, list[Measured]] = {program.name: [] for program in programs}
    for turn in range(rounds + 1):
        for program in programs:
            measured = measure(program)
            if turn:
                results[program.name].append(measured)
    return results
