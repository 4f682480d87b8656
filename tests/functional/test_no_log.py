"""`--no-log`: the books without the text."""

import json
import threading
from pathlib import Path

import pytest

from .stand_in import chunk, events, held, text
from .terminal import Terminal

WORD = "Xylophon"


def holders(data_dir):
    """The files of the data directory that hold the word."""
    return [path.name for path in Path(data_dir).rglob("*") if path.is_file() and WORD.encode() in path.read_bytes()]


def test_nothing_that_is_said_reaches_the_disk_not_even_while_it_is_said(service, start, data_dir, tmp_path, stored):
    (tmp_path / f"{WORD}.pdf").write_bytes(b"%PDF-1.4 " + WORD.encode())
    gate, seen = threading.Event(), threading.Event()
    service.scripts = [held([f"{WORD} ", "and "], gate, [WORD], seen)]
    options = ("-s", f"be {WORD}", "--title", WORD, "-a", str(tmp_path / f"{WORD}.pdf"), "--tag", "quiet")
    process = start("send", "--no-log", "--json", *options, f"what is a {WORD}?")
    assert seen.wait(20)
    during = holders(data_dir)
    gate.set()
    out, err = process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert during == holders(data_dir) == []
    answer = json.loads(out)
    assert answer["content"] == f"{WORD} and {WORD}"
    row = "SELECT conversation_id, status, cost, completion_tokens, generation_id, tags FROM calls"
    assert stored(row) == [(answer["conversation_id"], "complete", 4500000, 5, "gen-1", '["quiet"]')]
    assert stored("SELECT * FROM conversations") == stored("SELECT * FROM attachments") == []


def test_history_does_not_know_it_and_cost_does(service, run):
    answer = json.loads(run("send", "--no-log", "--json", WORD).out)
    assert run("history", "--json").out.count("conversation_id") == 0
    again = run("send", "--cid", answer["conversation_id"], "more")
    assert again.code == 2
    groups = json.loads(run("cost", "--by", "conversation", "--json").out)["groups"]
    assert [(group["key"], group["calls"]) for group in groups] == [(answer["conversation_id"], 1)]
    assert json.loads(run("cost", "--cid", answer["conversation_id"], "--json").out)["calls"] == 1


def test_a_kept_conversation_can_go_on_and_stays_as_it_was(service, run, stored, data_dir):
    first = json.loads(run("send", "--json", "hi").out)
    before = stored("SELECT * FROM messages"), stored("SELECT * FROM conversations")
    service.scripts = [events(chunk({"reasoning": WORD}), chunk({"content": WORD}), "[DONE]")]
    second = json.loads(run("send", "--no-log", "-c", "--json", "--title", WORD, "--tag", WORD[:4], WORD).out)
    assert second["conversation_id"] == first["conversation_id"]
    contents = [message["content"] for message in service.chats[1].body["messages"]]
    assert contents == ["hi", "Hello there.", WORD]
    assert (stored("SELECT * FROM messages"), stored("SELECT * FROM conversations")) == before
    assert holders(data_dir) == []


@pytest.mark.parametrize("way", ["environment", "user file", "project file"])
def test_where_it_can_be_set(service, run, stored, way, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    if way == "environment":
        monkeypatch.setenv("NEURALTERM_NO_LOG", "1")
    else:
        (tmp_path / ("config.toml" if way == "user file" else ".neuralterm.toml")).write_text("no_log = true")
    result = run("send", "hi")
    assert result.code == 0
    # Who reads a conversation in the history must not find that a checkout has switched it off.
    assert len(stored("SELECT * FROM messages")) == (2 if way == "project file" else 0)
    assert ("no_log" in result.err) == (way == "project file")
    assert len(stored("SELECT * FROM calls")) == 1


def test_a_budget_counts_what_is_not_logged_and_a_refusal_leaves_nothing(service, run, stored):
    run("cost", "budget", "set", "small", "0.0001", "--window", "day")
    for _ in range(3):
        assert run("send", "--no-log", WORD, "--max-tokens", "40").code == 0
    assert run("send", "--no-log", WORD, "--max-tokens", "400", "--min-tokens", "400").code == 4
    assert len(stored("SELECT * FROM calls")) == 3


def test_a_chat_goes_on_in_memory(service, run, data_dir, stored):
    service.scripts = [text(f"{WORD} one"), text("two")]
    result = run("chat", "--no-log", stdin=f"my name is {WORD}\nwho am I?\n")
    assert (result.code, result.out) == (0, f"{WORD} one\ntwo\n")
    contents = [message["content"] for message in service.chats[1].body["messages"]]
    assert contents == [f"my name is {WORD}", f"{WORD} one", "who am I?"]
    assert holders(data_dir) == []
    assert len(stored("SELECT DISTINCT conversation_id FROM calls")) == 1


def test_what_is_typed_at_a_terminal_is_not_kept_either(service, data_dir):
    terminal = Terminal("chat", "--no-log")
    try:
        terminal.expect("what is said here is not kept")
        terminal.expect("in this chat")
        terminal.type(f"{WORD}\r")
        terminal.expect("Hello there.")
        terminal.expect("$0.0000045 in this chat")
        terminal.type("\x04")
        assert terminal.end()[0] == 0
    finally:
        terminal.close()
    assert holders(data_dir) == []
    assert not (Path(data_dir) / "chat_history").exists()


def test_of_a_killed_answer_the_call_is_found_and_no_text(service, start, run, stored, data_dir):
    gate, seen = threading.Event(), threading.Event()
    service.scripts = [held([f"{WORD} ", "and more"], gate, [], seen)]
    process = start("send", "--no-log", "--title", WORD, f"what is a {WORD}?")
    assert process.stdout.read(len(WORD)) == WORD.encode()
    process.kill()
    process.wait()
    gate.set()
    assert holders(data_dir) == []
    assert run("history", "--json").code == 0
    assert stored("SELECT status, source, owner, generation_id FROM calls") == [
        ("interrupted", "unsettled", None, "gen-1")
    ]
    assert stored("SELECT * FROM conversations") == []
    assert [path.name for path in Path(data_dir).rglob("*spool*")] == []
