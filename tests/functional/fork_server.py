"""Starts `neuralterm` in no time: a process that has imported everything makes a child of itself for each invocation.

`python -m tests.functional.fork_server SOCKET`; the environment is that of all children. A client connects, sends the words
of a command line as JSON with three descriptors (stdin, stdout, stderr), is told the process id, and at the end the status
as `os.waitpid` has it.
"""

import contextlib
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from pathlib import Path

from neuralterm.__main__ import main

_LARGEST_MESSAGE = 1 << 16
_OUTPUT_FAILED = 120  # what the interpreter ends with when it can't write the rest of its output


class ForkServer:
    """The client's side. `environment` is that of all processes."""

    def __init__(self, directory, environment):
        self._path = str(Path(directory) / "fork.sock")
        command = [sys.executable, "-m", "tests.functional.fork_server", self._path]
        self._process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
        assert self._process.stdout.readline() == b"ready\n"

    def start(self, words, stdin, stdout, stderr):
        """Start a process; return its id and the connection that its status will come over."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.connect(self._path)
        socket.send_fds(connection, [json.dumps(words).encode()], [stdin, stdout, stderr])
        return int(connection.recv(_LARGEST_MESSAGE)), connection

    def close(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


def exit_code(connection):
    """Wait for the end of a process; negative for a signal."""
    with connection:
        return os.waitstatus_to_exitcode(int(connection.recv(_LARGEST_MESSAGE)))


def warm_up():
    """Import, and make ready for use, all that a command needs."""
    import tempfile

    from click.testing import CliRunner

    from neuralterm.cli.root import cli

    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as directory:
        os.environ["NEURALTERM_DATA_DIR"] = directory
        for words in (["--sandbox", "send", "--max-cost", "1", "hi"], ["--sandbox", "send", "-c", "--json", "hi"]):
            assert CliRunner().invoke(cli, words).exit_code == 0
    os.environ.clear()
    os.environ.update(before)


def serve(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        listener.listen(64)
        wake, woken = os.pipe()
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(woken)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # What comes before a child has handlers of its own ends it quietly.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        running = {}
        os.write(1, b"ready\n")
        while True:
            readable, _, _ = select.select([listener, wake], [], [])
            if wake in readable:
                os.read(wake, _LARGEST_MESSAGE)
                reap(running)
            if listener in readable:
                connection, _ = listener.accept()
                take(listener, connection, running)


def reap(running):
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            with running.pop(pid) as connection, contextlib.suppress(ConnectionError):
                connection.send(str(status).encode())


def take(listener, connection, running):
    order, descriptors, _, _ = socket.recv_fds(connection, _LARGEST_MESSAGE, 3)
    pid = os.fork()
    if pid == 0:
        for each in (listener, connection, *running.values()):
            each.close()
        be_neuralterm(json.loads(order), descriptors)
    running[pid] = connection
    for descriptor in descriptors:
        os.close(descriptor)
    connection.send(str(pid).encode())


def be_neuralterm(words, descriptors):
    """Run a command line in this process, and end it as the interpreter would."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.argv = ["neuralterm", *words]
    code = 1
    try:
        main()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
        except OSError:
            code = _OUTPUT_FAILED
        os._exit(code)


if __name__ == "__main__":
    warm_up()
    assert threading.active_count() == 1, threading.enumerate()
    gc.collect()
    gc.freeze()
    serve(sys.argv[1])
