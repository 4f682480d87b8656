"""Pipes that are full, as the writer sees them."""

import fcntl
import io
import os
import select
import socket
import threading

import pytest

from neuralterm.components.pipe import NobodyReadsError, Outlet, flush_or_silence, silence

# More than any pipe holds by default.
LONG = "a line of text that is long enough: äöü\n" * 5000


@pytest.fixture
def pipe():
    """A text stream into a pipe, and the descriptor of its other end."""
    theirs, ours = os.pipe()
    with open(ours, "w", encoding="utf-8", newline="\n") as stream:
        yield stream, theirs
        silence(stream)
    os.close(theirs)


def read_all(descriptor, size):
    blocks = []
    while size > 0:
        blocks.append(os.read(descriptor, 4096))
        size -= len(blocks[-1])
    return b"".join(blocks)


@pytest.mark.parametrize("blocking", [True, False])
def test_a_long_text_comes_whole(pipe, blocking):
    stream, theirs = pipe
    os.set_blocking(stream.fileno(), blocking)
    writer = threading.Thread(target=Outlet.behind(stream, lambda: False).write, args=[LONG])
    writer.start()
    assert read_all(theirs, len(LONG.encode())) == LONG.encode()
    writer.join()


def test_who_is_told_to_end_does_not_wait_for_a_reader(pipe):
    stream, theirs = pipe
    outlet = Outlet.behind(stream, lambda: True)
    outlet.write("short")
    with pytest.raises(NobodyReadsError):
        outlet.write(LONG)
    size = fcntl.fcntl(theirs, fcntl.F_GETPIPE_SZ)
    assert b"short" + LONG.encode()[: size // 2] in os.read(theirs, size)
    stream.flush()  # nothing is left that could wait


def test_a_reader_that_is_gone_is_an_error_at_once(pipe):
    stream, theirs = pipe
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), theirs)
    with pytest.raises(BrokenPipeError):
        Outlet.behind(stream, lambda: False).write(LONG)
    flush_or_silence(stream)
    stream.flush()


def test_what_never_waits_for_a_reader_has_no_outlet(tmp_path):
    with open(tmp_path / "file", "w") as file:
        assert Outlet.behind(file, lambda: False) is None
    assert Outlet.behind(io.StringIO(), lambda: False) is None
    assert Outlet.behind(file, lambda: False) is None


class _Unwritten(io.TextIOWrapper):
    """Must not be written to: an outlet does that itself."""

    def write(self, text):
        raise AssertionError(text)


@pytest.mark.parametrize("write_through", [False, True], ids=["buffered", "unbuffered"])
def test_a_text_is_written_by_pages_and_a_short_one_at_once(write_through):
    text = "äöü€ and 😀\n" * 1000
    ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)  # keeps what was written apart
    with ours, theirs:
        ours.setblocking(False)
        stream = _Unwritten(ours.makefile("wb", buffering=0), "utf-8", newline="\n", write_through=write_through)
        outlet = Outlet.behind(stream, lambda: False)
        outlet.write("short\n")
        assert theirs.recv(100_000) == b"short\n"
        writer = threading.Thread(target=outlet.write, args=[text])
        writer.start()
        parts = [theirs.recv(100_000)]
        while sum(map(len, parts)) < len(text.encode()):
            parts.append(theirs.recv(100_000))
        writer.join()
    assert "".join(part.decode() for part in parts) == text  # no part ends within a character
    assert len(parts) == -(-len(text.encode()) // select.PIPE_BUF)
