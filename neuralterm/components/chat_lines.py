"""A turn of several lines, as it is typed at a terminal: where it goes on, and where it ends."""

from __future__ import annotations

BLOCK_MARK = '"""'


def is_unfinished(text: str) -> bool:
    """Say whether a turn goes on in the next line: a backslash at its end, or a block that is still open."""
    if _begins_block(text):
        return text.count(BLOCK_MARK) < 2  # one opens, one closes
    return text.endswith("\\")


def continued(text: str) -> str:
    """Return an unfinished turn with the line begun that follows it."""
    return (text if _begins_block(text) else text.removesuffix("\\")) + "\n"


def finished(text: str) -> str:
    """Return the turn without the marks of a block."""
    stripped = text.strip()
    if _begins_block(stripped) and stripped.count(BLOCK_MARK) > 1:
        inside = stripped[len(BLOCK_MARK) :]
        end = inside.index(BLOCK_MARK)
        return (inside[:end] + inside[end + len(BLOCK_MARK) :]).strip("\n")
    return text


def _begins_block(text: str) -> bool:
    return text.lstrip().startswith(BLOCK_MARK)
