"""The branch of a working directory, against git itself where that writes the files."""

import subprocess

import pytest

from neuralterm.infrastructure.git_branch import git_branch

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def head(tmp_path):
    """Make a repository whose HEAD holds this text, and return its folder."""

    def head(text):
        (tmp_path / ".git").mkdir()
        (tmp_path / ".git" / "HEAD").write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path

    return head


def git(folder, *arguments):
    name = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "init.defaultBranch=trunk"]
    subprocess.run(["git", *name, *arguments], cwd=folder, check=True, capture_output=True)


def test_as_git_writes_it(tmp_path):
    home, side = tmp_path / "home", tmp_path / "side"
    (home / "deep" / "down").mkdir(parents=True)
    git(home, "init", "-q")
    assert git_branch(home) == "trunk"  # before its first commit
    git(home, "commit", "-q", "--allow-empty", "-m", "Begin")
    git(home, "switch", "-q", "-c", "feature/größer")
    git(home, "worktree", "add", "-q", "-b", "hotfix", str(side))

    assert git_branch(home / "deep" / "down", "of-ci") == "feature/größer"
    assert git_branch(side) == "hotfix"

    git(side, "switch", "-q", "--detach")
    assert len(git_branch(side)) == 12


def test_no_repository(tmp_path):
    assert git_branch(tmp_path, "of-ci") is None


def test_a_detached_head(head):
    folder = head(f"{COMMIT}\n")
    assert git_branch(folder) == "0123456789ab"
    assert git_branch(folder, "feature") == "feature"


def test_a_head_of_sha256(head):
    assert git_branch(head("f" * 64)) == "f" * 12


def test_a_relative_path_to_the_repository(head, tmp_path):
    head("ref: refs/heads/main\n")
    (tmp_path / "module" / "below").mkdir(parents=True)
    (tmp_path / "module" / ".git").write_text("gitdir: ../.git\n")
    assert git_branch(tmp_path / "module" / "below") == "main"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ref: refs/heads/",
        "ref: refs/heads/two words",
        "ref: refs/heads/a\x1b[31m",
        "ref: refs/heads/a\nb",
        "ref: refs/heads/.invalid",
        "ref: refs/stash",
        "0123",
        b"\xff\xfe",
    ],
)
def test_what_names_no_branch(head, text):
    assert git_branch(head(text)) is None


def test_references_in_tables_leave_it_to_ci(head):
    assert git_branch(head("ref: refs/heads/.invalid"), "feature") == "feature"


@pytest.mark.parametrize("text", ["gitdir: nowhere", "", "nonsense"])
def test_a_broken_link_is_no_repository(tmp_path, text):
    (tmp_path / ".git").write_text(text)
    assert git_branch(tmp_path, "of-ci") is None


def test_a_repository_without_head(tmp_path):
    (tmp_path / ".git").mkdir()
    assert git_branch(tmp_path, "of-ci") is None
