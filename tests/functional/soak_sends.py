"""Thousands of `send` processes, a few at a time, with faults of all kinds that chance chooses; and what was seen of them."""

import json
import os
import queue
import random
import resource
import select
import signal
import sqlite3
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field

from .fork_server import exit_code
from .money_service import BY_HOUR, BY_SIZE, CHEAP, DEAR, OTHER_CAP, THINKS, WITH_FEE, Behaviour

AT_A_TIME = 5
PATIENCE_S = 120
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STRIKES = (*SIGNALS, "twice", "reader gone")
NOT_LOGGED = "nobody-keeps-this"
# See `fault_rig`: files of this size hold little more than the head of a log.
SMALL_FILE = 8192
_MODELS = (CHEAP, CHEAP, CHEAP, DEAR, BY_SIZE, BY_HOUR, WITH_FEE, OTHER_CAP, THINKS)
_REFUSALS = (400, 401, 402, 500)


@dataclass
class Send:
    """One invocation: how the service answers its requests, what is done to the process, and how it ended.

    `strike` comes `delay` seconds after the start, the request or the first text, by `moment`. `arrivals` are the times at
    which text came on stdout, each with all that there was by then.
    """

    name: str
    words: list
    behaviours: list
    strike: object = None
    moment: str = "start"
    delay: float = 0.0
    stdout: str = "pipe"
    posted: threading.Event = field(default_factory=threading.Event)
    code: int | None = None
    out: bytes = b""
    err: str = ""
    struck_at: float | None = None
    arrivals: list = field(default_factory=list)

    @property
    def is_logged(self):
        return "--no-log" not in self.words

    @property
    def is_json(self):
        return "--json" in self.words

    @property
    def shown(self):
        """The text on stdout."""
        if not self.is_json:
            return self.out.decode().removesuffix("\n")
        # An object that was cut in the middle tells nothing.
        return json.loads(self.out)["content"] if self.out.endswith(b"}\n") else ""


def random_sends(seed, count):
    """The same seed makes the same ones."""
    rng = random.Random(seed)
    return [_random_send(rng, f"job-{number:05d}") for number in range(count)]


def _random_send(rng, name):
    send = Send(name, _random_words(rng, name), _random_behaviours(rng))
    if rng.random() < 0.3:
        send.strike = rng.choice(STRIKES)
        send.moment = rng.choice(("start", "request", "text", "text"))
        send.delay = rng.choice((0.0, rng.uniform(0.0, 0.1)))
        if send.moment == "text" or rng.random() < 0.5:
            thoughts, in_one, in_full = rng.choice((0, 3)), rng.choice((1, 4)), rng.random() < 0.5
            send.behaviours = [
                Behaviour(tokens=60, thoughts=thoughts, pause=0.01, in_one=in_one, in_full=in_full, names_job=True)
            ]
    elif rng.random() < 0.03:
        send.stdout = "full"
    elif rng.random() < 0.04:
        send.strike, send.moment, send.delay = "disk full", "request", 0.0
    return send


def _random_words(rng, name):
    words = ["send", "-m", rng.choice(_MODELS), "--tag", name, "--idle-timeout", "1", "--timeout", "2"]
    words += ["--retry-for", rng.choice(("0", "0", "0", "3"))]
    if rng.random() < 0.3:
        words += ["--max-cost", rng.choice(("0.0008", "0.002", "0.01"))]
    if rng.random() < 0.3:
        words += ["--max-tokens", rng.choice(("16", "50", "200"))]
    if rng.random() < 0.1:
        words += ["--json"]
    if rng.random() < 0.08:
        words += ["--no-stream"]
    kind, text = rng.random(), "tell me"
    if kind < 0.1:
        words, text = [*words, "--no-log"], NOT_LOGGED
    elif kind < 0.22:
        words += ["-c"]
    elif kind < 0.3:
        words += ["--resume", "?"]
    return [*words, f"{name} {text}"]


def _random_behaviours(rng):
    kind = rng.choices(("quick", "slow", "capped", "broken", "refused", "once"), (45, 8, 8, 20, 7, 6))[0]
    thoughts, in_full = rng.choice((0, 0, 0, 3)), rng.random() < 0.5
    good = Behaviour(tokens=rng.randint(1, 60), thoughts=thoughts, in_full=in_full, names_job=True)
    if kind == "refused":
        return [Behaviour(status=rng.choice(_REFUSALS))]
    if kind == "once":
        wait = 1 if rng.random() < 0.1 else None
        return [Behaviour(status=rng.choice((429, 503)), retry_after=wait), good]
    if kind == "slow":
        return [
            Behaviour(tokens=40, pause=0.01, in_one=2, in_full=in_full, names_job=True, tells_cost=rng.random() < 0.7)
        ]
    if kind == "capped":
        return [Behaviour(in_full=in_full, names_job=True)]
    if kind == "broken":
        ending = rng.choice(
            ("error", "cut", "cut", "reset", "ended", "garbage", *(["silence"] if rng.random() < 0.3 else []))
        )
        return [
            Behaviour(
                ending=ending, ends_after=rng.choice((0, 1, 30)), thoughts=thoughts, in_full=in_full, names_job=True
            )
        ]
    return [good]


