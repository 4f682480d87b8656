"""tabulate, imported without what takes it longer than itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


def tabulate_for(*, wide: bool) -> Any:
    """Return the function `tabulate`; with `wide` one that knows characters of two columns, where wcwidth is installed.

    tabulate reads its own version out of the metadata of its package, for which it needs much of the standard library, and
    wcwidth has tables of all characters, of which plain text needs none.
    """
    module = sys.modules.get("tabulate")
    if module is not None and wide and getattr(module, "wcwidth", None) is None:
        del sys.modules["tabulate"]
    with _without("importlib.metadata", _metadata()), _without("wcwidth", None) if not wide else _as_it_is():
        import tabulate

    return tabulate.tabulate


@contextmanager
def _without(name: str, instead: ModuleType | None) -> Iterator[None]:
    """Have another module, or none, imported by that name, unless it is imported already."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = instead  # type: ignore[assignment]  # None is how the import system marks a blocked module
    try:
        yield
    finally:
        del sys.modules[name]


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


def _metadata() -> ModuleType:
    metadata = ModuleType("importlib.metadata")
    vars(metadata).update(version=lambda _: "unknown", PackageNotFoundError=ImportError)
    return metadata
