"""How the process ends: at once, and with nothing lost."""

import subprocess
import sys

import pytest

START = """
import atexit, os, sys, threading
from neuralterm.__main__ import main
"""


def run(preparation, *args):
    command = [sys.executable, "-c", f"{START}{preparation}\nmain()", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize(("word", "code"), [("--version", 0), ("--unknown", 2)])
def test_a_thread_is_not_waited_for(word, code):
    done = run("threading.Thread(target=threading.Event().wait).start()", word)
    assert done.returncode == code


def test_what_was_registered_for_the_end_is_done_and_its_output_written():
    done = run("atexit.register(print, 'at the end')", "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\nat the end\n")


def test_output_that_can_not_be_written_at_the_end_is_told_as_the_interpreter_does(monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    full = "atexit.register(os.dup2, os.open('/dev/full', os.O_WRONLY), 1)"
    done = run(f"atexit.register(sys.stdout.write, 'lost')\n{full}", "--version")
    assert done.returncode == 120


def test_who_watches_the_program_sees_its_end():
    """The end of the interpreter empties the main module; an end at once does not get there."""
    watch = """
class Kept:
    def __del__(self, write=os.write):
        write(1, b"taken apart")
kept = Kept()
"""
    assert "taken apart" not in run(watch, "--version").stdout
    assert "taken apart" in run(f"{watch}\nsys.setprofile(lambda *seen: None)", "--version").stdout
