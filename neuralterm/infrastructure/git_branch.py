"""The git branch of a folder, read from its files: git itself is not started."""

from __future__ import annotations

import re
from pathlib import Path

_BRANCH = "ref: refs/heads/"
_COMMIT = re.compile(r"[0-9a-f]{40,64}")
_LONGEST_FILE = 4096


def git_branch(directory: Path, ci_branch: str | None = None) -> str | None:
    """Return the branch that is checked out; None where there is no repository, or none that can be read.

    Where a commit is checked out, as CI does, `ci_branch` or else the first 12 digits of the commit.
    """
    head = _head(directory)
    if head is None:
        return None
    branch = head.removeprefix(_BRANCH)
    # A repository that keeps its references in tables names `.invalid` here.
    if branch != head and branch != ".invalid":
        return branch if branch and branch.isprintable() and " " not in branch else None
    return ci_branch or (head[:12] if _COMMIT.fullmatch(head) else None)


def _head(directory: Path) -> str | None:
    for folder in (directory, *directory.parents):
        git = folder / ".git"
        if git.is_dir():
            return _read(git / "HEAD")
        if git.is_file():  # of a worktree or a submodule: it names the folder
            named = (_read(git) or "").removeprefix("gitdir:").strip()
            return _read(folder / named / "HEAD")
    return None


def _read(path: Path) -> str | None:
    try:
        if not path.is_file():  # a pipe might never end
            return None
        with path.open(encoding="utf-8") as file:
            return file.read(_LONGEST_FILE).strip()
    except (OSError, UnicodeDecodeError):
        return None
