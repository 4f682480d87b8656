"""Processes that live, are killed, and whose ids are given anew."""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from neuralterm.infrastructure.processes import Elsewhere, ProcessTable

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

# The program's name has all that makes /proc/PID/stat hard to read.
CHILD = """
import sys
from neuralterm.infrastructure.processes import ProcessTable
open("/proc/self/comm", "w").write("a) Z (b 1 2")
print(ProcessTable().me(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def child():
    process = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield SimpleNamespace(name=process.stdout.readline().strip(), process=process)
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def changed(name, **parts):
    names = ("host", "boot", "namespace", "pid", "start")
    return "/".join((dict(zip(names, name.split("/"), strict=True)) | parts).values())


@linux_only
def test_this_process_lives_and_has_one_name():
    table = ProcessTable()

    assert table.me() == table.me() == ProcessTable().me()
    assert table.may_live(table.me())
    assert table.me().split("/")[3] == str(os.getpid())


@linux_only
def test_a_fork_has_a_name_of_its_own():
    table = ProcessTable()
    mine = table.me()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writing, table.me().encode())
        os._exit(0)
    os.waitpid(pid, 0)
    name = os.read(reading, 1000).decode()
    os.close(reading)
    os.close(writing)

    assert name.split("/")[3] == str(pid)
    assert name != mine
    assert not table.may_live(name)


@linux_only
def test_a_killed_process_has_ended_before_and_after_its_parent_knows(child):
    table = ProcessTable()
    assert table.may_live(child.name)

    child.process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, child.process.pid, os.WEXITED | os.WNOWAIT)  # dead, and a zombie until somebody asks
    assert not table.may_live(child.name)

    child.process.wait()
    assert not table.may_live(child.name)


@linux_only
def test_an_id_that_is_used_again_is_another_process(child):
    table = ProcessTable()

    assert not table.may_live(changed(child.name, start="1"))
    assert not table.may_live(changed(child.name, boot="an-earlier-one"))


@linux_only
def test_what_can_not_be_seen_from_here_may_live(child):
    table = ProcessTable()
    child.process.kill()
    child.process.wait()

    assert not table.may_live(child.name)
    assert table.may_live(changed(child.name, host="elsewhere"))
    assert table.may_live(changed(child.name, host="elsewhere", boot="another"))
    assert table.may_live(changed(child.name, namespace="pid:[1]"))
    assert table.may_live(changed(child.name, boot="-"))


@linux_only
@pytest.mark.parametrize("pid", ["", "0", "-1", "one", "99999999999999", "4294967297", "\u0663"])
def test_a_name_that_makes_no_sense_may_live(pid):
    table = ProcessTable()

    assert table.may_live(changed(table.me(), pid=pid))
    assert table.may_live("")
    assert table.may_live(f"{table.me()}/more")
    assert table.may_live("host/boot/1/2")


@linux_only
def test_a_name_without_a_start_lives_as_long_as_its_id(child):
    table = ProcessTable()
    name = changed(child.name, start="-")
    assert table.may_live(name)

    child.process.kill()
    child.process.wait()
    assert not table.may_live(name)


class FakePsutil:
    STATUS_ZOMBIE = "zombie"

    class Error(Exception):
        pass

    class NoSuchProcess(Error):  # noqa: N818 - as in psutil
        pass

    class AccessDenied(Error):  # noqa: N818 - as in psutil
        pass

    def __init__(self, known):
        self.known = known

    def Process(self, pid):  # noqa: N802 - as in psutil
        found = self.known.get(pid, self.NoSuchProcess)
        if not isinstance(found, tuple):
            raise found
        return SimpleNamespace(status=lambda: found[1], create_time=lambda: found[0])


def test_elsewhere_a_process_is_known_by_its_start():
    psutil = FakePsutil({os.getpid(): (1795435200.25, "running"), 7: (1795435201.5, "sleeping")})
    table = ProcessTable(Elsewhere(psutil))
    other = changed(table.me(), pid="7", start="1795435201.50")

    assert table.me().endswith(f"/-/-/{os.getpid()}/1795435200.25")
    assert table.may_live(table.me())
    assert table.may_live(other)
    psutil.known[7] = FakePsutil.AccessDenied
    assert table.may_live(other)
    for gone in ((1795435201.5, "zombie"), (1795439999.0, "running"), FakePsutil.NoSuchProcess):
        psutil.known[7] = gone
        assert not table.may_live(other)
    assert table.may_live(changed(other, host="another"))
