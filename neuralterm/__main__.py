"""`python -m neuralterm`, and the entry point of the console script."""

import os

_SIGINT = 130  # as `cli.exit_codes` has it, which is not there yet
_LARGEST_OWN_CODE = 128  # exit codes above are those of signals


def main() -> None:
    """Run the command line and end the process with its exit code."""
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
        # All is written and closed. To take the interpreter apart takes longer than what a signal made us do, and it waits for
        # threads, such as one that looks up a name.
        if isinstance(end.code, int) and end.code > _LARGEST_OWN_CODE:
            os._exit(end.code)
        raise


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
