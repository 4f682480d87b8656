"""`python -m neuralterm`, and the entry point of the console script."""

from neuralterm.cli.root import cli


def main() -> None:
    """Run the command line and end the process with its exit code."""
    cli(prog_name="neuralterm")


if __name__ == "__main__":
    main()
