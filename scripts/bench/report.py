"""The figures as a table and as JSON, and what the last run found."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rows import Result, Row, Series

_LAYOUT = "{:<42} {:>10} {:>9} {:>9}   {:>10} {:>10} {:>10}   {}"

# Programs of a row, besides the one that is judged; all of them are in the JSON.
_MOST_LINES = 7


def heading() -> str:
    """Return the first line of the table."""
    return _LAYOUT.format("row", "found", "must", "aim", "minimum", "median", "maximum", "last")


def lines(result: Result, last: float | None) -> Iterator[str]:
    """Yield the lines of a row: what it is, the program that is judged, and the others."""
    row = result.row
    yield f"{row.name}: {row.what}"
    compared = "" if last is None else f"{_figure(last, row.unit)} ({(result.value / last - 1) * 100:+.0f} %)"
    judged = (_figure(result.value, row.unit), _figure(row.must, row.unit), _figure(row.aim, row.unit))
    verdict = f"{compared}{' ' if compared else ''}{result.verdict}"
    yield _LAYOUT.format(f"  {result.subject}", *judged, *_spread(result.series[result.subject]), verdict)
    for name in _others(result):
        ratio = _figure(result.ratio(name), "x") if result.base is not None else ""
        yield _LAYOUT.format(f"  {name}", ratio, "", "", *_spread(result.series[name]), "").rstrip()
    yield from (f"  ({note})" for note in result.notes)


def _others(result: Result) -> list[str]:
    """Return which programs are shown besides the one that is judged: the base, and of many the slowest."""
    names = [name for name in result.series if name not in (result.subject, result.base)]
    if len(names) > _MOST_LINES:
        names = sorted(names, key=lambda name: result.series[name].median, reverse=True)[:_MOST_LINES]
    return names if result.base is None else [result.base, *names]


def _spread(series: Series) -> tuple[str, str, str]:
    low, middle, high = min(series.values), series.median, max(series.values)
    return _figure(low, series.unit), _figure(middle, series.unit), _figure(high, series.unit)


def _figure(value: float, unit: str) -> str:
    if unit == "x":
        return f"{value:.2f}x"
    return f"{value:.2f} {unit}" if abs(value) < 10 else f"{value:.0f} {unit}"


def document(results: Iterable[Result], rounds: int, sizes: dict[str, int]) -> dict[str, Any]:
    """Return the figures as they are written to files."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "rounds": rounds,
        "sizes": sizes,
        "rows": {result.row.name: _entry(result) for result in results},
    }


def _entry(result: Result) -> dict[str, Any]:
    row = result.row
    return {
        "what": row.what,
        "unit": row.unit,
        "found": result.value,
        "must": row.must,
        "aim": row.aim,
        "verdict": result.verdict,
        "subject": result.subject,
        "base": result.base,
        "notes": list(result.notes),
        "programs": {name: _numbers(result, name, series) for name, series in result.series.items()},
    }


def _numbers(result: Result, name: str, series: Series) -> dict[str, Any]:
    numbers = {
        "unit": series.unit,
        "minimum": min(series.values),
        "median": series.median,
        "maximum": max(series.values),
        "values": list(series.values),
    }
    return numbers if result.base is None else {**numbers, "ratio": result.ratio(name)}


def write(path: Path, value: dict[str, Any]) -> None:
    """Write a document, and the folder it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read(path: Path) -> dict[str, Any]:
    """Return a stored document; an empty one where there is none."""
    try:
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"rows": {}}
    return stored


def last_found(stored: dict[str, Any], row: Row) -> float | None:
    """Return what was found for a row the last time."""
    entry = stored["rows"].get(row.name)
    return None if entry is None else entry["found"]
