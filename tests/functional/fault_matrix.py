"""The fault matrix as data: what happens when something goes wrong, by where it goes wrong and how.

`test_fault_matrix.py` runs every cell with real processes, `scripts/write_faults` makes `docs/faults.md` of them. Standard
library only.
"""

from __future__ import annotations

from dataclasses import dataclass

# What the service says in full, and what has come of it in mid-answer.
PART, WHOLE = "The sum may be", "The sum may be 42."

POINTS = {
    "before": "before the request",
    "connecting": "while it connects",
    "waiting": "before the head of the reply",
    "begun": "before the first word",
    "middle": "in mid-answer",
    "told": "after the last word, before the end of the stream",
    "storing": "while the end is stored",
    "printed": "after the answer was printed",
}

FAULTS = {
    "kill": "the process is killed (`kill -9`)",
    "sigint": "Ctrl-C",
    "sigint twice": "Ctrl-C, and again",
    "sigterm": "SIGTERM",
    "sighup": "the terminal goes away (SIGHUP)",
    "reader gone": "the reader of stdout leaves (`head -1`)",
    "stdout full": "stdout is full",
    "refused": "the connection is refused",
    "silence": "silence, until the timeout",
    "reset": "the connection is reset",
    "closed": "the connection is closed",
    "ended": "the stream ends without its end mark",
    "error event": "the service sends an error",
    "garbage": "the service sends garbage",
    "429": "HTTP 429, rate limited",
    "429 once": "HTTP 429 once, with `Retry-After`",
    "503": "HTTP 503, overloaded",
    "503 once": "HTTP 503 once",
    "500": "HTTP 500",
    "402": "HTTP 402, no credit",
    "401": "HTTP 401, the key is refused",
    "400": "HTTP 400, bad request",
    "no key": "there is no key",
    "bad config": "the configuration can't be read",
    "locked": "the database is locked for long",
    "disk full": "the disk is full",
    "deleted": "the database is deleted",
    "replaced": "the database is replaced by garbage",
    "read-only": "the data directory can't be written",
    "bug": "a bug of neuralterm's",
    "bug of an observer": "a bug in what only watches",
}

KEPT = {
    "nothing": "nothing",
    "question": "your question, with an empty answer marked `{status}`",
    "part": "what came of the answer, marked `{status}`",
    "whole": "the whole answer, marked `{status}`",
}

COSTS = {
    None: "nothing: there was no request",
    "free": "nothing",
    "billed": "what the service charged, which is written down",
    "estimated": "an estimate is shown; budgets count the upper bound until `cost reconcile` has asked the service",
    "unsettled": "not known yet; counts at its upper bound until `cost reconcile` has asked the service",
    "unsettled for good": "not known; counts at its upper bound, as nobody can ask for it",
}

ADVICE = {
    "nothing": "nothing to do",
    "again": "send it again",
    "later": "send it again later",
    "resume": "`neuralterm send --resume ID` asks for the rest",
    "show": "`neuralterm history show ID` prints it",
    "look": "it may be whole: look at it; else `neuralterm send --resume ID` asks for the rest",
    "ask again": "`neuralterm send --resume ID` asks once more",
    "next start": "nothing to do: the next command merges it into the history",
    "move away": "move the file away; the next command makes a new database, with this answer in it",
    "mend key": "`neuralterm login`, or set `OPENROUTER_API_KEY`",
    "mend config": "mend the file that the error names",
    "mend place": "make room, or set `NEURALTERM_DATA_DIR`",
    "mend rights": "make the directory writable, or set `NEURALTERM_DATA_DIR`",
    "mend file": "move the file away, or put a backup in its place",
    "credit": "add credit at the service",
    "mend request": "change what the error names",
    "report": "report the bug, with what `--debug` shows",
}


