"""What is written is for its owner only, whatever the umask and whatever was there before."""

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from .stand_in import held
from .terminal import Terminal


@pytest.fixture
def open_umask():
    previous = os.umask(0)
    yield
    os.umask(previous)


def modes(folder):
    """Files that are not 0600 and folders that are not 0700, the folder itself included, with their modes."""
    found = {each: stat.S_IMODE(each.stat().st_mode) for each in (Path(folder), *Path(folder).rglob("*"))}
    return {str(each): oct(mode) for each, mode in found.items() if mode != (0o700 if each.is_dir() else 0o600)}


@pytest.mark.usefixtures("open_umask")
def test_everything_that_is_made_is_private(service, run, data_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("NEURALTERM_DATA_DIR", f"{data_dir}/deep/down")
    run("--sandbox", "send", "hi")
    run("send", "hi")
    assert sorted(path.name for path in Path(data_dir).rglob("*") if path.is_file()) == [
        "neuralterm.db",
        "neuralterm.db",
        "sandbox-bill.jsonl",
    ]
    assert modes(data_dir) == {}
    (listed,) = json.loads(run("history", "--json").out)["conversations"]
    assert run("history", "export", listed["id"], "-O", str(tmp_path / "out.md")).code == 0
    assert stat.S_IMODE((tmp_path / "out.md").stat().st_mode) == 0o600


def test_what_the_database_has_beside_it_while_it_is_used(service, start, data_dir):
    gate, seen = threading.Event(), threading.Event()
    service.scripts = [held(["begun"], gate, [], seen)]
    process = start("send", "hi", shell='umask 000; exec "$@"')
    assert seen.wait(20)
    names = {path.name for path in Path(data_dir).iterdir()}
    found = modes(data_dir)
    gate.set()
    process.communicate()
    assert {"neuralterm.db-wal", "neuralterm.db-shm"} <= names
    assert found == {}


def test_what_was_looser_is_tightened(service, run, data_dir, monkeypatch, tmp_path):
    home = tmp_path / "share" / "neuralterm"
    monkeypatch.setenv("NEURALTERM_DATA_DIR", str(home))
    run("--sandbox", "send", "hi")
    run("send", "hi")
    for path in home.rglob("*"):
        path.chmod(0o777 if path.is_dir() else 0o666)
    home.chmod(0o755)
    run("--sandbox", "send", "hi")
    run("send", "hi")
    (home / "sandbox").chmod(0o700)  # closed by the folder that it is in
    assert modes(home) == {}


def test_a_folder_that_is_not_ours_by_name_keeps_its_mode(service, run, tmp_path, monkeypatch):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    monkeypatch.setenv("NEURALTERM_DATA_DIR", str(shared))
    run("send", "hi")
    assert stat.S_IMODE(shared.stat().st_mode) == 0o755
    assert stat.S_IMODE((shared / "neuralterm.db").stat().st_mode) == 0o600


def test_what_was_typed_is_for_its_owner_only(service, data_dir):
    os.mkdir(data_dir, 0o700)
    history = Path(data_dir) / "chat_history"
    history.touch()
    history.chmod(0o666)
    terminal = Terminal("chat")
    try:
        terminal.expect("in this chat")
        terminal.type("my key is sk-or-v1-this-is-the-secret-key\r")
        terminal.expect("$0.0000045 in this chat")
        terminal.type("\x04")
        assert terminal.end()[0] == 0
    finally:
        terminal.close()
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert "+my key is [redacted: api key]" in history.read_text()
