"""Brings a real process to a point, lets something go wrong there, and looks at what is left."""

import ctypes
import os
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass

from .fault_matrix import PART, WHOLE
from .fault_service import Staged, deaf_port, is_calling

PATIENCE_S = 30
# `kill -9` may take away what came in the last quarter of a second; a busy machine may add to that.
JOURNALLED_S = 2.25
SIGNALS = {"kill": signal.SIGKILL, "sigint": signal.SIGINT, "sigterm": signal.SIGTERM, "sighup": signal.SIGHUP}
# The head of a log of SQLite and one page of it fit, a second page does not.
SMALL_FILE = 8192
_SHOWN = {"middle": PART, "told": WHOLE, "storing": WHOLE, "printed": WHOLE}
_HOLDS = {"storing": "hold storing", "printed": "hold printed"}


def give_up_override():
    """Let root, from its next program on, be stopped by the modes of files as anybody else is."""
    drop_from_bounding_set, dac_override = 24, 1
    if ctypes.CDLL(None, use_errno=True).prctl(drop_from_bounding_set, dac_override, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


@dataclass(frozen=True)
class Seen:
    """What was left: of the process, and after the next command."""

    code: int
    out: str
    err: list
    posts: int
    questions: list
    answers: list
    calls: list
    journals: list
    next_code: int
    next_err: str
    told_again: str
    files: list
    leaks: list


class Rig:
    """One cell. `prepared` is a data directory whose database knows the models of the service; it is copied."""

    def __init__(self, cell, service, run, directory, prepared, key, monkeypatch):
        self.cell, self.service, self.run, self.key = cell, service, run, key
        self.monkeypatch = monkeypatch
        self.directory = directory
        self.data = directory / "data"
        self.database = self.data / "neuralterm.db"
        self.staged = Staged(cell.point, cell.fault)
        self.process = None
        self._posts = len(service.chats)
        self._port = None
        self._stack = ExitStack()
        shutil.copytree(prepared, self.data)
        service.scripts = [self.staged]
        monkeypatch.setenv("NEURALTERM_DATA_DIR", str(self.data))

    def close(self):
        self.staged.go.set()
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._stack.close()

    def see(self):
        """Run the cell."""
        if self.cell.point == "connecting" and self.cell.fault != "bug":
            self._move_service()
        if self.cell.point == "before":
            self._strike_before()
        self._start()
        shown = self._arrive()
        if self.cell.point != "before" or self.cell.fault in SIGNALS:
            self._strike()
        self.staged.go.set()
        out = shown + self._rest()
        code = self.process.wait(PATIENCE_S)
        err = self._err.read_text(encoding="utf-8")
        self._mend()
        return self._look(code, out, err)

    # -- getting there

    def _move_service(self):
        """Let the service be where nobody answers."""
        if self.cell.fault == "refused":
            with closing(socket.create_server(("127.0.0.1", 0))) as listener:
                self._port = listener.getsockname()[1]
        else:
            self._port = self._stack.enter_context(deaf_port())
        self.monkeypatch.setenv("OPENROUTER_BASE_URL", f"http://127.0.0.1:{self._port}/api/v1")
        with closing(sqlite3.connect(self.database, isolation_level=None)) as connection:
            connection.execute("UPDATE models SET service = ?", (os.environ["OPENROUTER_BASE_URL"],))
            fetched_at = "UPDATE meta SET key = 'models_fetched_at ' || ? WHERE key LIKE 'models_fetched_at%'"
            connection.execute(fetched_at, (os.environ["OPENROUTER_BASE_URL"],))

    def _start(self):
        cell, options = self.cell, self.cell.options
        words = [*options, "-" if cell.point == "before" and cell.fault in SIGNALS else "hi"]
        self._err = self.directory / "stderr"
        stderr = os.open(self._err, os.O_CREAT | os.O_WRONLY)
        reader, writer = os.pipe()
        self._reader = self._stack.enter_context(os.fdopen(reader, "rb", buffering=0))
        if cell.fault == "stdout full":
            stdout = os.open("/dev/full", os.O_WRONLY)
            os.close(writer)
        else:
            stdout = writer
        if cell.point == "before" and cell.fault == "reader gone":
            self._reader.close()
        command, passed = self._command(["send", *words])
        without_rights = give_up_override if cell.fault == "read-only" and os.geteuid() == 0 else None
        stdin = subprocess.PIPE if "-" in words else subprocess.DEVNULL
        self.process = subprocess.Popen(
            command, stdin=stdin, stdout=stdout, stderr=stderr, pass_fds=passed, preexec_fn=without_rights
        )
        os.close(stdout)
        os.close(stderr)
        for descriptor in passed:
            os.close(descriptor)
        if stdin is subprocess.PIPE:
            # More than a pipe holds, so that this returns only when it is being read.
            self._stack.enter_context(self.process.stdin).write(b"x" * 1_000_000)

    def _command(self, words):
        """Return the command, and descriptors that it inherits."""
        cell = self.cell
        part = "fail observing" if cell.fault == "bug of an observer" else _HOLDS.get(cell.point)
        if cell.fault == "bug":
            part = f"fail {cell.point}"
        if part is None:
            command = [sys.executable, "-m", "neuralterm", *words]
            if cell.fault == "disk full" and cell.point == "before":
                # In blocks of 512 bytes.
                command = ["sh", "-c", f'ulimit -f {SMALL_FILE // 512}; exec "$@"', "sh", *command]
            return command, ()
        self._told, tell = os.pipe()
        listen, self._let_go = os.pipe()
        self._stack.callback(os.close, self._told)
        self._stack.callback(os.close, self._let_go)
        return [sys.executable, "-m", "tests.functional.faulty", part, f"{tell},{listen}", *words], (tell, listen)

    def _arrive(self):
        """Wait until the process is at the point; return what it has printed by then."""
        cell = self.cell
        if cell.point == "before" or cell.fault in ("bug", "bug of an observer", "stdout full"):
            if cell.fault == "stdout full" and cell.point == "printed":
                os.read(self._told, 1)
            return b""
        if cell.point == "connecting":
            deadline = time.monotonic() + PATIENCE_S
            while cell.fault != "refused" and not is_calling(self.process.pid, self._port):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            return b""
        if cell.point in _HOLDS:
            assert os.read(self._told, 1) == b"."
        else:
            assert self.staged.reached.wait(PATIENCE_S)
        shown = b""
        if not {"--json", "--no-stream"} & set(cell.options):
            wanted = _SHOWN.get(cell.point, "").encode()
            while len(shown) < len(wanted):
                shown += os.read(self._reader.fileno(), len(wanted) - len(shown))
        if cell.point == "begun":
            self._wait_for_journal('{"generation":')
        elif cell.fault == "kill" and cell.point in _SHOWN and cell.point != "printed":
            self._wait_for_journal(_SHOWN[cell.point][-3:])
        return shown

    def _wait_for_journal(self, text):
        deadline = time.monotonic() + JOURNALLED_S
        while not any(text in path.read_text() for path in self.data.glob("neuralterm.db-spool/*.jsonl")):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    # -- what goes wrong

    def _strike_before(self):
        fault = self.cell.fault
        if fault == "no key":
            self.monkeypatch.delenv("OPENROUTER_API_KEY")
        elif fault == "bad config":
            (self.directory / "config.toml").write_text("budgets = [[[\n")
            self.monkeypatch.setenv("NEURALTERM_CONFIG", str(self.directory / "config.toml"))
        elif fault in ("locked", "replaced", "read-only"):
            self._strike()

    def _strike(self):
        strike = getattr(self, f"_{self.cell.fault.replace(' ', '_').replace('-', '_')}", None)
        if self.cell.fault in SIGNALS:
            self.process.send_signal(SIGNALS[self.cell.fault])
        elif strike is not None:
            strike()
        if self.cell.point in _HOLDS and self.cell.fault not in ("bug", "bug of an observer", "kill", "sigint twice"):
            os.write(self._let_go, b".")

    def _sigint_twice(self):
        """One that comes at once is taken for the same key press."""
        while True:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(0.2)
                break
            except subprocess.TimeoutExpired:
                continue

    def _reader_gone(self):
        self._reader.close()

    def _locked(self):
        connection = self._stack.enter_context(closing(sqlite3.connect(self.database, isolation_level=None)))
        connection.execute("BEGIN IMMEDIATE")
        self._unlock = connection.close

    def _disk_full(self):
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (SMALL_FILE, SMALL_FILE))

    def _deleted(self):
        for path in self.data.glob("neuralterm.db*"):
            if path.is_file():
                path.unlink()

    def _replaced(self):
        garbage = self.directory / "garbage"
        garbage.write_bytes(b"this is no database\n" * 1000)
        os.replace(garbage, self.database)

    def _read_only(self):
        self.data.chmod(0o500)

    def _mend(self):
        """Do what the advice says, as far as the next command needs it."""
        fault = self.cell.fault
        if fault == "locked":
            self._unlock()
        elif fault == "replaced":
            for path in self.data.glob("neuralterm.db*"):
                if path.is_file():
                    path.unlink()
        elif fault == "read-only":
            self.data.chmod(0o700)
        elif fault == "bad config":
            (self.directory / "config.toml").unlink()

    # -- what is left

    def _rest(self):
        return b"" if self._reader.closed else self._reader.read()

    def _look(self, code, out, err):
        posts = len(self.service.chats) - self._posts
        journals = [path.name for path in self.data.glob("neuralterm.db-spool/*")]
        following = self.run("history")
        again = self.run("history")
        files = sorted(str(path.relative_to(self.data)) for path in self.data.rglob("*"))
        texts = {str(path): path.read_bytes() for path in self.directory.rglob("*") if path.is_file()}
        texts |= {"stdout": out, "history": (following.out + following.err).encode()}
        return Seen(
            code=code,
            out=out.decode(),
            err=err.splitlines(),
            posts=posts,
            questions=self._stored("SELECT content FROM messages WHERE role = 'user'"),
            answers=self._stored("SELECT content, status, cost_source FROM messages WHERE role = 'assistant'"),
            calls=self._stored(
                "SELECT status, source, cost, at_most, generation_id, owner FROM calls ORDER BY started_at"
            ),
            journals=journals,
            next_code=following.code,
            next_err=following.err,
            told_again=again.err,
            files=files,
            leaks=[name for name, content in texts.items() if self.key.encode() in content],
        )

    def _stored(self, sql):
        if not self.database.exists():
            return []
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(sql).fetchall()