@dataclass(frozen=True)
class Cell:
    """One point and one kind of fault, and all that follows.

    `code` is the exit code, negative for a signal. `kept` and `status` are what the history has after the next command,
    `cost` is what the ledger has: keys of `KEPT` and `COSTS`. `lines` are those on stderr. `requests` are those that the
    ledger has; all of them but the last one failed for nothing. `quick` cells run with every change.
    """

    point: str
    fault: str
    code: int
    kept: str
    status: str | None
    cost: str | None
    advice: str
    lines: int
    quick: bool

    @property
    def name(self) -> str:
        return f"{self.fault} {POINTS[self.point]}"

    @property
    def options(self) -> tuple[str, ...]:
        """The options of `send`."""
        if self.fault == "silence":
            return ("--idle-timeout", "1", "--timeout", "1", "--retry-for", "0")
        if self.point == "printed" and self.fault in ("reader gone", "stdout full"):
            return ("--json",)
        return () if self.fault.endswith(" once") else ("--retry-for", "0")

    @property
    def requests(self) -> int:
        return 0 if self.kept == "nothing" else 2 if self.fault.endswith(" once") else 1

    @property
    def posts(self) -> int:
        """The requests that reach the service."""
        return 0 if self.point == "connecting" else self.requests

    @property
    def leaves_journal(self) -> bool:
        """True where the next command has something to take in."""
        if self.kept == "nothing" or (self.kept == "whole" and self.advice not in ("next start", "move away")):
            return False
        died = self.code == -9 or self.fault == "sigint twice" or (self.fault == "bug" and self.point == "storing")
        return died or self.kept == "whole"

    @property
    def text(self) -> str:
        """The answer in the history."""
        if self.kept in ("nothing", "question"):
            return ""
        return PART if self.kept == "part" and self.point == "middle" else WHOLE

    @property
    def out(self) -> str:
        """What stdout has got."""
        if not self.text or "--json" in self.options or self.fault == "stdout full":
            return ""
        ends_line = self.code not in (-9, 141) and self.fault != "sigint twice"
        return self.text + ("\n" if ends_line else "")


