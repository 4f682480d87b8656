"""What environment, project file and user file say together. Each refusal is a `ConfigurationError`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from neuralterm.application.budgets import CALENDAR_NAMES, Origin, PlacedBudget
from neuralterm.domain.budget import DEFAULT_WARNING_LEVEL, Budget, Window
from neuralterm.domain.exceptions import ConfigurationError
from neuralterm.domain.record import record
from neuralterm.domain.text import one_line
from neuralterm.setting_files import (
    PROJECT_FILE,
    is_on,
    project_file,
    read_project_file,
    read_user_file,
    usual_user_file,
)
from neuralterm.setting_values import (
    amount_in,
    amounts_in,
    checked_base_url,
    flag_in,
    level_in,
    naming,
    parse_amount,
    parse_seconds,
    patterns_in,
    refuse_unknown,
    seconds_in,
    server_key,
    tags_in,
    tags_of,
    text_in,
)

if TYPE_CHECKING:
    import re

    from neuralterm.domain.declared_prices import ServerPrices

USER_KEYS = frozenset(
    {"allow_insecure_http", "base_url", "budget", "budget_wait", "budgets", "confirm_above", "idle_timeout"}
    | {"key_command", "max_cost", "min_tokens", "model", "no_log", "redact", "redact_patterns", "retry_for", "servers"}
    | {"markdown", "soft_budget", "tag_branch", "tags", "templates", "timeout", "timezone", "warning_level"}
)
PROJECT_KEYS = frozenset({"budget", "budgets", "max_cost", "model", "redact", "redact_patterns", "tags", "templates"})
_MOST_WARNINGS = 5
_BUDGET_PREFIX = "NEURALTERM_BUDGET"
_T = TypeVar("_T")
_WINDOWS = [window.value for window in CALENDAR_NAMES]


@record
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
        _refuse_unknown_budgets(env)
        user_path = user_file or usual_user_file(env)
        user = read_user_file(user_path, must_exist=user_file is not None)
        refuse_unknown(user, USER_KEYS, user_path)
        project_path = project_file(directory)
        project = read_project_file(project_path) if project_path else {}
        allowed, ignored = _trusted(project)
        return cls(env, user, user_path, allowed, project_path, ignored)

    def of_user(self, read: Callable[..., _T], key: str, **more: Any) -> _T:
        """Read a value of the user file; a refusal names the file."""
        with naming(self.user_path):
            return read(self.user, key, **more)

    def of_project(self, read: Callable[..., _T], key: str, **more: Any) -> _T:
        """Read a value of the project file; a refusal names the file."""
        with naming(self.project_path or PROJECT_FILE):
            return read(self.project, key, **more)

    def warnings(self) -> tuple[str, ...]:
        """Return a sentence for every key that is ignored, of many only for the first ones."""
        where = one_line(str(self.project_path))
        shown = [
            f"{where}: {key[:80]!r} is ignored: a project file can't set it" for key in self.ignored[:_MOST_WARNINGS]
        ]
        more = len(self.ignored) - len(shown)
        return (*shown, f"{where}: {more} more keys are ignored") if more else tuple(shown)

    def amount(self, variable: str, key: str) -> Decimal | None:
        """Return an amount in USD of the environment, or else of the user file."""
        value = self.env.get(variable)
        return parse_amount(value, variable) if value else self.of_user(amount_in, key)

    def max_cost(self) -> Decimal | None:
        """Return the ceiling of one invocation, USD."""
        limits = (self.amount("NEURALTERM_MAX_COST", "max_cost"), self.of_project(amount_in, "max_cost"))
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
        own, origin = self.of_user(_calendar_limit, window.value), Origin.USER_FILE
        if value := self.env.get(variable):
            own, origin = parse_amount(value, variable), Origin.ENVIRONMENT
        limits = ((own, origin), (self.of_project(_calendar_limit, window.value), Origin.PROJECT_FILE))
        known = [(limit, origin) for limit, origin in limits if limit is not None]
        yield from sorted(known, key=lambda each: each[0])[:1]

    def warning_level(self) -> Decimal:
        """Return the warning level of budgets that name none."""
        return self.of_user(level_in, "warning_level", default=DEFAULT_WARNING_LEVEL)

    def budget_wait(self) -> float | None:
        """Return for how many seconds to wait for money that other calls hold."""
        if value := self.env.get("NEURALTERM_BUDGET_WAIT"):
            return parse_seconds(value, "NEURALTERM_BUDGET_WAIT")
        return self.of_user(seconds_in, "budget_wait", allow_zero=True)

    def server_prices(self, base_url: str) -> ServerPrices | None:
        """Return what is declared for a server. All declarations are checked, whichever server it is."""
        if "servers" not in self.user:
            return None
        from neuralterm.setting_tables import servers_in

        return servers_in(self.user, self.user_path).get(server_key(base_url))

    def base_url(self) -> str | None:
        """Return where requests go; None where nothing is said."""
        insecure = self.user.get("allow_insecure_http") is True
        if value := self.env.get("OPENROUTER_BASE_URL"):
            return checked_base_url(value, allow_insecure_http=insecure)
        with naming(self.user_path):
            value = text_in(self.user, "base_url")
            return None if value is None else checked_base_url(value, allow_insecure_http=insecure)

    def is_set(self, variable: str, key: str, *, default: bool = False) -> bool:
        """Say whether environment or else user file switch something on."""
        if value := self.env.get(variable):
            return is_on(value)
        chosen = self.of_user(flag_in, key)
        return default if chosen is None else chosen

    def is_redacting(self) -> bool:
        """Say whether well-known secrets are blotted out; the project file can switch that on, never off."""
        user, project = self.of_user(flag_in, "redact"), self.of_project(flag_in, "redact")
        return bool(user or project)

    def redact_patterns(self) -> tuple[re.Pattern[str], ...]:
        """Return the own patterns of both files."""
        return (*self.of_user(patterns_in, "redact_patterns"), *self.of_project(patterns_in, "redact_patterns"))

    def tags(self) -> tuple[str, ...]:
        """Return the tags of all places, each once."""
        variable = "NEURALTERM_TAGS"
        with naming(variable):
            listed = tags_of(tag.strip() for tag in self.env.get(variable, "").split(","))
        return tuple(dict.fromkeys((*listed, *self.of_project(tags_in, "tags"), *self.of_user(tags_in, "tags"))))


def _calendar_limit(table: Mapping[str, Any], window: str) -> Decimal | None:
    return amount_in(amounts_in(table, "budgets", _WINDOWS), window)


def _refuse_unknown_budgets(env: Mapping[str, str]) -> None:
    known = [f"{_BUDGET_PREFIX}_{window.name}" for window in CALENDAR_NAMES]
    for name, value in env.items():
        if value and name.startswith(_BUDGET_PREFIX) and name not in (*known, f"{_BUDGET_PREFIX}_WAIT"):
            raise ConfigurationError(
                f"{name} is no setting, and would hold nothing back", hint=f"budgets are {', '.join(known)}"
            )


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
