"""What is Unix's own may be missing: a command line works without it."""

import json
import subprocess
import sys

# What there is not on Windows, as far as it can be taken away here.
WITHOUT = """
import os, select, signal, sys
for name in ("fcntl", "termios", "pwd", "grp", "resource", "tty", "pty", "readline"):
    sys.modules[name] = None
for module, names in (
    (select, ("poll", "epoll", "PIPE_BUF")),
    (os, ("get_blocking", "set_blocking", "fchmod", "posix_fallocate", "getpgrp", "tcgetpgrp", "O_CLOEXEC")),
    (signal, ("SIGPIPE", "SIGHUP", "SIGCONT", "SIGURG", "SIGTSTP", "SIGQUIT", "SIGWINCH")),
):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
from neuralterm.cli.root import cli
codes = [int(cli(line, prog_name="neuralterm", standalone_mode=False)) for line in LINES]
print(codes, file=sys.stderr)
"""
LINES = [
    ["send", "-m", "sandbox/echo", "hello"],
    ["send", "-c", "--no-stream", "and on"],
    ["send", "-m", "sandbox/cut", "hello"],
    ["models", "gpt-4o-mini"],
    ["history", "search", "hello"],
    ["cost", "--by", "model"],
    ["cost", "check", "--max", "1"],
    ["history", "backup", "copy.db"],
    ["doctor"],
    ["chat", "-m", "sandbox/echo"],
]
CODES = [0, 0, 9, 0, 0, 0, 4, 0, 0, 0]


def test_commands_need_nothing_that_only_unix_has(data_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("NEURALTERM_SANDBOX", "1")
    program = f"LINES = {json.dumps(LINES)}\n{WITHOUT}"
    done = subprocess.run(
        [sys.executable, "-c", program], input="a line for the chat\n", capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stderr.splitlines()[-1] == str(CODES), done.stderr
    assert "a line for the chat" in done.stdout.splitlines()
