"""Streams that go wrong, against a process of its own: exit code, what is said and kept, and how much memory it took."""

import subprocess
import sys
import zlib
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from .stand_in import text

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak of a process is read from /proc"),
]
MEGABYTE = 1 << 20


def begin(exchange, *headers, media_type="text/event-stream"):
    lines = ["HTTP/1.1 200 OK", f"Content-Type: {media_type}", "X-Generation-Id: gen-head", *headers]
    exchange.send("\r\n".join([*lines, "Connection: close", "", ""]).encode())


def flood(*first, block, headers=(), media_type="text/event-stream"):
    """Begin an answer, then send a block again and again until the client hangs up."""

    def script(exchange):
        with suppress(ConnectionError):
            begin(exchange, *headers, media_type=media_type)
            for data in first:
                exchange.send(data)
            while True:
                exchange.send(block)

    return script


def bomb(beginning, filling, times):
    """Send few megabytes that unfold to `times` the filling, without ever ending."""

    def script(exchange):
        packer = zlib.compressobj(zlib.Z_BEST_SPEED, wbits=31)
        packed = packer.compress(beginning) + b"".join(packer.compress(filling) for _ in range(times))
        flood(packed + packer.flush(zlib.Z_SYNC_FLUSH), block=b"\0", headers=["Content-Encoding: gzip"])(exchange)

    return script


BE = b'data: {"id":"gen-1","choices":[{"delta":{"content":"Be"}}]}\n\n'
SCRIPTS = {
    "an endless line": (flood(BE, block=b"x" * MEGABYTE), 9, "Be", 16),
    "an endless comment": (flood(BE, b": ", block=b"x" * MEGABYTE), 9, "Be", 16),
    "an endless event": (flood(BE, b"data: ", block=b"x" * MEGABYTE), 9, "Be", 100),
    "an endless event of lines": (flood(BE, block=b"data: x\n" * 10_000), 9, "Be", 400),
    "an endless event of empty lines": (flood(BE, block=b"data\n" * 10_000), 9, "Be", 250),
    "endless comments": (flood(BE, block=b": ping" + b" " * 60_000 + b"\n\n"), 9, "Be", 16),
    "endless padding": (flood(block=b" " * MEGABYTE, media_type="application/json"), 9, "", 16),
    "an endless document": (flood(b'{"x":"', block=b"x" * MEGABYTE, media_type="application/json"), 9, "", 100),
    "an endless web page": (flood(b"<html>", block=b"x" * MEGABYTE, media_type="text/html"), 6, "", 16),
    "an endless head": (lambda exchange: exchange.send(b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 400_000), 8, "", 16),
    "a bomb of comments": (bomb(BE + b": ", bytes(MEGABYTE), 500), 9, "Be", 16),
    "a bomb of data": (bomb(BE + b"data: ", b"x" * MEGABYTE, 500), 9, "Be", 100),
    "an event of many objects": (
        flood(b'data: {"x":[' + b"{}," * 10_000_000 + b"{}]}\n\n", block=b"x" * MEGABYTE),
        9,
        "",
        1000,
    ),
    "an event of many digits": (
        flood(b'data: {"x":' + b"1" * 30_000_000 + b"}\n\n", block=b"x" * MEGABYTE),
        9,
        "",
        250,
    ),
    "an event of deep nesting": (flood(b"data: " + b"[" * 30_000_000 + b"\n\n", block=b"x" * MEGABYTE), 9, "", 250),
}


@dataclass
class Ended:
    code: int
    megabytes: float
    out: bytes
    err: bytes = field(repr=False)


# The system's count for a child would begin with the size of this process.
LAUNCH = """
import atexit
import sys
from neuralterm.__main__ import main
peak = sys.argv.pop(1)
@atexit.register
def note():
    with open("/proc/self/status") as status, open(peak, "w") as file:
        file.write(next(line.split()[1] for line in status if line.startswith("VmHWM")))
main()
"""


@pytest.fixture
def ended(tmp_path):
    """Run a command line to its end, and measure the most memory that it held."""

    def ended(*args):
        command = [sys.executable, "-c", LAUNCH, str(tmp_path / "peak"), *args]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        kilobytes = int((tmp_path / "peak").read_text())
        return Ended(done.returncode, kilobytes / 1024, done.stdout, done.stderr)

    return ended


@pytest.fixture
def usual(ended, service):
    service.scripts = [text("Be")]
    return ended("send", "hi").megabytes


@pytest.mark.parametrize("case", SCRIPTS.values(), ids=SCRIPTS)
def test_no_stream_fills_the_memory(service, ended, usual, case, stored):
    script, code, kept, most = case
    service.scripts = [script]
    result = ended("send", "hi", "--retry-for", "0")
    assert result.code == code
    assert result.out == (kept + "\n").encode() if kept else not result.out
    assert b"Traceback" not in result.err
    assert result.megabytes - usual < most
    ((content,),) = stored("SELECT content FROM messages WHERE role = 'assistant' ORDER BY created_at DESC LIMIT 1")
    assert content == kept


def test_large_pieces_arrive(service, ended, usual, stored):
    pieces = ["x" * 8 * MEGABYTE, "é" * 4 * MEGABYTE, "\U0001f600" * 2 * MEGABYTE]
    service.scripts = [text(*pieces)]
    result = ended("send", "hi")
    assert (result.code, result.out) == (0, "".join(pieces).encode() + b"\n")
    assert result.megabytes - usual < 800
