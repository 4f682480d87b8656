"""The processes of this machine, by names that are not used twice."""

from __future__ import annotations

import os
import sys
from typing import Any, Protocol

# What stands in a name for a part that can't be told here.
_UNKNOWN = "-"
_LARGEST_PID = 2**31 - 1


class System(Protocol):
    """How a kind of operating system tells processes apart."""

    def place(self) -> tuple[str, str, str]:
        """Return the names of this host, of the time since it started, and of the part of it whose processes are seen."""

    def start_of(self, pid: int) -> str | None:
        """Return when a process began; `-` for one that is there but can't be looked at, None when it has ended."""


class ProcessTable:
    """Names processes `host/boot/namespace/pid/start`: a process id is given anew, with its start time it is not."""

    def __init__(self, system: System | None = None) -> None:
        self._system = system or _this_system()
        self._place: tuple[str, str, str] | None = None
        self._me: tuple[int, str] | None = None

    def me(self) -> str:
        """Return the name of this process."""
        pid = os.getpid()
        if self._me is None or self._me[0] != pid:  # a fork has an id of its own
            start = self._system.start_of(pid) or _UNKNOWN
            self._me = pid, "/".join((*self._here(), str(pid), start))
        return self._me[1]

    def may_live(self, name: str) -> bool:
        """Return False only for a process that has ended for certain.

        One of another host may live, and one of another container; all of them end when their host is started anew.
        """
        parts = name.split("/")
        pid = _pid(parts[3]) if len(parts) == 5 else None
        if pid is None:
            return True
        (host, boot, namespace), start = self._here(), parts[4]
        if parts[0] != host:
            return True
        if parts[1] != boot:
            return _UNKNOWN in (parts[1], boot)
        if parts[2] != namespace:
            return True
        found = self._system.start_of(pid)
        return found is not None and (found == start or _UNKNOWN in (found, start))

    def _here(self) -> tuple[str, str, str]:
        if self._place is None:
            host, boot, namespace = (part.replace("/", "_") or _UNKNOWN for part in self._system.place())
            self._place = host, boot, namespace
        return self._place


class Linux:
    """Processes by what the kernel tells under `/proc`."""

    def place(self) -> tuple[str, str, str]:
        """Return host name, boot id and pid namespace."""
        try:
            namespace = os.readlink("/proc/self/ns/pid")
        except OSError:
            namespace = _UNKNOWN
        boot = _read("/proc/sys/kernel/random/boot_id") or b"-"
        return os.uname().nodename, boot.decode("ascii", "replace").strip(), namespace

    def start_of(self, pid: int) -> str | None:
        """Return the start time in clock ticks since boot; a zombie has ended."""
        stat = _read(f"/proc/{pid:d}/stat")
        if not stat:
            return _UNKNOWN if _answers(pid) else None
        # Before it stands the name of the program in parentheses, which may hold spaces and parentheses itself.
        fields = stat[stat.rindex(b")") + 1 :].split()
        state, start = fields[0], fields[19]
        return None if state in b"ZXx" else start.decode("ascii")


class Elsewhere:
    """Processes by what psutil tells; start times are of the calendar, so that no boot has to be told from another."""

    def __init__(self, psutil: Any) -> None:
        self._psutil = psutil

    def place(self) -> tuple[str, str, str]:
        """Return the host name only."""
        import socket

        return socket.gethostname(), _UNKNOWN, _UNKNOWN

    def start_of(self, pid: int) -> str | None:
        """Return the start time in seconds since 1970; a zombie has ended."""
        try:
            process = self._psutil.Process(pid)
            if process.status() == self._psutil.STATUS_ZOMBIE:
                return None
            return f"{process.create_time():.2f}"
        except self._psutil.NoSuchProcess:
            return None
        except self._psutil.Error:
            return _UNKNOWN


def _this_system() -> System:
    if sys.platform != "linux":
        import psutil

        return Elsewhere(psutil)
    return Linux()


def _read(path: str) -> bytes:
    """Return a small file, empty where it can't be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(descriptor, 4096)
    except OSError:  # the process ended in between
        return b""
    finally:
        os.close(descriptor)


def _answers(pid: int) -> bool:
    """Say whether there is a process of this id, one of another user that `/proc` hides included."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _pid(text: str) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        return None
    return int(text) if 0 < int(text) <= _LARGEST_PID else None
