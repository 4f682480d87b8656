"""What must hold after a soak: of each answer, of each request, and of every cent."""

import sqlite3
import traceback
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from .money_storm import Books, pico
from .soak_sends import NOT_LOGGED

# What `kill -9` may take away, and what a busy machine may add to it between two steps of a process (seconds).
PROMISED_S, LOADED_MACHINE_S = 0.25, 1.0
_BY_SIGNAL = {"interrupted", "complete", "truncated", "stopped", "cut", "failed", None}
# None: there was no request.
STATUSES = {
    0: {"complete"},
    2: {None},
    3: {"failed", None},
    4: {None},
    5: {"stopped"},
    6: {"failed"},
    7: {"failed"},
    8: {"failed", None},
    9: {"cut", "failed"},
    10: {"truncated"},
    11: {None},
    **dict.fromkeys((129, 130, 141, 143, -9), _BY_SIGNAL),
    # It came before there was a handler.
    **{code: {None} for code in (-1, -2, -15)},
}

_WRONG_TOTALS = """
    SELECT c.id, c.total_cost, c.total_tokens, total(m.cost), total(m.total_tokens)
    FROM conversations AS c LEFT JOIN messages AS m ON m.conversation_id = c.id
    GROUP BY c.id HAVING c.total_cost <> total(m.cost) OR c.total_tokens <> total(m.total_tokens)
"""


@dataclass
class Row:
    """A call, with the message that it was for, as far as that is kept."""

    call: dict
    content: str | None
    reasoning: str | None
    message_status: str | None


class SoakBooks:
    """The database beside what the service did and what was seen of the processes."""

    def __init__(self, service, data_dir, sends, key):
        self._service, self._sends, self._key = service, sends, key
        self._data_dir = Path(data_dir)
        self._works = defaultdict(list)
        for work in service.works:
            self._works[work.job].append(work)
        self._posts = defaultdict(int)
        for body in service.posts:
            self._posts[body["messages"][-1]["content"].split()[0]] += 1
        self.lost_letters = 0

    def rows(self):
        """Return the calls of each send, in order, by its name."""
        columns = ("id", "status", "source", "cost", "at_most", "generation_id", "error_code", "owner", "started_at")
        sql = f"""
            SELECT t.tag, m.content, m.reasoning, m.status, {", ".join(f"c.{name}" for name in columns)}
            FROM calls AS c JOIN call_tags AS t ON t.call_id = c.id LEFT JOIN messages AS m ON m.id = c.message_id
            ORDER BY c.started_at, c.rowid
        """
        rows = defaultdict(list)
        with closing(sqlite3.connect(self._data_dir / "neuralterm.db")) as connection:
            for tag, content, reasoning, status, *values in connection.execute(sql):
                rows[tag].append(Row(dict(zip(columns, values, strict=True)), content, reasoning, status))
        return rows

    def check_each(self):
        rows = self.rows()
        wrong = []
        for send in self._sends:
            for check in (self._check_code, self._check_requests, self._check_text, self._check_stderr):
                try:
                    check(send, rows[send.name])
                except AssertionError:
                    wrong.append((traceback.format_exc(limit=-1), send, rows[send.name]))
        shown = "\n\n".join("\n".join(map(str, each)) for each in wrong[:10])
        assert wrong == [], f"{len(wrong)} wrong, the first:\n{shown}"

    def _check_code(self, send, rows):
        status = rows[-1].call["status"] if rows else None
        assert send.code in STATUSES, send.code
        undelivered = send.stdout == "full" and send.code == 9
        assert undelivered or status in STATUSES[send.code], (send.code, status)
        if send.code > 128 or send.code < 0:
            assert send.struck_at is not None, send.code
        kept = rows[-1].message_status if rows else None
        assert kept in (status, None) or status == "failed", (kept, status)

    def _check_requests(self, send, rows):
        """Each request has one row; a row without a request is that of one that was never made."""
        refused_here = [row for row in rows if row.call["error_code"] in ("CIRCUIT_OPEN", "ASKED_TO_WAIT")]
        made, posts = len(rows) - len(refused_here), self._posts[send.name]
        assert posts <= made, (posts, made)
        if send.struck_at is None or send.strike == "disk full":
            assert posts == made, (posts, made)
        else:
            assert made - posts <= 1, (posts, made)
        for row in rows:
            assert row.call["owner"] is None
            assert row.call["status"] != "pending"
        # What has begun to come is not asked for again.
        assert sum(1 for work in self._works[send.name] if work.sent or work.thought) <= 1

    def _check_text(self, send, rows):
        if not send.is_logged:
            assert all(row.content is None for row in rows)
            return
        kept = (rows[-1].content or "") if rows else ""
        work = next((work for work in self._works[send.name] if work.sent or work.thought), None)
        sent = work.sent if work is not None else ""
        assert sent.startswith(kept), (sent, kept)
        if send.code == 0:
            assert kept == sent, (sent, kept)
            assert send.shown == sent.rstrip("\n"), (sent, send.shown)
            assert (rows[-1].reasoning or "") == work.thought
        elif kept and work is not None:
            # Thoughts come first.
            assert (rows[-1].reasoning or "") == work.thought, (rows[-1].reasoning, work.thought)
        self._check_shown(send, kept)

    def _check_shown(self, send, kept):
        """What was seen is kept, but for what came in the last moment of a process that was killed."""
        shown = send.shown
        if kept.startswith(shown):
            return
        assert send.code == -9 or send.strike == "twice", (shown, kept)
        assert shown.startswith(kept), (shown, kept)
        early = max(
            (size for at, size in send.arrivals if at < send.struck_at - PROMISED_S - LOADED_MACHINE_S), default=0
        )
        assert len(kept) >= early, (early, shown, kept)
        self.lost_letters += len(shown) - len(kept)

    def _check_stderr(self, send, rows):
        assert "Traceback" not in send.err, send.err
        assert "unexpected fault" not in send.err, send.err
        assert self._key not in send.err

    def check_money(self, run):
        """Every charge is in the ledger to the last digit, once the service has been asked."""
        books = Books(self._service, self._data_dir)
        books.assert_covering()
        result = run("cost", "reconcile", "--wait", "20", "--limit", str(10 * len(self._sends)), "--json")
        assert result.code == 0, result.err
        books.assert_each_generation_once()
        books.assert_settled()
        books.assert_covering()
        self._check_charges()
        return books

    def _check_charges(self):
        rows = self.rows()
        for charge in self._service.bill.charges:
            generation_id, usd = charge.work.generation_id, pico(charge.usd)
            found = [row.call for row in rows[charge.job] if row.call["generation_id"] == generation_id]
            if found:
                assert [call["cost"] for call in found] == [usd], (charge, found)
                continue
            # It died, or was cut off, before the service had named it.
            nameless = [row.call for row in rows[charge.job] if row.call["generation_id"] is None]
            assert any(call["source"] == "unsettled" and call["at_most"] >= usd for call in nameless), (
                charge,
                nameless,
            )

    def check_files(self):
        with closing(sqlite3.connect(self._data_dir / "neuralterm.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("SELECT count(*) FROM messages WHERE status = 'pending'").fetchone() == (0,)
            assert connection.execute(_WRONG_TOTALS).fetchall() == []
        spooled = list(self._data_dir.glob("neuralterm.db-spool/*"))
        assert spooled == []
        names = {path.name for path in self._data_dir.iterdir()}
        assert names <= {"neuralterm.db", "neuralterm.db-spool"}, names
        content = (self._data_dir / "neuralterm.db").read_bytes()
        assert self._key.encode() not in content
        assert NOT_LOGGED.encode() not in content
