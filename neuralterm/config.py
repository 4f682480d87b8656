"""Settings: flags, then environment, then project file, then user file, then defaults. The only reader of `os.environ`.

The project file (`.neuralterm.toml`, nearest above the working directory) comes with a cloned repository and is not
trusted: it may choose model, tags and a folder of templates below its own and tighten budgets, nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from neuralterm.domain.model_ids import DEFAULT_MODEL
from neuralterm.domain.record import field, record
from neuralterm.setting_files import TEMPLATES, data_directory, database_in, folder_in, is_on, working_directory
from neuralterm.setting_flags import Flags
from neuralterm.setting_sources import Source
from neuralterm.setting_values import flag_in, model_in, seconds_in, text_in, whole_in, zone_in

if TYPE_CHECKING:
    import re
    from decimal import Decimal

    from neuralterm.application.budgets import PlacedBudget
    from neuralterm.domain.budget import Budget
    from neuralterm.domain.declared_prices import ServerPrices

DEFAULT_BASE_URL = "https://openrouter.ai/api/v1"
DEFAULT_IDLE_TIMEOUT = 120.0
DEFAULT_RETRY_FOR = 10.0
DEFAULT_BUDGET_WAIT = 10.0

_KEYS = ("OPENROUTER_API_KEY", "OPENROUTER_KEY")
# What the branch is called where CI has checked out a commit without one; a pull request's own branch goes first.
_CI_BRANCHES = ("GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME")


@record
class Settings:
    """Everything that can be set. Amounts in USD, times in seconds; `max_cost` is the ceiling of one invocation.

    `timezone` (an IANA name) is where days begin. `min_tokens` is the shortest output cap worth paying for, `warning_level`
    that of budgets that name none (None: as usual for both), `budget_wait` how long a call waits for money that other calls
    hold, `confirm_above` the cost of a call above which the user is asked. `server_prices` are those declared for
    `base_url`. `ci_branch` is what CI calls the branch, where it runs. `no_log` keeps the books without the text; of what
    is kept, `redact` and `redact_patterns` say what to blot out besides `known_keys`,
    which are all keys of the environment; `key_name` is the variable that `api_key` comes from. `user_file` need not exist.
    `project_templates` is what the project file says, not looked at: whoever reads there must stay in `project_dir`.
    """

    data_dir: str
    api_key: str | None = field(default=None, repr=False)
    key_name: str | None = None
    known_keys: tuple[str, ...] = field(default=(), repr=False)
    key_command: str | None = field(default=None, repr=False)
    base_url: str = DEFAULT_BASE_URL
    model: str = DEFAULT_MODEL
    max_cost: Decimal | None = None
    placed_budgets: tuple[PlacedBudget, ...] = ()
    warning_level: Decimal | None = None
    timezone: str = "UTC"
    min_tokens: int | None = None
    budget_wait: float = DEFAULT_BUDGET_WAIT
    soft_budget: bool = False
    confirm_above: Decimal | None = None
    server_prices: ServerPrices | None = None
    tags: tuple[str, ...] = ()
    tag_branch: bool = False
    ci_branch: str | None = None
    run_id: str | None = None
    timeout: float | None = None
    idle_timeout: float = DEFAULT_IDLE_TIMEOUT
    retry_for: float = DEFAULT_RETRY_FOR
    color: bool = True
    moves_cursor: bool = True
    markdown: bool = True
    sandbox: bool = False
    no_log: bool = False
    redact: bool = False
    redact_patterns: tuple[re.Pattern[str], ...] = ()
    templates: str | None = None
    project_templates: str | None = None
    project_dir: str | None = None
    user_file: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """The budgets of environment and files."""
        return tuple(placed.budget for placed in self.placed_budgets)

    @property
    def program(self) -> str:
        """How a command that goes on with what is kept here has to begin."""
        return "neuralterm --sandbox" if self.sandbox else "neuralterm"

    @property
    def database(self) -> str:
        """Where conversations and ledger are; the sandbox keeps its own."""
        return database_in(self.data_dir, sandbox=self.sandbox)


def load_settings(
    flags: Flags | None = None, environ: Mapping[str, str] | None = None, directory: str | None = None
) -> Settings:
    """Put the settings together.

    Raises:
        ConfigurationError: a file can't be read or holds what it must not, or a value makes no sense.
    """
    flags = flags or Flags()
    env = os.environ if environ is None else environ
    source = Source.read(env, directory or working_directory(), flags.config)
    user, project, project_path = source.user.get, source.project.get, source.project_path
    sandbox = flags.sandbox or is_on(env.get("NEURALTERM_SANDBOX"))
    base_url = source.base_url() or DEFAULT_BASE_URL
    keys = {name: key for name in _KEYS if (key := env.get(name, "").strip())}
    return Settings(
        data_dir=data_directory(env),
        api_key=next(iter(keys.values()), None),
        key_name=next(iter(keys), None),
        known_keys=tuple(keys.values()),
        key_command=user(text_in, "key_command"),
        base_url=base_url,
        model=env.get("NEURALTERM_MODEL") or project(model_in, "model") or user(model_in, "model") or DEFAULT_MODEL,
        max_cost=source.max_cost(),
        placed_budgets=source.budgets(),
        warning_level=source.warning_level(),
        timezone=user(zone_in, "timezone") or "UTC",
        min_tokens=user(whole_in, "min_tokens"),
        budget_wait=_or(source.budget_wait(), DEFAULT_BUDGET_WAIT),
        soft_budget=user(flag_in, "soft_budget") or False,
        confirm_above=source.amount("NEURALTERM_CONFIRM_ABOVE", "confirm_above"),
        server_prices=None if sandbox else source.server_prices(base_url),
        tags=source.tags(),
        tag_branch=source.is_set("NEURALTERM_TAG_BRANCH", "tag_branch"),
        ci_branch=next((env[name] for name in _CI_BRANCHES if env.get(name)), None),
        run_id=env.get("NEURALTERM_RUN_ID") or None,
        timeout=user(seconds_in, "timeout"),
        idle_timeout=user(seconds_in, "idle_timeout") or DEFAULT_IDLE_TIMEOUT,
        retry_for=_or(user(seconds_in, "retry_for", allow_zero=True), DEFAULT_RETRY_FOR),
        color=not (flags.no_color or env.get("NO_COLOR") or env.get("TERM") == "dumb"),
        moves_cursor=env.get("TERM") != "dumb",
        markdown=source.is_set("NEURALTERM_MARKDOWN", "markdown", default=True),
        sandbox=sandbox,
        redact=source.is_redacting(),
        redact_patterns=source.redact_patterns(),
        no_log=source.is_set("NEURALTERM_NO_LOG", "no_log"),
        templates=folder_in(source.user.path, user(text_in, "templates") or TEMPLATES),
        project_templates=folder_in(project_path, project(text_in, "templates")),
        project_dir=project_path and os.path.dirname(project_path),
        user_file=source.user.path,
        warnings=source.warnings(),
    )


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
