"""What environment, project file and user file say together. Each refusal is a `ConfigurationError`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

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
    BUDGET_PREFIX,
    ConfigurationFile,
    amount_in,
    checked_base_url,
    flag_in,
    naming,
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
    from decimal import Decimal

    from neuralterm.application.budgets import PlacedBudget
    from neuralterm.domain.declared_prices import ServerPrices

USER_KEYS = frozenset(
    {"allow_insecure_http", "base_url", "budget", "budget_wait", "budgets", "confirm_above", "idle_timeout"}
    | {"key_command", "max_cost", "min_tokens", "model", "no_log", "redact", "redact_patterns", "retry_for", "servers"}
    | {"markdown", "soft_budget", "tag_branch", "tags", "templates", "timeout", "timezone", "warning_level"}
)
PROJECT_KEYS = frozenset({"budget", "budgets", "max_cost", "model", "redact", "redact_patterns", "tags", "templates"})
_MOST_WARNINGS = 5
_T = TypeVar("_T")
_BUDGET_KEYS = {"budget", "budgets"}


@record
class Source:
    """Environment and files; `project_path` None: there is no project file; `ignored` keys of it are left out of `project`."""

    env: Mapping[str, str]
    user: ConfigurationFile
    project: ConfigurationFile
    project_path: str | None
    ignored: Sequence[str]

    @classmethod
    def read(cls, env: Mapping[str, str], directory: str | None, user_file: str | None) -> Source:
        """Read the files; `user_file` is one that a flag has named, and must exist."""
        if _has_budgets(env):
            from neuralterm.setting_budgets import refuse_unknown_budgets

            refuse_unknown_budgets(env)
        user_path = usual_user_file(env) if user_file is None else user_file
        user = read_user_file(user_path, must_exist=user_file is not None)
        refuse_unknown(user, USER_KEYS, user_path)
        project_path = project_file(directory)
        project = read_project_file(project_path) if project_path else {}
        allowed, ignored = _trusted(project)
        return cls(
            env,
            ConfigurationFile(user_path, user),
            ConfigurationFile(project_path or PROJECT_FILE, allowed),
            project_path,
            ignored,
        )

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
        if value := self.env.get(variable):
            from neuralterm.setting_amounts import parse_amount

            return parse_amount(value, variable)
        return self.user.get(amount_in, key)

    def max_cost(self) -> Decimal | None:
        """Return the ceiling of one invocation, USD."""
        limits = (self.amount("NEURALTERM_MAX_COST", "max_cost"), self.project.get(amount_in, "max_cost"))
        return min((limit for limit in limits if limit is not None), default=None)

    def budgets(self) -> tuple[PlacedBudget, ...]:
        """Return all budgets, those that are named by their window first."""
        if not (_has_budgets(self.env) or _BUDGET_KEYS & {*self.user.says, *self.project.says}):
            return ()
        from neuralterm.setting_budgets import placed_budgets

        return placed_budgets(self.env, self.user, self.project)

    def warning_level(self) -> Decimal | None:
        """Return the warning level of budgets that name none; None: the usual one."""
        if "warning_level" not in self.user.says:
            return None
        from neuralterm.setting_budgets import warning_level

        return warning_level(self.user)

    def budget_wait(self) -> float | None:
        """Return for how many seconds to wait for money that other calls hold."""
        if value := self.env.get("NEURALTERM_BUDGET_WAIT"):
            from neuralterm.setting_amounts import parse_seconds

            return parse_seconds(value, "NEURALTERM_BUDGET_WAIT")
        return self.user.get(seconds_in, "budget_wait", allow_zero=True)

    def server_prices(self, base_url: str) -> ServerPrices | None:
        """Return what is declared for a server. All declarations are checked, whichever server it is."""
        if "servers" not in self.user.says:
            return None
        from neuralterm.setting_servers import servers_in

        return servers_in(self.user.says, self.user.path).get(server_key(base_url))

    def base_url(self) -> str | None:
        """Return where requests go; None where nothing is said."""
        insecure = self.user.says.get("allow_insecure_http") is True
        if value := self.env.get("OPENROUTER_BASE_URL"):
            return checked_base_url(value, allow_insecure_http=insecure)
        with naming(self.user.path):
            value = text_in(self.user.says, "base_url")
            return None if value is None else checked_base_url(value, allow_insecure_http=insecure)

    def is_set(self, variable: str, key: str, *, default: bool = False) -> bool:
        """Say whether environment or else user file switch something on."""
        if value := self.env.get(variable):
            return is_on(value)
        chosen = self.user.get(flag_in, key)
        return default if chosen is None else chosen

    def is_redacting(self) -> bool:
        """Say whether well-known secrets are blotted out; the project file can switch that on, never off."""
        user, project = self.user.get(flag_in, "redact"), self.project.get(flag_in, "redact")
        return bool(user or project)

    def redact_patterns(self) -> tuple[re.Pattern[str], ...]:
        """Return the own patterns of both files."""
        return (*self.user.get(patterns_in, "redact_patterns"), *self.project.get(patterns_in, "redact_patterns"))

    def tags(self) -> tuple[str, ...]:
        """Return the tags of all places, each once."""
        variable = "NEURALTERM_TAGS"
        with naming(variable):
            listed = tags_of(tag.strip() for tag in self.env.get(variable, "").split(","))
        return tuple(dict.fromkeys((*listed, *self.project.get(tags_in, "tags"), *self.user.get(tags_in, "tags"))))


def _has_budgets(env: Mapping[str, str]) -> bool:
    return any(name.startswith(BUDGET_PREFIX) for name in env)


def _trusted(project: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return what a project file may set, and the names of what else it has."""
    allowed = {key: value for key, value in project.items() if key in PROJECT_KEYS}
    ignored = set(project) - PROJECT_KEYS
    if "budget" in allowed:
        from neuralterm.setting_budgets import BUDGET_KEYS, budget_tables

        tables = budget_tables(allowed)
        ignored |= {f"budget.{key}" for table in tables for key in table if key not in BUDGET_KEYS}
        allowed["budget"] = [{key: value for key, value in table.items() if key in BUDGET_KEYS} for table in tables]
    return allowed, sorted(ignored)
