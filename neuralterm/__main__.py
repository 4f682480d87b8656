"""`python -m neuralterm`, and the entry point of the console script."""

import atexit
import gc
import os
import sys

_SIGINT = 130  # as `cli.exit_codes` has it, which is not there yet
_LARGEST_OWN_CODE = 128  # exit codes above are those of signals
# Objects, more than the start of any command makes: what is imported stays, and to look for garbage in it again and again
# finds none. Python's own number is 700.
_GARBAGE_THRESHOLD = 100_000


def main() -> None:
    """Run the command line and end the process with its exit code."""
    gc.set_threshold(_GARBAGE_THRESHOLD)
    try:
        _occupy_closed_descriptors()
        from neuralterm.cli.signals import end_process, handle_signals

        # Until the command line deals with them itself, and when it has ended: while the interpreter takes itself apart, an
        # exception would be shown.
        handle_signals(end_process)
        from neuralterm.cli.root import cli

        cli(prog_name="neuralterm")
    except KeyboardInterrupt:  # before anybody else was there to deal with it
        os._exit(_SIGINT)
    except SystemExit as end:
        if isinstance(end.code, int):
            _end_at_once(end.code)
        raise


def _end_at_once(code: int) -> None:
    """End the process without taking the interpreter apart, which takes as long as a third of its start.

    All is written and closed by now, and nobody waits for threads, such as one that looks up a name. Returns where the
    interpreter has to end by itself: when a tracer or a profiler watches, and when its output can't be written.
    """
    if code <= _LARGEST_OWN_CODE:
        if sys.gettrace() is not None or sys.getprofile() is not None:
            return
        atexit._run_exitfuncs()
        try:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
        except (OSError, ValueError):
            return
    os._exit(code)


def _occupy_closed_descriptors() -> None:
    """Put nothing in the place of standard streams that are closed, so that no file of ours gets their numbers.

    What is written to stderr, by a library for one, would go into the database.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest number that is free


if __name__ == "__main__":
    main()
