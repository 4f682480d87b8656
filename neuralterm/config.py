"""Settings: flags, then environment, then project file, then user file, then defaults. The only reader of `os.environ`.

The project file (`.neuralterm.toml`, nearest above the working directory) comes with a cloned repository and is not
trusted: it may choose model, tags and a folder of templates below its own and tighten budgets, nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from neuralterm.domain.budget import DEFAULT_WARNING_LEVEL, Budget, Window
from neuralterm.domain.exceptions import ConfigurationError
from neuralterm.domain.loopback import is_loopback
from neuralterm.domain.models import DEFAULT_MODEL
from neuralterm.setting_values import (
    amount_in,
    amounts_in,
    parse_amount,
    read_file,
    refuse_unknown,
    seconds_in,
    text_in,
)

DEFAULT_BASE_URL = "https://openrouter.ai/api/v1"
DEFAULT_IDLE_TIMEOUT = 120.0
DEFAULT_RETRY_FOR = 10.0
DATABASE_NAME = "neuralterm.db"
PROJECT_FILE = ".neuralterm.toml"
USER_FILE = "config.toml"
TEMPLATES = "templates"

_WINDOWS = {window.value: window for window in Window if window is not Window.CALL}
_USER_KEYS = frozenset(
    {"allow_insecure_http", "base_url", "budgets", "idle_timeout", "key_command", "max_cost", "model", "retry_for"}
    | {"tags", "templates", "timeout", "warning_level"}
)
_PROJECT_KEYS = frozenset({"model", "tags", "max_cost", "budgets", "templates"})


@dataclass(frozen=True, slots=True)
class Flags:
    """What the command line says; None or False where it says nothing."""

    config: Path | None = None
    sandbox: bool = False
    quiet: bool = False
    verbose: bool = False
    debug: bool = False
    no_color: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set. Amounts in USD, times in seconds; `max_cost` is the ceiling of one invocation.

    `project_templates` is what the project file says, not looked at: whoever reads there must stay in `project_dir`.
    """

    data_dir: Path
    api_key: str | None = field(default=None, repr=False)
    key_command: str | None = field(default=None, repr=False)
    base_url: str = DEFAULT_BASE_URL
    model: str = DEFAULT_MODEL
    max_cost: Decimal | None = None
    budgets: tuple[Budget, ...] = ()
    warning_level: Decimal = DEFAULT_WARNING_LEVEL
    tags: tuple[str, ...] = ()
    run_id: str | None = None
    timeout: float | None = None
    idle_timeout: float = DEFAULT_IDLE_TIMEOUT
    retry_for: float = DEFAULT_RETRY_FOR
    color: bool = True
    sandbox: bool = False
    templates: Path | None = None
    project_templates: Path | None = None
    project_dir: Path | None = None
    warnings: tuple[str, ...] = ()

    @property
    def database(self) -> Path:
        """Where conversations and ledger are; the sandbox keeps its own."""
        return (self.data_dir / "sandbox" if self.sandbox else self.data_dir) / DATABASE_NAME


