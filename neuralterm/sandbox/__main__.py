"""`python -m neuralterm.sandbox`: serve until SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence

from neuralterm.sandbox.embedded import running_sandbox
from neuralterm.sandbox.loopback import DEFAULT_DELAY, DEFAULT_SETTLE_DELAY, LOOPBACK


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the base URL on stdout, serve, and return the exit code."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with running_sandbox(**vars(options)) as url:
            _serve_until_interrupted(url)
    except (ValueError, OSError) as exc:
        sys.stderr.write(f"error: {exc}\n")
        return 2
    return 0


def _serve_until_interrupted(url: str) -> None:
    try:
        sys.stdout.write(f"{url}\n")
        sys.stdout.flush()
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        # A second signal must not break the clean stop that the first one asked for.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m neuralterm.sandbox",
        description="Serve an OpenRouter-compatible API on loopback: no key, no network, no money.",
    )
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any free one)")
    parser.add_argument("--host", default=LOOPBACK, help="loopback address to listen on (default: %(default)s)")
    parser.add_argument(
        "--delay", type=float, default=DEFAULT_DELAY, help="seconds between two deltas (default: %(default)s)"
    )
    parser.add_argument(
        "--settle-delay",
        type=float,
        default=DEFAULT_SETTLE_DELAY,
        help="seconds until the cost of an answer that has ended can be asked for (default: %(default)s)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