class Soak:
    """Runs sends with `AT_A_TIME` threads. Meanwhile others hold the database now and then."""

    def __init__(self, service, server, database, seed):
        self._service, self._server, self._database = service, server, database
        self._by_name = {}
        self._over = threading.Event()
        self._rng = random.Random(seed)
        service.behave = self._behave

    def run(self, sends):
        self._by_name = {send.name: send for send in sends}
        waiting = queue.SimpleQueue()
        for send in sends:
            waiting.put(send)
        failures = []

        def work():
            with suppress(queue.Empty):
                while not failures:
                    send = waiting.get_nowait()
                    try:
                        self._run(send)
                    except Exception as error:
                        failures.append((send, error))

        holder = threading.Thread(target=self._hold_now_and_then)
        workers = [threading.Thread(target=work) for _ in range(AT_A_TIME)]
        for thread in (holder, *workers):
            thread.start()
        for thread in workers:
            thread.join()
        self._over.set()
        holder.join()
        assert failures == []
        self._service.wait_until_idle()

    def _behave(self, name):
        send = self._by_name[name]
        send.posted.set()
        return send.behaviours.pop(0) if len(send.behaviours) > 1 else send.behaviours[0]

    def _hold_now_and_then(self):
        """Hold the database, mostly for a moment, and let nobody remember for long that the service is in trouble."""
        while not self._over.wait(self._rng.uniform(1, 4)):
            held = 6.5 if self._rng.random() < 0.03 else self._rng.uniform(0, 0.5)
            with closing(sqlite3.connect(self._database, isolation_level=None, timeout=30)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("DELETE FROM circuits")
                self._over.wait(held)
                connection.execute("COMMIT")

    def _run(self, send):
        self._choose_conversation(send)
        reader, writer = os.pipe()
        if send.stdout == "full":
            os.close(writer)
            writer = os.open("/dev/full", os.O_WRONLY)
        nothing, errors = os.open(os.devnull, os.O_RDONLY), os.memfd_create("stderr")
        pid, connection = self._server.start(send.words, nothing, writer, errors)
        for descriptor in (nothing, writer):
            os.close(descriptor)
        _Watch(send, pid, reader, connection).until_the_end()
        send.code = exit_code(connection)
        send.err = os.pread(errors, 1 << 20, 0).decode()
        os.close(errors)

    def _choose_conversation(self, send):
        if "?" not in send.words:
            return
        with closing(sqlite3.connect(self._database, timeout=30)) as connection:
            rows = connection.execute(
                "SELECT conversation_id FROM messages WHERE status IN ('interrupted', 'cut') ORDER BY created_at DESC LIMIT 30"
            ).fetchall()
        place = send.words.index("?")
        send.words[place - 1 : place + 1] = ["--resume", self._rng.choice(rows)[0]] if rows else []


class _Watch:
    """Reads what a process prints, and strikes when the time has come."""

    def __init__(self, send, pid, reader, connection):
        self._send, self._pid, self._reader, self._connection = send, pid, reader, connection
        self._strike_at = None
        self._struck = send.strike is None

    def until_the_end(self):
        deadline = time.monotonic() + PATIENCE_S
        begun = time.monotonic()
        while True:
            assert time.monotonic() < deadline, self._send
            self._look_at_the_time(begun)
            watched = [self._connection] + ([] if self._reader is None else [self._reader])
            readable, _, _ = select.select(watched, [], [], 0.2 if self._struck else 0.005)
            if self._reader in readable:
                self._read()
            elif self._connection in readable:
                break
        self._close()

    def _look_at_the_time(self, begun):
        send, now = self._send, time.monotonic()
        if self._struck:
            return
        if self._strike_at is None:
            has_come = {"start": True, "request": send.posted.is_set(), "text": bool(send.out)}[send.moment]
            self._strike_at = now + send.delay if has_come else None
        if self._strike_at is not None and now >= self._strike_at:
            self._struck = True
            self._strike()

    def _strike(self):
        send = self._send
        send.struck_at = time.monotonic()
        if send.strike == "reader gone":
            self._close()
        elif send.strike == "disk full":
            with suppress(ProcessLookupError):
                resource.prlimit(self._pid, resource.RLIMIT_FSIZE, (SMALL_FILE, SMALL_FILE))
        elif not self._has_ended():
            # Until its status is read here, nobody else gets its number.
            with suppress(ProcessLookupError):
                if send.strike == "twice":
                    self._interrupt_twice()
                else:
                    os.kill(self._pid, send.strike)

    def _interrupt_twice(self):
        os.kill(self._pid, signal.SIGINT)
        if not select.select([self._connection], [], [], 0.12)[0]:
            os.kill(self._pid, signal.SIGINT)

    def _has_ended(self):
        return bool(select.select([self._connection], [], [], 0)[0])

    def _read(self):
        block = os.read(self._reader, 1 << 16)
        if not block:
            self._close()
            return
        self._send.out += block
        self._send.arrivals.append((time.monotonic(), len(self._send.out)))

    def _close(self):
        if self._reader is not None:
            os.close(self._reader)
            self._reader = None
