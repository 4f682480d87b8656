"""What is kept of prompts and answers with secrets in them."""

from pathlib import Path

import pytest

from .conftest import KEY
from .stand_in import text

TOKEN = "ghp_" + "aB3x" * 9


def kept(data_dir):
    return b"".join(path.read_bytes() for path in Path(data_dir).rglob("*") if path.is_file()).decode("latin-1")


def test_the_key_is_blotted_out_of_everything_that_is_kept(service, run, stored, data_dir, monkeypatch):
    monkeypatch.setenv("OPENROUTER_KEY", "the-other-key-0123456789")
    service.scripts = [text("it is ", KEY[:10], KEY[10:])]
    environment = f"OPENROUTER_API_KEY={KEY}\nOPENROUTER_KEY=the-other-key-0123456789\n"
    options = ("-s", KEY, "--tag", KEY, "-o", "user", KEY)
    monkeypatch.setenv("NEURALTERM_RUN_ID", KEY)
    result = run("send", *options, "explain", stdin=environment)
    assert (result.code, result.out) == (0, f"it is {KEY}\n")
    # What is sent is what was said.
    assert service.chats[0].body["messages"][1]["content"] == f"{environment}\nexplain"
    assert KEY not in kept(data_dir)
    assert "other-key" not in kept(data_dir)
    mark = "[redacted: api key]"
    assert [content for (content,) in stored("SELECT content FROM messages WHERE role <> 'user'")] == [
        mark,
        f"it is {mark}",
    ]
    assert stored("SELECT title FROM conversations")[0][0].startswith("OPENROUTER_API_KEY=")
    assert run("history", "search", "redacted").code == 0


def test_in_the_sandbox_too(run, data_dir, monkeypatch):
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    assert run("--sandbox", "send", "-m", "sandbox/echo", f"say {KEY}").code == 0
    assert KEY not in kept(data_dir)


def test_a_key_from_a_command_is_blotted_out_as_well(service, run, data_dir, tmp_path, monkeypatch):
    monkeypatch.delenv("OPENROUTER_API_KEY")
    (tmp_path / "config.toml").write_text(f'key_command = "echo {KEY}"\n')
    assert run("send", "--tag", KEY, KEY).code == 0
    assert KEY not in kept(data_dir)


@pytest.mark.parametrize(
    ("user", "project", "token_is_kept", "own_is_kept"),
    [
        ("", "", True, True),
        ("redact = true", "redact = false", False, True),
        ("", "redact = true", False, True),
        ("redact_patterns = ['ACME-[0-9]+']", "", True, False),
        ("redact = true\nredact_patterns = ['nothing']", "redact_patterns = ['ACME-[0-9]+']", False, False),
    ],
)
def test_other_secrets_where_it_is_switched_on(
    service, run, data_dir, tmp_path, monkeypatch, user, project, token_is_kept, own_is_kept
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text(user)
    (tmp_path / ".neuralterm.toml").write_text(project)
    service.scripts = [text("ACME-", "123")]
    result = run("send", f"{TOKEN} please")
    assert (result.code, result.out, result.err) == (0, "ACME-123\n", "")
    assert (TOKEN in kept(data_dir)) == token_is_kept
    assert ("ACME-123" in kept(data_dir)) == own_is_kept


@pytest.mark.parametrize("place", ["config.toml", ".neuralterm.toml"])
@pytest.mark.parametrize("value", ["'a'", "[1]", "['(a+)+b']", "['[']", "['']"])
def test_patterns_that_cannot_be_used_are_refused(service, run, tmp_path, monkeypatch, place, value):
    monkeypatch.chdir(tmp_path)
    (tmp_path / place).write_text(f"redact_patterns = {value}")
    result = run("send", "hi")
    assert (result.code, service.chats) == (3, [])
    assert place in result.err
    assert "redact_patterns" in result.err


def test_a_conversation_goes_on_with_the_redacted_text(service, run, tmp_path):
    (tmp_path / "config.toml").write_text("redact = true")
    run("send", TOKEN)
    run("send", "-c", "again")
    assert service.chats[1].body["messages"][0]["content"] == "[redacted: github token]"
