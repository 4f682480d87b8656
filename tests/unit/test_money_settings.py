"""Settings of money: budgets as tables, prices of other servers, and what goes with them."""

from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from neuralterm.application.budgets import Origin
from neuralterm.config import Settings
from neuralterm.container import Container
from neuralterm.domain.budget import Budget, Scope, Window
from neuralterm.domain.exceptions import ConfigurationError
from neuralterm.setting_amounts import usd_or_none

TEAM = '[[budget]]\nname = "team"\nlimit = 5\nwindow = "day"\n'
FULL = """
[[budget]]
name = "nightly runs"
limit = "$12.50"
window = "week"
tag = "nightly"
model = "openai/*"
conversation = "00000000-0000-0000-0000-000000000007"
warning_level = 0.5
timezone = "Europe/Berlin"
"""


def refused(load, *args, **kwargs):
    with pytest.raises(ConfigurationError) as caught:
        load(*args, **kwargs)
    return caught.value


def placed(settings):
    return [(each.budget.name, each.budget.limit_usd, each.origin.value) for each in settings.placed_budgets]


class TestBudgetTables:
    def test_everything_that_can_be_said(self, load):
        assert load(FULL).budgets == (
            Budget(
                "nightly runs",
                Decimal("12.5"),
                Window.WEEK,
                Decimal("0.5"),
                Scope("nightly", "openai/*", UUID(int=7)),
                "Europe/Berlin",
            ),
        )

    def test_the_least_that_must_be_said(self, load):
        assert load(f"warning_level = 0.6\n{TEAM}").budgets == (Budget("team", Decimal(5), Window.DAY, Decimal("0.6")),)

    @pytest.mark.parametrize("window", Window)
    def test_every_window(self, load, window):
        assert load(TEAM.replace("day", window.value)).budgets[0].window is window

    def test_a_limit_of_nothing_is_a_limit(self, load):
        assert load(TEAM.replace("5", "0")).budgets[0].limit_usd == 0

    def test_all_places_add_up_and_are_told_apart(self, load):
        user = f"[budgets]\nday = 4\nweek = 9\ntotal = 3\n{TEAM}"
        project = f"[budgets]\nday = 3\nmonth = 7\ntotal = 4\n{TEAM.replace('5', '100')}"
        assert placed(load(user, project, NEURALTERM_BUDGET_WEEK="8")) == [
            ("day budget", 3, "project file"),
            ("week budget", 8, "environment"),
            ("month budget", 7, "project file"),
            ("total budget", 3, "user file"),
            ("team", 5, "user file"),
            ("team", 100, "project file"),
        ]

    def test_the_environment_replaces_the_users_file_in_calendar_budgets(self, load):
        assert placed(load("[budgets]\nday = 1", NEURALTERM_BUDGET_DAY="2")) == [("day budget", 2, "environment")]
        assert placed(load("[budgets]\nday = 1", "[budgets]\nday = 1")) == [("day budget", 1, "user file")]

    def test_two_of_one_name_in_a_file(self, load):
        assert "two budgets of the name 'team'" in refused(load, TEAM + TEAM).message
        assert "two budgets of the name 'team'" in refused(load, None, TEAM + TEAM).message

    @pytest.mark.parametrize("name", ["", " ", "a\\nb", "ceiling", "day budget"])
    def test_what_is_no_name(self, load, name):
        assert "name" in refused(load, TEAM.replace("team", name)).message

    @pytest.mark.parametrize("key", ["name", "limit", "window"])
    def test_what_must_be_said(self, load, key):
        lines = [line for line in TEAM.splitlines() if not line.startswith(key)]
        assert f"has no {key}" in refused(load, "\n".join(lines)).message

    @pytest.mark.parametrize(
        ("line", "complaint"),
        [
            ("limit = -1", "limit"),
            ("limit = nan", "limit"),
            ('window = "hour"', "day, week, month, total"),
            ("window = 1", "window must be a text"),
            ('tag = ""', "tag is empty"),
            ("tag = []", "tag must be a text"),
            ('model = ""', "model is empty"),
            ('conversation = "12"', "no id"),
            ("warning_level = 0", "warning_level"),
            ("warning_level = 80", "warning_level"),
            ('timezone = "Mars/Base"', "no time zone 'Mars/Base'"),
        ],
    )
    def test_what_makes_no_sense(self, load, line, complaint):
        key = line.partition(" ")[0]
        kept = [each for each in TEAM.splitlines() if not each.startswith(key)]
        for files in ([f"{chr(10).join(kept)}\n{line}"], [None, f"{chr(10).join(kept)}\n{line}"]):
            assert complaint in refused(load, *files).message

    @pytest.mark.parametrize("text", ["budget = 5", "[budget]\nname = 'x'", "budget = [1]"])
    def test_what_is_no_table(self, load, text):
        error = refused(load, text)
        assert "[[budget]]" in error.message
        assert "[budgets]" in error.hint

    def test_an_unknown_key_is_refused_in_the_users_file(self, load):
        error = refused(load, f"{TEAM}modell = 'x'")
        assert "unknown setting 'modell'" in error.message
        assert "model" in error.hint

    def test_an_unknown_key_is_ignored_and_said_in_the_projects_file(self, load):
        settings = load(None, f"{TEAM}modell = 'x'")
        assert placed(settings) == [("team", 5, "project file")]
        (warning,) = settings.warnings
        assert "'budget.modell'" in warning

    def test_a_project_can_add_one_and_replace_none(self, load):
        settings = load(TEAM, TEAM.replace("5", "1") + FULL)
        assert placed(settings) == [
            ("team", 5, "user file"),
            ("team", 1, "project file"),
            ("nightly runs", Decimal("12.5"), "project file"),
        ]
        assert [each.origin for each in settings.placed_budgets][1:] == [Origin.PROJECT_FILE] * 2


