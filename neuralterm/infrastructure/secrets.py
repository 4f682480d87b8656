"""Getting the key from a command of the user's own, such as a password manager."""

from __future__ import annotations

import sys

from neuralterm.domain.exceptions import ConfigurationError

_TIMEOUT_S = 60
_HINT = "run the command by hand: it must print the key on its first line"


def key_from_command(command: str, *, timeout: float = _TIMEOUT_S) -> str:
    """Run the command without a shell and return the first line it prints.

    It gets stdin only where that is a terminal: what a pipe brings belongs to the prompt.

    Raises:
        ConfigurationError: it failed, took longer than `timeout` seconds, or printed nothing. Its output is not quoted.
    """
    import shlex
    import subprocess

    asks_here = sys.stdin is not None and sys.stdin.isatty()
    try:
        done = subprocess.run(  # noqa: S603  # the command is the user's own, from the user's own file
            shlex.split(command),
            stdin=None if asks_here else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:  # which holds what was printed so far
        raise ConfigurationError(f"key_command did not end within {timeout:g} seconds", hint=_HINT) from None
    except OSError as error:
        raise ConfigurationError(f"key_command can't be run: {error.strerror}", hint=_HINT) from error
    except (ValueError, IndexError) as error:
        raise ConfigurationError("key_command can't be run: it is no command line", hint=_HINT) from error
    if done.returncode:
        raise ConfigurationError(f"key_command failed with exit code {done.returncode}", hint=_HINT)
    first = done.stdout.decode("utf-8", "replace").partition("\n")[0].strip()
    if not first:
        raise ConfigurationError("key_command printed no key", hint=_HINT)
    return first
