"""The programs in scripts/examples do what the documentation says of them, against the sandbox."""

import datetime
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "scripts" / "examples"
PAGE = (ROOT / "docs" / "guides" / "examples.md").read_text(encoding="utf-8")

# How `send` ends where a script has something of its own to say about it, and where not.
outcomes = pytest.mark.parametrize("code", [2, 3, 4, 7, 8, 9, 10, 11, 130])
# It takes its prompt, begins an answer and ends with a code, as `send` does, but in no time.
STAND_IN = "neuralterm() { cat > prompt.txt; echo 'the beginning of'; return $CODE; }; export -f neuralterm"


@pytest.fixture
def examples(shell):
    """Run a line of shell in a git checkout, in which the examples are commands: `examples(line, NAME="value")`."""

    def examples(line, **environment):
        return shell(f'PATH="{EXAMPLES}:$PATH"\nset -o pipefail\n{line}', **environment)

    return examples


def test_each_is_short_executable_and_in_the_documentation():
    names = sorted(path.name for path in EXAMPLES.iterdir() if path.is_file())
    assert [name for name in names if f"(../../scripts/examples/{name})" not in PAGE] == []
    assert [name for name in names if not os.access(EXAMPLES / name, os.X_OK)] == []
    for name in names:
        lines = (EXAMPLES / name).read_text(encoding="utf-8").splitlines()
        assert lines[0] in ("#!/usr/bin/env bash", "#!/usr/bin/env python3")
        assert "set -euo pipefail" in lines or lines[0].endswith("python3")
        assert len(lines) <= 50, name


def test_commit_message_prints_one_for_what_is_staged(examples):
    code, printed = examples("git add notes.md; commit_message", NEURALTERM_MODEL="sandbox/echo")
    assert code == 0
    assert "\n+and bread\n" in printed
    assert printed.endswith("Answer with the message and nothing else.\n")


def test_commit_message_sends_nothing_where_there_is_nothing_to_say(examples, data_dir):
    assert examples("commit_message") == (2, "commit_message: nothing is staged\n")
    assert examples("touch message; commit_message message; git add notes.md; commit_message message message") == (
        0,
        "",
    )
    code, printed = examples("cd /; commit_message")
    assert (code, len(printed.splitlines())) == (128, 1)
    assert examples("git add notes.md; commit_message --help") == (2, "usage: commit_message [FILE]\n")
    assert not Path(data_dir).exists()


def test_triage_log_asks_nobody_about_no_log(examples, data_dir):
    assert examples("triage_log.py < /dev/null") == (2, "error: there is no log on stdin\n")
    code, printed = examples("triage_log.py app.log")
    assert (code, "triage_log.py || mail-somebody" in printed) == (1, True)
    assert not Path(data_dir).exists()


@outcomes
def test_commit_message_that_failed_prints_no_message(examples, code):
    ended, printed = examples(f"{STAND_IN}; git add notes.md; commit_message", CODE=str(code))
    reasons = {4: "a budget", 8: "the service is busy", 9: "only a part", 10: "only a part"}
    assert ended == code
    assert printed.startswith("commit_message: ")
    assert reasons.get(code, f"no message (exit code {code})") in printed
    assert "the beginning of" not in printed


@outcomes
def test_commit_message_that_failed_leaves_the_editor_as_it_is(examples, checkout, code):
    (checkout / "message").write_text("# what git wrote\n")
    assert examples(f"{STAND_IN}; git add notes.md; commit_message message 2> errors.txt", CODE=str(code)) == (0, "")
    assert (checkout / "message").read_text() == "# what git wrote\n"


HOOK = f"install -m 755 '{EXAMPLES / 'commit_message'}' .git/hooks/prepare-commit-msg; git add notes.md"


def test_commit_message_as_a_hook_is_put_before_what_git_wrote(examples, checkout):
    code, printed = examples(f"{HOOK}; EDITOR=cat git commit", NEURALTERM_MODEL="openai/gpt-4o-mini")
    assert code == 0, printed
    assert printed.startswith("You said: diff --git a/notes.md b/notes.md")
    assert "\n# Please enter the commit message for your changes." in printed
    log = subprocess.run(["git", "log", "--format=%s"], cwd=checkout, capture_output=True, text=True).stdout
    assert log.startswith("You said: diff --git")


def test_commit_message_as_a_hook_stands_in_no_commits_way(examples):
    editor = "EDITOR=\"sed -i '1s/^/By hand/'\""
    code, printed = examples(f"{HOOK}; {editor} git commit && git log --format=%s", NEURALTERM_MODEL="sandbox/cut")
    assert code == 0, printed
    assert "commit_message: only a part of a message came\n" in printed
    assert printed.endswith("By hand\nBegin\n")


