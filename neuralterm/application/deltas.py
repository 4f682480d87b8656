"""The pieces of an answer that came in one read of the network."""

from __future__ import annotations

from collections.abc import Iterator


class Deltas:
    """Pieces in their order: `contents[i]` is the text and `reasonings[i]` the reasoning that the i-th one brought."""

    __slots__ = ("contents", "reasonings")

    def __init__(self) -> None:
        self.contents: list[str] = []
        self.reasonings: list[str] = []

    def __len__(self) -> int:
        return len(self.contents)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return zip(self.contents, self.reasonings, strict=True)

    def add(self, content: str, reasoning: str) -> None:
        """Add one piece."""
        self.contents.append(content)
        self.reasonings.append(reasoning)

    def add_contents(self, texts: list[str]) -> None:
        """Add a piece for each text."""
        self.contents += texts
        self.reasonings += [""] * len(texts)

    def add_reasonings(self, texts: list[str]) -> None:
        """Add a piece for each text of reasoning."""
        self.contents += [""] * len(texts)
        self.reasonings += texts