class TestSpending:
    @pytest.mark.parametrize(
        ("line", "field", "value"),
        [
            ('timezone = "Europe/Berlin"', "timezone", "Europe/Berlin"),
            ('timezone = "utc"', "timezone", "utc"),
            ("min_tokens = 200", "min_tokens", 200),
            ("budget_wait = 0", "budget_wait", 0.0),
            ("budget_wait = 2.5", "budget_wait", 2.5),
            ("soft_budget = true", "soft_budget", True),
            ("confirm_above = 0.25", "confirm_above", Decimal("0.25")),
            ("confirm_above = 0", "confirm_above", Decimal(0)),
            ("tag_branch = true", "tag_branch", True),
        ],
    )
    def test_in_the_users_file_only(self, load, line, field, value):
        assert getattr(load(line), field) == value
        settings = load("", line)
        assert getattr(settings, field) == getattr(Settings(Path()), field)
        assert repr(line.partition(" ")[0]) in settings.warnings[0]

    def test_usually(self, load):
        settings = load()
        assert (settings.timezone, settings.budget_wait) == ("UTC", 10.0)
        container = Container()
        assert container.spending.min_tokens == 16
        assert container.ceiling(Decimal(1)).warning_level == Decimal("0.8")
        assert (settings.soft_budget, settings.confirm_above, settings.tag_branch) == (False, None, False)

    def test_the_environment_goes_first(self, load):
        user = "budget_wait = 5\nconfirm_above = 1\ntag_branch = true"
        settings = load(user, NEURALTERM_BUDGET_WAIT="0", NEURALTERM_CONFIRM_ABOVE="0.5", NEURALTERM_TAG_BRANCH="0")
        assert (settings.budget_wait, settings.confirm_above, settings.tag_branch) == (0.0, Decimal("0.5"), False)
        settings = load(NEURALTERM_BUDGET_WAIT=" 1.5 ", NEURALTERM_TAG_BRANCH="1")
        assert (settings.budget_wait, settings.tag_branch) == (1.5, True)

    @pytest.mark.parametrize("value", ["-1", "soon", "nan", "snan", "inf", "1e999", "$1"])
    def test_what_is_no_time_to_wait(self, load, value):
        assert "NEURALTERM_BUDGET_WAIT" in refused(load, NEURALTERM_BUDGET_WAIT=value).message

    @pytest.mark.parametrize(
        "line",
        [
            "min_tokens = 0",
            "min_tokens = true",
            "min_tokens = 1.5",
            'min_tokens = "16"',
            "budget_wait = -1",
            'soft_budget = "yes"',
            "soft_budget = 1",
            "confirm_above = -1",
            "tag_branch = 1",
            'timezone = "Mars/Base"',
            'timezone = "../etc/passwd"',
            "timezone = 1",
        ],
    )
    def test_what_makes_no_sense(self, load, line):
        assert line.partition(" ")[0] in refused(load, line).message

    def test_what_ci_calls_the_branch(self, load):
        names = {"GITHUB_HEAD_REF": "feature", "GITHUB_REF_NAME": "12/merge", "CI_COMMIT_REF_NAME": "other"}
        assert load(**names).ci_branch == "feature"
        assert load(**names | {"GITHUB_HEAD_REF": ""}).ci_branch == "12/merge"
        assert load(CI_COMMIT_REF_NAME="other").ci_branch == "other"
        assert load().ci_branch is None


