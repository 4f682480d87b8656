"""Configuration files, found and read. Each refusal is a `ConfigurationError`.

The user's file may be anything that can be read. The project file comes with a checkout of someone else's: it must be a
regular file of modest size in its own folder, so that it shows nothing of other files and holds nobody up.
"""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

from neuralterm.domain.exceptions import ConfigurationError

PROJECT_FILE = ".neuralterm.toml"
LARGEST_PROJECT_FILE = 64 * 1024

# Reading a key takes time that grows with the square of its parts.
_LONG_KEY = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){64}""", re.ASCII)


def read_user_file(path: Path, *, must_exist: bool) -> dict[str, Any]:
    """Return the tables of a TOML file, fractions as `Decimal`; nothing for one that need not exist and does not."""
    try:
        return _parsed(path.read_bytes(), path)
    except FileNotFoundError as error:
        if must_exist:
            raise ConfigurationError(f"the configuration file {path} does not exist") from error
        return {}
    except OSError as error:
        raise ConfigurationError(f"the configuration file {path} can't be read: {error.strerror}") from error


def project_file(directory: Path) -> Path | None:
    """Return the nearest project file in a folder or above it."""
    for folder in (directory, *directory.parents):
        candidate = folder / PROJECT_FILE
        if candidate.is_file():
            return candidate
    return None


def read_project_file(path: Path) -> dict[str, Any]:
    """Return the tables of a project file, as `read_user_file`."""
    if path.is_symlink():
        raise ConfigurationError(f"the project file {path} is a link, which is not followed")
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_PROJECT_FILE + 1)
    except OSError as error:
        raise ConfigurationError(f"the configuration file {path} can't be read: {error.strerror}") from error
    if len(content) > LARGEST_PROJECT_FILE:
        raise ConfigurationError(f"the project file {path} is larger than {LARGEST_PROJECT_FILE // 1024} KiB")
    if _LONG_KEY.search(content.decode("utf-8", "replace")):
        raise ConfigurationError(f"the project file {path} has a key of too many parts")
    return _parsed(content, path)


def _parsed(content: bytes, path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(content.decode("utf-8"), parse_float=Decimal)
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"the configuration file {path} can't be read: it is not UTF-8 text") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits is no TOMLDecodeError
        raise ConfigurationError(f"the configuration file {path} is not valid TOML: {error}") from error
