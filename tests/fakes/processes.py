"""Processes whose end a test decides."""

from __future__ import annotations

from collections.abc import Iterable


class FakeProcesses:
    """`name` is this process; all live but those in `ended`."""

    def __init__(self, name: str = "host/boot/ns/1/1", ended: Iterable[str] = ()) -> None:
        self.name = name
        self.ended = set(ended)

    def me(self) -> str:
        return self.name

    def may_live(self, name: str) -> bool:
        return name not in self.ended