class TestServers:
    HERE = "https://llm.example/v1"
    PRICES = 'prices."*"]\nprompt = 1\ncompletion = "2.50"\n'

    def declared(self, load, table, url=HERE, **environ):
        return load(f"[servers.{table}", OPENROUTER_BASE_URL=url, **environ).server_prices

    def test_a_free_server(self, load):
        assert self.declared(load, f'"{self.HERE}"]\nfree = true').free

    def test_a_server_with_prices(self, load):
        more = "request = 0.01\ninput_cache_read = 0.1\ninput_cache_write = 1.25\ninternal_reasoning = 3\n"
        limits = "context_length = 8192\nmax_completion_tokens = 1024\n"
        prices = self.declared(load, f'"{self.HERE}".{self.PRICES}{more}{limits}')
        model = prices.price("a/b")
        assert model.pricing == {
            "prompt": "0.000001",
            "completion": "0.0000025",
            "request": "0.01",
            "input_cache_read": "0.0000001",
            "input_cache_write": "0.00000125",
            "internal_reasoning": "0.000003",
        }
        assert (model.context_length, model.max_completion_tokens) == (8192, 1024)

    @pytest.mark.parametrize(
        "written", ["https://llm.example/v1/", "HTTPS://LLM.Example/v1", " https://llm.example/v1"]
    )
    def test_an_address_may_be_written_in_several_ways(self, load, written):
        assert self.declared(load, f'"{written}"]\nfree = true').free
        assert self.declared(load, f'"{self.HERE}"]\nfree = true', url=written).free

    @pytest.mark.parametrize(
        "other",
        ["https://llm.example/V1", "https://llm.example", "http://localhost/v1", "https://llm.example:8443/v1"],
    )
    def test_another_server_is_another(self, load, other):
        assert self.declared(load, f'"{self.HERE}"]\nfree = true', url=other) is None

    def test_the_sandbox_has_its_own_prices(self, load):
        assert self.declared(load, f'"{self.HERE}"]\nfree = true', NEURALTERM_SANDBOX="1") is None

    def test_a_project_can_not_declare_prices(self, load):
        settings = load(None, f'[servers."{self.HERE}"]\nfree = true', OPENROUTER_BASE_URL=self.HERE)
        assert settings.server_prices is None
        assert "'servers'" in settings.warnings[0]

    @pytest.mark.parametrize(
        ("table", "complaint"),
        [
            ('"llm.example"]\nfree = true', "not an http(s) address"),
            ('"https://a/v1"]\nfee = true', "unknown setting 'fee'"),
            ('"https://a/v1"]\nfree = 1', "free must be true or false"),
            ('"https://a/v1"]\nfree = true\n[servers."https://A/v1/"]\nfree = true', "twice"),
            (f'"https://a/v1"]\nfree = true\n[servers."https://a/v1".{PRICES}', "free and have prices"),
            ('"https://a/v1"]\nprices = 1', "must be a table"),
            ('"https://a/v1".prices]\nprompt = 1', "'prompt' must be a table"),
            ('"https://a/v1".prices."x"]\nprompt = 1', "needs a price for prompt and for completion"),
            ('"https://a/v1".prices."x"]\nprompt = -1\ncompletion = 1', "prompt"),
            ('"https://a/v1".prices."x"]\nprompt = 1\ncompletion = 1e20', "completion is '1E+20'"),
            ('"https://a/v1".prices."x"]\nprompt = 1\ncompletion = 1e-44', "beyond all prices"),
            ('"https://a/v1".prices." "]\nprompt = 1\ncompletion = 1', "name of a model is empty"),
            ('"https://a/v1"]', "says nothing"),
            ('"https://a/v1"]\nfree = false', "says nothing"),
            ('"https://a/v1".prices]', "says nothing"),
            (f'"https://a/v1".{PRICES}output = 3', "unknown setting 'output'"),
            (f'"https://a/v1".{PRICES}context_length = 0', "context_length"),
        ],
    )
    def test_what_makes_no_sense(self, load, table, complaint):
        assert complaint in refused(load, f"[servers.{table}").message

    @pytest.mark.parametrize("text", ["servers = 1", 'servers."https://a/v1" = 1'])
    def test_what_is_no_table(self, load, text):
        assert "must be a table" in refused(load, text).message


