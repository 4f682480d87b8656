"""What environment, project file and user file say together. Each refusal is a `ConfigurationError`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuralterm.application.budgets import CALENDAR_NAMES, Origin, PlacedBudget
from neuralterm.domain.budget import DEFAULT_WARNING_LEVEL, Budget, Window
from neuralterm.domain.exceptions import ConfigurationError
from neuralterm.setting_values import (
    amount_in,
    amounts_in,
    flag_in,
    level_in,
    parse_amount,
    parse_seconds,
    read_file,
    refuse_unknown,
    seconds_in,
    server_key,
)

if TYPE_CHECKING:
    from neuralterm.domain.declared_prices import ServerPrices

PROJECT_FILE = ".neuralterm.toml"
USER_FILE = "config.toml"

USER_KEYS = frozenset(
    {"allow_insecure_http", "base_url", "budget", "budget_wait", "budgets", "confirm_above", "idle_timeout"}
    | {"key_command", "max_cost", "min_tokens", "model", "retry_for", "servers", "soft_budget", "tag_branch", "tags"}
    | {"templates", "timeout", "timezone", "warning_level"}
)
PROJECT_KEYS = frozenset({"budget", "budgets", "max_cost", "model", "tags", "templates"})
_WINDOWS = [window.value for window in CALENDAR_NAMES]


@dataclass(frozen=True, slots=True)
class Source:
    """Environment and files; `ignored` keys of the project file are left out of `project`."""

    env: Mapping[str, str]
    user: Mapping[str, Any]
    user_path: Path
    project: Mapping[str, Any]
    project_path: Path | None
    ignored: Sequence[str]

    @classmethod
    def read(cls, env: Mapping[str, str], directory: Path, user_file: Path | None) -> Source:
        """Read the files; `user_file` is one that a flag has named, and must exist."""
        user_path = user_file or _user_file(env)
        user = read_file(user_path, must_exist=user_file is not None)
        refuse_unknown(user, USER_KEYS, user_path)
        project_path = _project_file(directory)
        project = read_file(project_path, must_exist=True) if project_path else {}
        allowed, ignored = _trusted(project)
        return cls(env, user, user_path, allowed, project_path, ignored)

    def warnings(self) -> tuple[str, ...]:
        """Return a sentence for every key that is ignored."""
        return tuple(f"{self.project_path}: {key!r} is ignored: a project file can't set it" for key in self.ignored)

    def amount(self, variable: str, key: str) -> Decimal | None:
        """Return an amount in USD of the environment, or else of the user file."""
        value = self.env.get(variable)
        return parse_amount(value, variable) if value else amount_in(self.user, key)

    def max_cost(self) -> Decimal | None:
        """Return the ceiling of one invocation, USD."""
        limits = (self.amount("NEURALTERM_MAX_COST", "max_cost"), amount_in(self.project, "max_cost"))
        return min((limit for limit in limits if limit is not None), default=None)

    def budgets(self) -> tuple[PlacedBudget, ...]:
        """Return all budgets, those that are named by their window first."""
        level = self.warning_level()
        calendar = [
            PlacedBudget(Budget(name, limit, window, level), origin)
            for window, name in CALENDAR_NAMES.items()
            for limit, origin in self._tightest(window)
        ]
        return (*calendar, *self._named(Origin.USER_FILE, level), *self._named(Origin.PROJECT_FILE, level))

    def _named(self, origin: Origin, level: Decimal) -> Iterator[PlacedBudget]:
        path, table = (self.user_path, self.user) if origin is Origin.USER_FILE else (self.project_path, self.project)
        if "budget" in table:
            from neuralterm.setting_tables import budgets_in

            yield from (PlacedBudget(budget, origin) for budget in budgets_in(table, path, level))

    def _tightest(self, window: Window) -> Iterator[tuple[Decimal, Origin]]:
        """Yield the limit of a window, if it has one, and whose it is; the environment's stands in for the user file's."""
        variable = f"NEURALTERM_BUDGET_{window.name}"
        own, origin = _calendar_limit(self.user, window), Origin.USER_FILE
        if value := self.env.get(variable):
            own, origin = parse_amount(value, variable), Origin.ENVIRONMENT
        limits = ((own, origin), (_calendar_limit(self.project, window), Origin.PROJECT_FILE))
        known = [(limit, origin) for limit, origin in limits if limit is not None]
        yield from sorted(known, key=lambda each: each[0])[:1]

    def warning_level(self) -> Decimal:
        """Return the warning level of budgets that name none."""
        return level_in(self.user, "warning_level", DEFAULT_WARNING_LEVEL)

    def budget_wait(self) -> float | None:
        """Return for how many seconds to wait for money that other calls hold."""
        if value := self.env.get("NEURALTERM_BUDGET_WAIT"):
            return parse_seconds(value, "NEURALTERM_BUDGET_WAIT")
        return seconds_in(self.user, "budget_wait", allow_zero=True)

    def server_prices(self, base_url: str) -> ServerPrices | None:
        """Return what is declared for a server. All declarations are checked, whichever server it is."""
        if "servers" not in self.user:
            return None
        from neuralterm.setting_tables import servers_in

        return servers_in(self.user, self.user_path).get(server_key(base_url))

    def tag_branch(self) -> bool:
        """Say whether the git branch is to be a tag."""
        value = self.env.get("NEURALTERM_TAG_BRANCH")
        return is_on(value) if value else flag_in(self.user, "tag_branch") or False

    def tags(self) -> tuple[str, ...]:
        """Return the tags of all places, each once."""
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


def folder_in(file: Path | None, named: str | None) -> Path | None:
    """Return the folder that a file names; it counts from where the file is."""
    return None if file is None or named is None else file.parent / os.path.expanduser(named)


def is_on(value: str | None) -> bool:
    """Say whether a variable of the environment switches something on."""
    return (value or "") not in ("", "0")


def _calendar_limit(table: Mapping[str, Any], window: Window) -> Decimal | None:
    return amount_in(amounts_in(table, "budgets", _WINDOWS), window.value)


def _trusted(project: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return what a project file may set, and the names of what else it has."""
    allowed = {key: value for key, value in project.items() if key in PROJECT_KEYS}
    ignored = set(project) - PROJECT_KEYS
    if "budget" in allowed:
        from neuralterm.setting_tables import BUDGET_KEYS, budget_tables

        tables = budget_tables(allowed)
        ignored |= {f"budget.{key}" for table in tables for key in table if key not in BUDGET_KEYS}
        allowed["budget"] = [{key: value for key, value in table.items() if key in BUDGET_KEYS} for table in tables]
    return allowed, sorted(ignored)
