"""Pages that are made of something else: written, or compared with what they should be."""

from __future__ import annotations

import argparse
import difflib
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"


def write_or_check(name: str, wanted: str, source: str, description: str | None) -> int:
    """Write a page of docs/, or with `--check` say how it differs and return 1. `source` says what it is made of."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 when the page is stale")
    check, page = parser.parse_args().check, DOCS / name
    if not check:
        page.write_text(wanted, encoding="utf-8")
        return 0
    found = page.read_text(encoding="utf-8") if page.exists() else ""
    lines = list(difflib.unified_diff(found.splitlines(), wanted.splitlines(), f"docs/{name}", source, lineterm=""))
    if lines:
        print(*lines, f"docs/{name} is stale: `make docs` writes it", sep="\n")
    return 1 if lines else 0
