"""Configuration files, found and read. Each refusal is a `ConfigurationError`.

The user's file may be anything that can be read. The project file comes with a checkout of someone else's: it must be a
regular file of modest size in its own folder, so that it shows nothing of other files and holds nobody up.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from neuralterm.domain.exceptions import ConfigurationError

if TYPE_CHECKING:
    from neuralterm.application.surroundings import FilesState

PROJECT_FILE = ".neuralterm.toml"
USER_FILE = "config.toml"
TEMPLATES = "templates"
DATABASE_NAME = "neuralterm.db"
# What our folders are called where the platform says where they are; any other may be shared with what is not ours.
OWN_FOLDER = "neuralterm"
LARGEST_PROJECT_FILE = 64 * 1024

# Reading a key takes time that grows with the square of its parts.
_LONG_KEY = r"""(?a)(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){64}"""
# Where Linux has the folders of a user: what names them, and where they are below the home otherwise.
_FOLDERS = {"data": ("XDG_DATA_HOME", ".local/share"), "config": ("XDG_CONFIG_HOME", ".config")}


def user_folder(kind: Literal["data", "config"], env: Mapping[str, str]) -> str:
    """Return our folder among the user's data or configuration.

    What is plain on Linux is decided here: the library that knows all systems takes a tenth of a short command's time.
    """
    variable, usual = _FOLDERS[kind]
    folder = env.get(variable) or os.path.join(env.get("HOME", ""), usual)
    if sys.platform == "linux" and "ANDROID_DATA" not in env and os.path.isabs(folder):
        return os.path.join(folder, OWN_FOLDER)
    import platformdirs

    find = platformdirs.user_data_dir if kind == "data" else platformdirs.user_config_dir
    return find(OWN_FOLDER, appauthor=False)


def make_private_folder(folder: str) -> None:
    """Make a folder and those above it that are missing, each closed to others (`os.makedirs` leaves those above open)."""
    if not folder or os.path.exists(folder):
        return
    make_private_folder(os.path.dirname(folder))
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:  # by another process, or it is something else
        if not os.path.isdir(folder):
            raise


def data_directory(environ: Mapping[str, str] | None = None) -> str:
    """Return the folder that `NEURALTERM_DATA_DIR` names, or else the user's data directory of this platform."""
    env = os.environ if environ is None else environ
    if named := env.get("NEURALTERM_DATA_DIR"):
        return os.path.expanduser(named)
    return user_folder("data", env)


def database_in(data_dir: str, *, sandbox: bool) -> str:
    """Return where conversations and ledger are; the sandbox keeps its own."""
    return os.path.join(_sandbox_in(data_dir) if sandbox else data_dir, DATABASE_NAME)


def usual_database(*, sandbox: bool) -> str:
    """Return where the database is that a command line with or without `--sandbox` uses."""
    return database_in(data_directory(), sandbox=sandbox or is_on(os.environ.get("NEURALTERM_SANDBOX")))


def credentials_file(data_dir: str, *, sandbox: bool) -> str:
    """Return where the keys of logins are: in the user's configuration; the sandbox keeps its own beside its database."""
    folder = _sandbox_in(data_dir) if sandbox else user_folder("config", os.environ)
    return os.path.join(folder, "credentials.json")


def is_on(value: str | None) -> bool:
    """Say whether a variable of the environment switches something on."""
    return (value or "") not in ("", "0")


def usual_user_file(env: Mapping[str, str]) -> str:
    """Return the user's file, where no flag names it."""
    if named := env.get("NEURALTERM_CONFIG"):
        return named
    return os.path.join(user_folder("config", env), USER_FILE)


def folder_in(file: str | None, named: str | None) -> str | None:
    """Return the folder that a file names; it counts from where the file is."""
    if file is None or named is None:
        return None
    return os.path.join(os.path.dirname(file), os.path.expanduser(named))


def template_folders(user_file: str | None) -> list[tuple[str, str | None]]:
    """Return the folders of templates that the settings have, and what each must be in; nothing else is looked at."""
    user_path = usual_user_file(os.environ) if user_file is None else user_file
    project_path = project_file(working_directory())
    user = read_user_file(user_path, must_exist=False).get("templates")
    project = read_project_file(project_path).get("templates") if project_path else None
    named = [
        (project_path, project, project_path and os.path.dirname(project_path)),
        (user_path, user or TEMPLATES, None),
    ]
    return [(folder, within) for file, name, within in named if (folder := folder_in(file, name)) is not None]


def read_user_file(path: str, *, must_exist: bool) -> dict[str, Any]:
    """Return the tables of a TOML file, fractions as `Decimal`; nothing for one that need not exist and does not."""
    try:
        with open(path, "rb") as file:
            return _parsed(file.read(), path)
    except FileNotFoundError as error:
        if must_exist:
            raise ConfigurationError(f"the configuration file {path} does not exist") from error
        return {}
    except OSError as error:
        raise ConfigurationError(f"the configuration file {path} can't be read: {error.strerror}") from error


def working_directory() -> str | None:
    """Return where the user is; None for a folder that was deleted meanwhile."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None


def project_file(directory: str | None) -> str | None:
    """Return the nearest project file in a folder or above it."""
    if directory is None:
        return None
    candidates = (os.path.join(folder, PROJECT_FILE) for folder in _upwards(directory))
    return next(filter(os.path.isfile, candidates), None)


def read_project_file(path: str) -> dict[str, Any]:
    """Return the tables of a project file, as `read_user_file`."""
    if os.path.islink(path):
        raise ConfigurationError(f"the project file {path} is a link, which is not followed")
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST_PROJECT_FILE + 1)
    except OSError as error:
        raise ConfigurationError(f"the configuration file {path} can't be read: {error.strerror}") from error
    if len(content) > LARGEST_PROJECT_FILE:
        raise ConfigurationError(f"the project file {path} is larger than {LARGEST_PROJECT_FILE // 1024} KiB")
    if re.search(_LONG_KEY, content.decode("utf-8", "replace")):
        raise ConfigurationError(f"the project file {path} has a key of too many parts")
    return _parsed(content, path)


def files_state(user_file: str | None, project_dir: str | None, warnings: tuple[str, ...]) -> FilesState:
    """Return which configuration files there are, for people."""
    from neuralterm.application.surroundings import FilesState

    named = {"user file": user_file, "project file": project_dir and os.path.join(project_dir, PROJECT_FILE)}
    there = {kind: path for kind, path in named.items() if path is not None and os.path.exists(path)}
    own = there.get("user file")
    exposed = (own,) if own is not None and os.name == "posix" and os.stat(own).st_mode & 0o022 else ()
    return FilesState(
        tuple(f"{kind} {path}" for kind, path in there.items()),
        warnings,
        exposed,
    )


def _sandbox_in(data_dir: str) -> str:
    return os.path.join(data_dir, "sandbox")


def _upwards(directory: str) -> Iterator[str]:
    folder, above = directory, os.path.dirname(directory)
    yield folder
    while above != folder:
        folder, above = above, os.path.dirname(above)
        yield folder


def _parsed(content: bytes, path: str) -> dict[str, Any]:
    if not content:
        return {}
    import tomllib
    from decimal import Decimal

    try:
        return tomllib.loads(content.decode("utf-8"), parse_float=Decimal)
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"the configuration file {path} can't be read: it is not UTF-8 text") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits is no TOMLDecodeError
        raise ConfigurationError(f"the configuration file {path} is not valid TOML: {error}") from error