class TestPlaces:
    @pytest.mark.parametrize(
        "text",
        [
            "[budgets]\nday = -1",
            "[budgets]\nyear = 1",
            "max_cost = 'much'",
            "model = 1",
            "tags = 'ci'",
            'tags = ["a\\nb"]',
            "[[budget]]\nname = 'x'\nlimit = -1\nwindow = 'day'",
        ],
    )
    def test_a_refusal_names_the_file(self, load, tmp_path, text):
        assert refused(load, text).message.startswith(f"{tmp_path / 'config.toml'}: ")
        assert refused(load, "", text).message.startswith(f"{tmp_path / 'project' / '.neuralterm.toml'}: ")

    @pytest.mark.parametrize(
        "text",
        [
            "warning_level = 2",
            "timezone = ''",
            "timezone = 'Mars/Base'",
            "min_tokens = 0",
            "budget_wait = -1",
            "soft_budget = 1",
            "confirm_above = '1_000'",
            "tag_branch = 1",
            "timeout = 0",
            "base_url = 'ftp://x'",
            "key_command = 1",
            '[servers."https://a/v1"]',
            '[servers."https://a/v1"]\nfree = 1',
        ],
    )
    def test_a_refusal_of_what_only_the_user_sets_names_the_file_once(self, load, tmp_path, text):
        message = refused(load, text).message
        assert message.startswith(f"{tmp_path / 'config.toml'}: ")
        assert message.count("config.toml") == 1

    @pytest.mark.parametrize("name", ["NEURALTERM_BUDGET_YEAR", "NEURALTERM_BUDGET", "NEURALTERM_BUDGET_DAYS"])
    def test_a_misspelt_budget_of_the_environment_is_refused(self, load, name):
        error = refused(load, **{name: "1"})
        assert error.message == f"{name} is no setting, and would hold nothing back"
        assert "NEURALTERM_BUDGET_DAY, NEURALTERM_BUDGET_WEEK" in error.hint
        assert load(**{name: ""}).budgets == ()

    def test_the_others_of_that_beginning_are_known(self, load):
        assert load(NEURALTERM_BUDGET_WAIT="1").budget_wait == 1
        for window in ("DAY", "WEEK", "MONTH", "TOTAL"):
            assert len(load(**{f"NEURALTERM_BUDGET_{window}": "1"}).budgets) == 1


class TestAmounts:
    @pytest.mark.parametrize(
        ("text", "amount"),
        [
            ("1", "1"),
            ("$0.25", "0.25"),
            (" .5 ", "0.5"),
            ("2.", "2"),
            ("1e-3", "0.001"),
            ("5E+2", "500"),
            ("0e99", "0"),
        ],
    )
    def test_what_is_an_amount(self, text, amount):
        assert usd_or_none(text) == Decimal(amount)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "$",
            ".",
            "-1",
            "-0",
            "1_000",
            "1,000",
            "٣",
            "１",
            "1.2.3",
            "nan",
            "inf",
            "1e",
            "1e12",
            "1e999999",
            "$$1",
            "1 2",
        ],
    )
    def test_what_is_none(self, text):
        assert usd_or_none(text) is None

    def test_tags_of_the_environment(self, load):
        assert load(NEURALTERM_TAGS=" a, ,b,\n").tags == ("a", "b")
        for text in ("a\nb", "a\x1b[2J", "a\u2028b"):
            assert refused(load, NEURALTERM_TAGS=text).message.startswith("NEURALTERM_TAGS: the tag ")