# For each point: fault, exit code, what is kept, with which status, what it costs, what to do, lines on stderr.
_ROWS: dict[str, list[tuple[str, int, str, str | None, str | None, str, int]]] = {
    "before": [
        ("kill", -9, "nothing", None, None, "again", 0),
        ("sigint", 130, "nothing", None, None, "again", 0),
        ("sigterm", 143, "nothing", None, None, "again", 0),
        ("sighup", 129, "nothing", None, None, "again", 0),
        ("reader gone", 141, "nothing", None, None, "again", 0),
        ("no key", 3, "nothing", None, None, "mend key", 2),
        ("bad config", 3, "nothing", None, None, "mend config", 1),
        ("locked", 3, "nothing", None, None, "later", 3),
        ("disk full", 3, "nothing", None, None, "mend place", 2),
        ("replaced", 3, "nothing", None, None, "mend file", 2),
        ("read-only", 3, "nothing", None, None, "mend rights", 2),
        ("bug", 1, "nothing", None, None, "report", 2),
    ],
    "connecting": [
        ("kill", -9, "question", "interrupted", "unsettled for good", "ask again", 0),
        ("sigint", 130, "question", "interrupted", "free", "ask again", 0),
        ("sigterm", 143, "question", "interrupted", "free", "ask again", 0),
        ("sighup", 129, "question", "interrupted", "free", "ask again", 0),
        ("refused", 8, "question", "failed", "free", "later", 2),
        ("silence", 8, "question", "failed", "free", "later", 1),
        ("bug", 1, "question", "failed", "unsettled for good", "report", 2),
    ],
    "waiting": [
        ("kill", -9, "question", "interrupted", "unsettled for good", "ask again", 0),
        ("sigint", 130, "question", "interrupted", "unsettled for good", "ask again", 1),
        ("sigterm", 143, "question", "interrupted", "unsettled for good", "ask again", 1),
        ("sighup", 129, "question", "interrupted", "unsettled for good", "ask again", 1),
        ("reader gone", 141, "question", "interrupted", "unsettled for good", "ask again", 0),
        ("silence", 8, "question", "failed", "unsettled for good", "later", 1),
        ("reset", 8, "question", "failed", "unsettled for good", "later", 1),
        ("closed", 8, "question", "failed", "unsettled for good", "later", 1),
        ("garbage", 8, "question", "failed", "unsettled for good", "later", 1),
        ("429", 8, "question", "failed", "free", "later", 2),
        ("429 once", 0, "whole", "complete", "billed", "nothing", 1),
        ("503", 8, "question", "failed", "free", "later", 2),
        ("503 once", 0, "whole", "complete", "billed", "nothing", 1),
        ("500", 8, "question", "failed", "free", "later", 2),
        ("402", 7, "question", "failed", "free", "credit", 2),
        ("401", 3, "question", "failed", "free", "mend key", 2),
        ("400", 6, "question", "failed", "free", "mend request", 1),
    ],
    "begun": [
        ("kill", -9, "question", "interrupted", "unsettled", "ask again", 0),
        ("sigint", 130, "question", "interrupted", "unsettled", "ask again", 1),
        ("sigterm", 143, "question", "interrupted", "unsettled", "ask again", 1),
        ("sighup", 129, "question", "interrupted", "unsettled", "ask again", 1),
        ("reader gone", 141, "question", "interrupted", "unsettled", "ask again", 0),
        ("silence", 9, "question", "failed", "unsettled", "later", 1),
        ("reset", 9, "question", "failed", "unsettled", "later", 1),
        ("closed", 9, "question", "failed", "unsettled", "later", 1),
        ("ended", 9, "question", "failed", "unsettled", "later", 1),
        ("error event", 8, "question", "failed", "unsettled", "later", 2),
        ("garbage", 9, "question", "failed", "unsettled", "later", 1),
    ],
    "middle": [
        ("kill", -9, "part", "interrupted", "unsettled", "resume", 0),
        ("sigint", 130, "part", "interrupted", "estimated", "resume", 1),
        ("sigterm", 143, "part", "interrupted", "estimated", "resume", 1),
        ("sighup", 129, "part", "interrupted", "estimated", "resume", 1),
        ("reader gone", 141, "part", "interrupted", "estimated", "resume", 0),
        ("stdout full", 9, "part", "interrupted", "estimated", "resume", 3),
        ("silence", 9, "part", "cut", "estimated", "resume", 2),
        ("reset", 9, "part", "cut", "estimated", "resume", 2),
        ("closed", 9, "part", "cut", "estimated", "resume", 2),
        ("ended", 9, "part", "cut", "estimated", "resume", 2),
        ("error event", 9, "part", "cut", "estimated", "resume", 2),
        ("garbage", 9, "part", "cut", "estimated", "resume", 2),
        ("locked", 0, "whole", "complete", "billed", "next start", 2),
        ("disk full", 0, "whole", "complete", "billed", "next start", 1),
        ("deleted", 0, "whole", "complete", "billed", "next start", 1),
        ("replaced", 0, "whole", "complete", "billed", "move away", 1),
        ("read-only", 0, "whole", "complete", "billed", "nothing", 0),
        ("bug", 1, "part", "interrupted", "estimated", "report", 2),
        ("bug of an observer", 0, "whole", "complete", "billed", "report", 8),
    ],
    "told": [
        ("kill", -9, "part", "interrupted", "unsettled", "look", 0),
        ("sigint", 130, "part", "interrupted", "estimated", "look", 1),
        ("sigterm", 143, "part", "interrupted", "estimated", "look", 1),
        ("sighup", 129, "part", "interrupted", "estimated", "look", 1),
        ("reader gone", 141, "part", "interrupted", "estimated", "look", 0),
        ("silence", 9, "part", "cut", "estimated", "look", 2),
        ("reset", 9, "part", "cut", "estimated", "look", 2),
        ("closed", 9, "part", "cut", "estimated", "look", 2),
        ("ended", 9, "part", "cut", "estimated", "look", 2),
        ("error event", 9, "part", "cut", "estimated", "look", 2),
        ("garbage", 9, "part", "cut", "estimated", "look", 2),
        ("locked", 0, "whole", "complete", "billed", "next start", 2),
        ("disk full", 0, "whole", "complete", "billed", "next start", 1),
        ("deleted", 0, "whole", "complete", "billed", "next start", 1),
        ("replaced", 0, "whole", "complete", "billed", "move away", 1),
        ("read-only", 0, "whole", "complete", "billed", "nothing", 0),
    ],
    "storing": [
        ("kill", -9, "part", "interrupted", "unsettled", "look", 0),
        ("sigint", 0, "whole", "complete", "billed", "nothing", 0),
        ("sigint twice", 130, "part", "interrupted", "unsettled", "look", 0),
        ("sigterm", 0, "whole", "complete", "billed", "nothing", 0),
        ("sighup", 0, "whole", "complete", "billed", "nothing", 0),
        ("reader gone", 141, "whole", "complete", "billed", "nothing", 0),
        ("disk full", 0, "whole", "complete", "billed", "next start", 1),
        ("bug", 1, "part", "interrupted", "unsettled", "report", 2),
    ],
    "printed": [
        ("kill", -9, "whole", "complete", "billed", "nothing", 0),
        ("sigint", 0, "whole", "complete", "billed", "nothing", 0),
        ("sigterm", 0, "whole", "complete", "billed", "nothing", 0),
        ("sighup", 0, "whole", "complete", "billed", "nothing", 0),
        ("reader gone", 141, "whole", "complete", "billed", "nothing", 0),
        ("stdout full", 9, "whole", "complete", "billed", "show", 2),
        ("bug", 1, "whole", "complete", "billed", "report", 2),
    ],
}
_QUICK = {
    ("before", "replaced"),
    ("waiting", "503 once"),
    ("middle", "disk full"),
    ("middle", "kill"),
    ("middle", "sigterm"),
    ("storing", "bug"),
    ("storing", "sigint twice"),
    ("printed", "reader gone"),
}

CELLS = [Cell(point, *row, (point, row[0]) in _QUICK) for point, rows in _ROWS.items() for row in rows]
