"""One line at the bottom of a terminal that tells what is waited for, while nothing else comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from neuralterm.domain.text import one_line

# Seconds: what comes sooner needs no words; after that the line is drawn anew so often.
_INTERVAL = 1.0
_ERASE = "\r\x1b[K"


class BusyLine:
    """Tells through `write` what is waited for and how long it has been, from a second on; `columns` is the width.

    It draws in a thread of its own. Whoever writes to the same terminal does so by `put`. Times are in seconds, of `monotonic`.
    On a terminal that can't take back what it shows, `erases` is False: it is told once, on a line that stays.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        columns: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
        interval: float = _INTERVAL,
        *,
        erases: bool = True,
    ) -> None:
        self._write = write
        self._columns = columns
        self._monotonic = monotonic
        self._interval = interval
        self._erases = erases
        # The thread that writes may be interrupted by a handler of signals which writes too.
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._text: str | None = None
        self._since = 0.0
        self._is_drawn = False
        self._has_line = True
        self._is_hidden = False

    @contextmanager
    def shown(self, text: str) -> Iterator[None]:
        """Have this told until the end of the block."""
        self.begin(text)
        thread = threading.Thread(target=self._draw_on, args=(self._ended,), name="busy-line", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.end()

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Keep it from being drawn until the end of the block."""
        with self._lock:
            self._erase()
            self._is_hidden = True
        try:
            yield
        finally:
            self._is_hidden = False

    def begin(self, text: str) -> None:
        """Take down what is waited for from now on."""
        self._ended = threading.Event()
        self._text, self._since = one_line(text), self._monotonic()

    def end(self) -> None:
        """Erase the line for good: what was waited for is there. May be called twice."""
        self._ended.set()
        with self._lock:
            self._text = None
            self._erase()

    def put(self, text: str) -> None:
        """Write something else in its place. It is not drawn where that leaves a line open."""
        with self._lock:
            self._erase()
            self._write(text)
            self._has_line = text.endswith("\n")

    def draw(self) -> None:
        """Draw the line, if there is still something to wait for."""
        from neuralterm.components.tables import cut_to

        with self._lock:
            if self._text is None or not self._has_line or self._is_hidden:
                return
            if not self._erases:
                self._write(f"{self._text}\n")
                self._text = None
                return
            line = f"{self._text}: {self._monotonic() - self._since:.0f} s"
            # One column stays free: a full line would make the terminal begin the next one.
            self._write(_ERASE + cut_to(line, self._columns() - 1))
            self._is_drawn = True

    def _erase(self) -> None:
        if self._is_drawn:
            self._is_drawn = False
            self._write(_ERASE)

    def _draw_on(self, ended: threading.Event) -> None:
        while not ended.wait(self._interval):
            self.draw()
