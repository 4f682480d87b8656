"""The rows of the table: what is promised, and what a measurement found."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Row:
    """One promise. `unit` is "x" for a ratio of medians, else that of the figure; `must` and `aim` are in it, at most."""

    name: str
    what: str
    must: float
    aim: float
    unit: str = "x"


ROWS = {
    row.name: row
    for row in (
        Row("version", "`--version` against `import click`", 1.25, 1.05),
        Row("help", "`--help` against `import click`", 1.25, 1.05),
        Row("send", "`send`, one delta, whole process against the minimal script", 3.0, 2.2),
        Row("wire", "the same, process start to request on the wire", 2.5, 2.0),
        Row("memory", "peak memory of `send`, one delta", 40, 32, "MiB"),
        Row("deltas", "many deltas, an HTTP chunk each, wall against the minimal script", 2.2, 1.5),
        Row("deltas-16k", "many deltas in HTTP chunks of 16 KiB, the same", 2.2, 1.5),
        Row("memory-deltas", "peak memory of `send`, many deltas", 40, 32, "MiB"),
        Row("delay", "delay per delta when piped, 200 deltas a second, median", 0.8, 0.5, "ms"),
        Row("delay-p99", "the same, 99th percentile", 3, 3, "ms"),
        Row("cost", "`cost --json`, many messages against few", 1.3, 1.1),
        Row("history", "`history`, many messages against few", 1.5, 1.2),
        Row("search", "`history search`, the slowest query in many messages", 150, 60, "ms"),
        Row("parallel", "parallel `send` on one database, CPU per call against one alone", 1.2, 1.1),
        Row("models", "`models` from the cache, 413 models, against `--version`", 3.0, 2.0),
        Row("tokens", "token count, time per byte of the worst text found against prose", 10, 5),
    )
}


@dataclass(frozen=True, slots=True)
class Series:
    """The figures of one program in the order of the rounds, in `unit`."""

    values: Sequence[float]
    unit: str

    @property
    def median(self) -> float:
        """The middle."""
        return statistics.median(self.values)


@dataclass(frozen=True, slots=True)
class Result:
    """What was found for a row. `series` is by program; `subject` is the one that is judged, `base` what it is held against.

    Without a base the figure itself is judged.
    """

    row: Row
    series: Mapping[str, Series]
    subject: str
    base: str | None = None
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def value(self) -> float:
        """The figure to hold against `must` and `aim`."""
        return self.ratio(self.subject) if self.base is not None else self.series[self.subject].median

    def ratio(self, program: str) -> float:
        """Return a program's median as a multiple of the base's."""
        assert self.base is not None
        return self.series[program].median / self.series[self.base].median

    @property
    def verdict(self) -> str:
        """Say which of both it reaches."""
        if self.value <= self.row.aim:
            return "aim"
        return "must" if self.value <= self.row.must else "MISSED"
