"""Getting the key from a command of the user's own, such as a password manager."""

from __future__ import annotations

from neuralterm.domain.exceptions import ConfigurationError

_TIMEOUT_S = 60


def key_from_command(command: str) -> str:
    """Run the command without a shell and return the first line it prints.

    Raises:
        ConfigurationError: it failed, took over a minute, or printed nothing. Its output is not quoted.
    """
    import shlex
    import subprocess

    try:
        done = subprocess.run(  # noqa: S603  # the command is the user's own, from the user's own file
            shlex.split(command), stdout=subprocess.PIPE, timeout=_TIMEOUT_S, check=True
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise ConfigurationError(f"key_command failed: {type(error).__name__}") from error
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    if not lines or not lines[0].strip():
        raise ConfigurationError("key_command printed no key")
    return lines[0].strip()
