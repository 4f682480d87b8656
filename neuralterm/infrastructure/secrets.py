"""Getting the key from a command of the user's own, such as a password manager."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from neuralterm.domain.exceptions import ConfigurationError

if TYPE_CHECKING:
    from subprocess import Popen

_TIMEOUT_S = 60
_TOLD_AFTER_S = 1.0
_HINT = "run the command by hand: it must print the key on its first line"


def _nothing() -> None:
    return None


def key_from_command(
    command: str,
    *,
    timeout: float = _TIMEOUT_S,
    on_wait: Callable[[], None] = _nothing,
    told_after: float = _TOLD_AFTER_S,
) -> str:
    """Run the command without a shell and return the first line it prints.

    It gets stdin only where that is a terminal: what a pipe brings belongs to the prompt. `on_wait` is called when it has run
    for `told_after` seconds.

    Raises:
        ConfigurationError: it failed, took longer than `timeout` seconds, or printed nothing. Its output is not quoted.
    """
    import shlex
    import subprocess

    asks_here = sys.stdin is not None and sys.stdin.isatty()
    try:
        with subprocess.Popen(  # noqa: S603  # the command is the user's own, from the user's own file
            shlex.split(command), stdin=None if asks_here else subprocess.DEVNULL, stdout=subprocess.PIPE
        ) as process:
            try:
                output = _output(process, timeout, on_wait, told_after)
            except BaseException:
                process.kill()
                raise
    except subprocess.TimeoutExpired:  # which holds what was printed so far
        raise ConfigurationError(f"key_command did not end within {timeout:g} seconds", hint=_HINT) from None
    except OSError as error:
        raise ConfigurationError(f"key_command can't be run: {error.strerror}", hint=_HINT) from error
    except (ValueError, IndexError) as error:
        raise ConfigurationError("key_command can't be run: it is no command line", hint=_HINT) from error
    if process.returncode:
        raise ConfigurationError(f"key_command failed with exit code {process.returncode}", hint=_HINT)
    first = output.decode("utf-8", "replace").partition("\n")[0].strip()
    if not first:
        raise ConfigurationError("key_command printed no key", hint=_HINT)
    return first


def _output(process: Popen[bytes], timeout: float, on_wait: Callable[[], None], told_after: float) -> bytes:
    from subprocess import TimeoutExpired

    try:
        return process.communicate(timeout=min(told_after, timeout))[0]
    except TimeoutExpired:
        if timeout <= told_after:
            raise
    on_wait()
    return process.communicate(timeout=timeout - told_after)[0]