def data_directory(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder that `NEURALTERM_DATA_DIR` names, or else the user's data directory of this platform."""
    if named := (os.environ if environ is None else environ).get("NEURALTERM_DATA_DIR"):
        return Path(named).expanduser()
    from platformdirs import user_data_path

    return user_data_path("neuralterm", appauthor=False)


def load_settings(
    flags: Flags | None = None, environ: Mapping[str, str] | None = None, directory: Path | None = None
) -> Settings:
    """Put the settings together.

    Raises:
        ConfigurationError: a file can't be read or holds what it must not, or a value makes no sense.
    """
    flags = flags or Flags()
    env = os.environ if environ is None else environ
    source = _Source.read(flags, env, directory or Path.cwd())
    user, project, project_path = source.user, source.project, source.project_path
    retry_for = seconds_in(user, "retry_for", allow_zero=True)
    return Settings(
        data_dir=data_directory(env),
        api_key=(env.get("OPENROUTER_API_KEY") or env.get("OPENROUTER_KEY") or "").strip() or None,
        key_command=text_in(user, "key_command"),
        base_url=_base_url(env, user),
        model=env.get("NEURALTERM_MODEL") or text_in(project, "model") or text_in(user, "model") or DEFAULT_MODEL,
        max_cost=source.max_cost(),
        budgets=source.budgets(),
        warning_level=source.warning_level(),
        tags=source.tags(),
        run_id=env.get("NEURALTERM_RUN_ID") or None,
        timeout=seconds_in(user, "timeout"),
        idle_timeout=seconds_in(user, "idle_timeout") or DEFAULT_IDLE_TIMEOUT,
        retry_for=DEFAULT_RETRY_FOR if retry_for is None else retry_for,
        color=not (flags.no_color or env.get("NO_COLOR") or env.get("TERM") == "dumb"),
        sandbox=flags.sandbox or env.get("NEURALTERM_SANDBOX", "") not in ("", "0"),
        templates=_folder(source.user_path, text_in(user, "templates") or TEMPLATES),
        project_templates=_folder(project_path, text_in(project, "templates")),
        project_dir=project_path.parent if project_path else None,
        warnings=source.warnings(),
    )


@dataclass(frozen=True, slots=True)
class _Source:
    """Environment and files; of the project file `ignored` keys are left out."""

    env: Mapping[str, str]
    user: Mapping[str, Any]
    user_path: Path
    project: Mapping[str, Any]
    project_path: Path | None
    ignored: Sequence[str]

    @classmethod
    def read(cls, flags: Flags, env: Mapping[str, str], directory: Path) -> _Source:
        user_path = flags.config or _user_file(env)
        user = read_file(user_path, must_exist=flags.config is not None)
        refuse_unknown(user, _USER_KEYS, user_path)
        project_path = _project_file(directory)
        project = read_file(project_path, must_exist=True) if project_path else {}
        allowed = {key: value for key, value in project.items() if key in _PROJECT_KEYS}
        return cls(env, user, user_path, allowed, project_path, sorted(set(project) - _PROJECT_KEYS))

    def warnings(self) -> tuple[str, ...]:
        return tuple(f"{self.project_path}: {key!r} is ignored: a project file can't set it" for key in self.ignored)

    def max_cost(self) -> Decimal | None:
        value = self.env.get("NEURALTERM_MAX_COST")
        own = parse_amount(value, "NEURALTERM_MAX_COST") if value else amount_in(self.user, "max_cost")
        return _tightest(own, amount_in(self.project, "max_cost"))

    def budgets(self) -> tuple[Budget, ...]:
        level = self.warning_level()
        found = []
        for name, window in _WINDOWS.items():
            variable = f"NEURALTERM_BUDGET_{name.upper()}"
            own = parse_amount(value, variable) if (value := self.env.get(variable)) else None
            if own is None:
                own = amount_in(amounts_in(self.user, "budgets", _WINDOWS), name)
            limit = _tightest(own, amount_in(amounts_in(self.project, "budgets", _WINDOWS), name))
            if limit is not None:
                found.append(Budget(f"{name} budget", limit, window, level))
        return tuple(found)

    def warning_level(self) -> Decimal:
        level = amount_in(self.user, "warning_level")
        if level is None:
            return DEFAULT_WARNING_LEVEL
        if not 0 < level <= 1:
            raise ConfigurationError(f"warning_level is {level}, it must be above 0 and at most 1")
        return level

    def tags(self) -> tuple[str, ...]:
        listed = [tag.strip() for tag in self.env.get("NEURALTERM_TAGS", "").split(",")]
        for table in (self.project, self.user):
            tags = table.get("tags", [])
            if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
                raise ConfigurationError('tags must be a list of texts, like ["ci", "docs"]')
            listed += tags
        return tuple(dict.fromkeys(tag for tag in listed if tag))


def _user_file(env: Mapping[str, str]) -> Path:
    if named := env.get("NEURALTERM_CONFIG"):
        return Path(named)
    from platformdirs import user_config_path

    return user_config_path("neuralterm", appauthor=False) / USER_FILE


def _project_file(directory: Path) -> Path | None:
    for folder in (directory, *directory.parents):
        candidate = folder / PROJECT_FILE
        if candidate.is_file():
            return candidate
    return None


def _folder(file: Path | None, named: str | None) -> Path | None:
    """Return the folder that a file names; it counts from where the file is."""
    return None if file is None or named is None else file.parent / os.path.expanduser(named)


def _tightest(*limits: Decimal | None) -> Decimal | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _base_url(env: Mapping[str, str], user: Mapping[str, Any]) -> str:
    from urllib.parse import urlsplit

    url = (env.get("OPENROUTER_BASE_URL") or text_in(user, "base_url") or DEFAULT_BASE_URL).strip().rstrip("/")
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port  # raises for one that is no number
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigurationError(f"the base URL {url!r} is not an http(s) address")
    if parts.scheme == "http" and not is_loopback(host) and user.get("allow_insecure_http") is not True:
        raise ConfigurationError(
            f"the base URL {url!r} would send the key over plain http",
            hint="use https, or set allow_insecure_http = true in the user's config file",
        )
    return url
