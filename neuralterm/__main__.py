"""`python -m neuralterm`, and the entry point of the console script."""

import sys

_SIGINT = 130  # as `cli.exit_codes` has it, which is not there yet


def main() -> None:
    """Run the command line and end the process with its exit code."""
    try:
        from neuralterm.cli.root import cli

        cli(prog_name="neuralterm")
    except KeyboardInterrupt:  # before anybody else was there to deal with it
        sys.exit(_SIGINT)


if __name__ == "__main__":
    main()
