"""A terminal for a test: starts `neuralterm` at the far end of a pseudo-terminal, types, and reads the screen's text."""

import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time

PATIENCE_S = 10
# Makes the pseudo-terminal the controlling one, so that Ctrl-C becomes a signal.
START = "import os; os.login_tty(0); from neuralterm.__main__ import main; main()"
CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[()][0-9A-B]|\x1b[=>78]|\x07|\x08|\r")


class Terminal:
    """One session. Everything that `expect` has passed is behind it: it looks only at what came since."""

    def __init__(self, *args, before="", command=None, columns=160):
        """Start it; `before` is a line of Python that runs in the process first, `command` is run in the place of all that."""
        self.ours, theirs = os.openpty()
        self.modes = termios.tcgetattr(theirs)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        # xdist has readline imported, which sets the size of another terminal.
        environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        environment["TERM"] = "xterm"
        command = command or [sys.executable, "-c", f"{before}\n{START}", *args]
        self.process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
        os.close(theirs)
        self._raw, self.seen, self._passed = b"", "", 0

    @property
    def raw(self):
        """All that came, control sequences included."""
        return self._raw.decode("utf-8", "surrogateescape")

    def type(self, text):
        os.write(self.ours, text.encode())

    def expect(self, words):
        """Wait until the words are on the screen; return what came before them."""
        deadline = time.monotonic() + PATIENCE_S
        while (found := self.seen.find(words, self._passed)) < 0:
            assert self._read(deadline), f"{words!r} did not come; there was {self.seen[self._passed :]!r}"
        before = self.seen[self._passed : found]
        self._passed = found + len(words)
        return before

    def wait_until(self, holds):
        """Wait until something holds, while the session goes on."""
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < deadline, "it never came true"
            self._read(min(deadline, time.monotonic() + 0.1))

    def end(self):
        """Wait for the end; return the exit code and the rest of the text."""
        deadline = time.monotonic() + PATIENCE_S
        while self._read(deadline):
            pass
        return self.process.wait(1), self.seen[self._passed :]

    def has_its_modes(self):
        """Say whether the terminal is as it was found."""
        return termios.tcgetattr(self.ours) == self.modes

    def hang_up(self):
        """Go away, as a window that is closed does."""
        os.close(self.ours)
        self.ours = None

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.ours is not None:
            self.hang_up()

    def _read(self, deadline):
        """Read what comes next; False at the end, and at the deadline, even if the status line is still redrawn."""
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self.ours], [], [], left)[0]:
            return False
        try:
            block = os.read(self.ours, 65536)
        except OSError:  # how Linux tells the end of a pseudo-terminal
            return False
        # Where is the cursor? Without an answer the status line is not shown.
        os.write(self.ours, b"\x1b[1;1R" * block.count(b"\x1b[6n"))
        self._raw += block
        self.seen = CONTROL.sub("", self._raw.decode("utf-8", "ignore"))
        return bool(block)