# The sandbox chooses one of several values by the prompt: after a change of the question other logs may have to stand here.
@pytest.mark.parametrize(
    ("log", "severity", "code"),
    [("backup done", "ok", 0), ("disk nearly full", "warning", 20), ("error", "critical", 21)],
)
def test_triage_log_exits_by_severity(examples, log, severity, code):
    ended, printed = examples(f"echo {log} | triage_log.py")
    assert (ended, re.search(r'"severity": "(\w+)"', printed)[1]) == (code, severity)


def stand_in(folder, code):
    """Put a `neuralterm` into the folder that ends with a code; what Python starts sees no function of the shell."""
    path = folder / "bin" / "neuralterm"
    path.parent.mkdir()
    path.write_text(f'#!/bin/sh\ncat > prompt.txt\necho \'{{"severity": "ok"\'\nexit {code}\n')
    path.chmod(0o755)


@outcomes
def test_triage_log_that_nobody_judged_has_the_code_of_send(examples, checkout, code):
    stand_in(checkout, code)
    assert examples('PATH="$PWD/bin:$PATH"; echo disk full | triage_log.py') == (code, "")
    assert (checkout / "prompt.txt").read_text() == "disk full\n"


def test_triage_log_takes_no_other_text_for_a_verdict(examples):
    code, printed = examples("echo all is well | triage_log.py", NEURALTERM_MODEL="sandbox/echo")
    assert code == 1
    assert printed.startswith("error: the model did not keep to the schema: 'all is well")


def test_triage_log_looks_at_the_end_of_a_long_log_that_is_no_text(examples):
    code, printed = examples(r"{ printf '\377'; head -c 300000 /dev/zero | tr '\0' x; } | triage_log.py")
    assert code in (0, 20, 21)
    assert printed.startswith("note: only the last 200000 characters are looked at\n{")


def test_cost_gate(examples, run, checkout, monkeypatch):
    monkeypatch.setenv("NEURALTERM_RUN_ID", "build-17")
    assert run("send", "hello").code == 0
    job = {"NEURALTERM_RUN_ID": "build-17"}
    code, printed = examples("cost_gate 0.50", **job)
    assert (code, printed.splitlines()[0]) == (0, "## LLM cost: ok")
    code, printed = examples("cost_gate 0.00001", GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY="summary.md", **job)
    assert code == 4
    assert "\n::error title=LLM cost::more than 0.00001 USD, or not certain to be less (exit code 4)\n" in printed
    assert (checkout / "summary.md").read_text().startswith("## LLM cost: over the maximum\n")


def test_cost_gate_goes_on_where_the_service_can_not_be_asked(examples):
    code, printed = examples("unset OPENROUTER_API_KEY; cost_gate 1 --since 1h")
    assert code == 0
    assert "\ncost_gate: the service could not be asked about all amounts\n" in printed
    assert "warning: no calls match, so nothing was checked\n" in printed


def test_cost_gate_wants_to_know_which_calls(examples):
    code, printed = examples("cost_gate 1")
    assert code == 1
    assert "set NEURALTERM_RUN_ID" in printed


def test_nightly_report(examples, run):
    tagged = json.loads(run("send", "--json", "--tag", "a|<b>", "hello").out)
    assert run("send", "-m", "sandbox/echo", "hello").code == 0
    code, printed = examples(f"nightly_report.py {tagged['created_at'][:10]}")
    assert code == 0
    assert (
        f"\n| a&#124;&lt;b&gt; | openai/gpt-4o-mini | 1 | {tagged['usage']['total_tokens']} | ${tagged['cost']['usd']} |\n"
        in printed
    )
    assert "\n| none | sandbox/echo | 1 | 8 | $0.0000275 |\n" in printed
    assert re.match(r"# LLM cost of [0-9-]+\n\n2 calls, \$0\.0\d+\n", printed)


def test_nightly_report_is_of_yesterday(examples):
    zone = datetime.timezone(datetime.timedelta(hours=14))
    before = datetime.datetime.now(zone).date()
    code, printed = examples("nightly_report.py", REPORT_ZONE="Pacific/Kiritimati")
    day = re.fullmatch(r"# LLM cost of ([0-9-]+)\n\n0 calls, \$0\n", printed)[1]
    following = datetime.date.fromisoformat(day) + datetime.timedelta(days=1)
    assert (code, following in (before, datetime.datetime.now(zone).date())) == (0, True)
