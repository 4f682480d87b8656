import os
from decimal import Decimal
from pathlib import Path

import platformdirs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.config import DEFAULT_BASE_URL, Settings, load_settings
from neuralterm.domain.budget import Budget, Window
from neuralterm.domain.exceptions import ConfigurationError
from neuralterm.domain.money import plain
from neuralterm.setting_files import user_folder
from neuralterm.setting_flags import Flags


def refused(load, *args, **kwargs):
    with pytest.raises(ConfigurationError) as caught:
        load(*args, **kwargs)
    return caught.value


def test_defaults(load, tmp_path):
    settings = load()
    assert settings == Settings(
        data_dir="data", templates=str(tmp_path / "templates"), user_file=str(tmp_path / "config.toml")
    )
    assert (settings.model, settings.base_url) == ("openai/gpt-4o-mini", DEFAULT_BASE_URL)
    assert (settings.max_cost, settings.budgets, settings.api_key) == (None, (), None)


def test_the_environment_is_read_from_the_process(monkeypatch, tmp_path):
    monkeypatch.setenv("NEURALTERM_MODEL", "a/b")
    assert load_settings(directory=str(tmp_path)).model == "a/b"


def test_without_names_the_folders_are_the_users_own(tmp_path):
    settings = load_settings(environ={}, directory=str(tmp_path))
    assert Path(settings.data_dir).is_absolute()
    assert Path(settings.data_dir).name == "neuralterm"


@pytest.mark.parametrize("home", ["/home/someone", "relative", "", None])
@pytest.mark.parametrize("named", ["/elsewhere/of mine/", " /padded ", "relative/folder", "~/below", " ", None])
def test_the_folders_of_the_user_are_those_of_the_system(home, named, monkeypatch):
    for name, value in (("HOME", home), ("XDG_DATA_HOME", named), ("XDG_CONFIG_HOME", named)):
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)

    data, config = (user_folder(kind, os.environ) for kind in ("data", "config"))

    assert data == platformdirs.user_data_dir("neuralterm", appauthor=False)
    assert config == platformdirs.user_config_dir("neuralterm", appauthor=False)


class TestPrecedence:
    def test_markdown_is_on_unless_switched_off(self, load):
        off, on = "markdown = false", "markdown = true"
        assert load().markdown
        assert load("").markdown
        assert not load(off).markdown
        assert load(off, NEURALTERM_MARKDOWN="1").markdown
        assert not load(on, NEURALTERM_MARKDOWN="0").markdown
        assert not load(off, NEURALTERM_MARKDOWN="").markdown
        assert load("", "markdown = false").markdown

    def test_environment_then_project_then_user(self, load):
        user, project = 'model = "of/user"', 'model = "of/project"'
        assert load(user).model == "of/user"
        assert load(user, project).model == "of/project"
        assert load(user, project, NEURALTERM_MODEL="of/environment").model == "of/environment"

    def test_the_nearest_project_file_counts(self, load, tmp_path):
        load(project='model = "outer"', below="a/b")
        (tmp_path / "project/a/.neuralterm.toml").write_text('model = "inner"')
        assert load(below="a/b").model == "inner"
        assert load().model == "outer"

    def test_a_flag_names_the_file(self, load, tmp_path):
        other = tmp_path / "other.toml"
        other.write_text('model = "other"')
        assert load('model = "usual"', flags=Flags(config=str(other))).model == "other"

    def test_a_file_that_is_named_by_a_flag_must_be_there(self, load, tmp_path):
        assert "does not exist" in refused(load, flags=Flags(config=str(tmp_path / "absent.toml"))).message

    def test_of_two_keys_the_services_own_name_counts(self, load):
        assert load(OPENROUTER_API_KEY=" sk-1\n", OPENROUTER_KEY="sk-2").api_key == "sk-1"
        assert load(OPENROUTER_KEY="sk-2").api_key == "sk-2"
        assert load(OPENROUTER_API_KEY="  ").api_key is None

    @pytest.mark.parametrize(("value", "sandbox"), [("1", True), ("0", False), ("", False)])
    def test_sandbox(self, load, value, sandbox):
        assert load(NEURALTERM_SANDBOX=value).sandbox is sandbox
        assert load(NEURALTERM_SANDBOX=value, flags=Flags(sandbox=True)).sandbox

    def test_the_sandbox_has_a_database_of_its_own(self, load):
        assert load().database == "data/neuralterm.db"
        assert load(NEURALTERM_SANDBOX="1").database == "data/sandbox/neuralterm.db"

    @pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
    def test_colour(self, load, environ):
        assert load(TERM="xterm").color
        assert not load(**environ).color
        assert not load(flags=Flags(no_color=True)).color


class TestMoney:
    @given(st.decimals(0, 10**6, places=12, allow_nan=False))
    def test_amounts_are_exact(self, amount):
        environ = {"NEURALTERM_CONFIG": "absent", "NEURALTERM_DATA_DIR": "data", "NEURALTERM_MAX_COST": plain(amount)}
        assert load_settings(environ=environ, directory="/").max_cost == amount

    def test_amounts_in_files_are_exact_too(self, load):
        settings = load('max_cost = 0.1\n[budgets]\nday = "$0.30"\nmonth = 5\n')
        assert settings.max_cost == Decimal("0.1")
        assert settings.budgets == (
            Budget("day budget", Decimal("0.3"), Window.DAY),
            Budget("month budget", Decimal(5), Window.MONTH),
        )

    def test_budgets_of_the_environment(self, load):
        names = {f"NEURALTERM_BUDGET_{name}": "2" for name in ("DAY", "WEEK", "MONTH", "TOTAL")}
        budgets = load("[budgets]\nday = 1", **names).budgets
        assert [(each.window, each.limit_usd) for each in budgets] == [
            (Window.DAY, 2),
            (Window.WEEK, 2),
            (Window.MONTH, 2),
            (Window.TOTAL, 2),
        ]

    def test_a_budget_of_nothing_is_a_budget(self, load):
        assert load(NEURALTERM_BUDGET_DAY="0").budgets[0].limit_usd == 0
        assert load(NEURALTERM_MAX_COST="0").max_cost == 0

    @pytest.mark.parametrize("amount", ["abc", "-1", "NaN", "inf", "1 000", "0,50"])
    def test_what_is_no_amount(self, load, amount):
        assert "NEURALTERM_MAX_COST" in refused(load, NEURALTERM_MAX_COST=amount).message
        assert "NEURALTERM_BUDGET_WEEK" in refused(load, NEURALTERM_BUDGET_WEEK=amount).message

    @pytest.mark.parametrize("value", ["true", "[1]", '"x"', "nan", "-0.5", "2026-01-01"])
    def test_what_is_no_amount_in_a_file(self, load, value):
        assert "max_cost" in refused(load, f"max_cost = {value}").message
        assert "day" in refused(load, f"[budgets]\nday = {value}").message

    def test_the_warning_level_goes_with_every_budget(self, load):
        settings = load("warning_level = 0.5\n[budgets]\nday = 1")
        assert settings.warning_level == settings.budgets[0].warning_level == Decimal("0.5")

    @pytest.mark.parametrize("level", ["0", "1.01", "80", "nan"])
    def test_what_is_no_warning_level(self, load, level):
        assert "warning_level" in refused(load, f"warning_level = {level}").message

    @pytest.mark.parametrize("budgets", ["budgets = 5", "[budgets]\nhour = 1", "[budgets]\ncall = 1"])
    def test_what_is_no_table_of_budgets(self, load, budgets):
        assert "[budgets]" in refused(load, budgets).message


class TestProjectFile:
    """It comes with a cloned repository, so it is not trusted."""

    def test_it_may_tighten(self, load):
        settings = load("max_cost = 1\n[budgets]\nday = 5", "max_cost = 0.5\n[budgets]\nday = 2\nweek = 7")
        assert settings.max_cost == Decimal("0.5")
        assert [(each.window, each.limit_usd) for each in settings.budgets] == [(Window.DAY, 2), (Window.WEEK, 7)]

    def test_it_may_not_loosen(self, load):
        project = "max_cost = 100\n[budgets]\nday = 100"
        settings = load("max_cost = 1\n[budgets]\nday = 5", project)
        assert (settings.max_cost, settings.budgets[0].limit_usd) == (1, 5)
        settings = load(project=project, NEURALTERM_MAX_COST="3", NEURALTERM_BUDGET_DAY="4")
        assert (settings.max_cost, settings.budgets[0].limit_usd) == (3, 4)

    def test_it_tightens_the_environment_too(self, load):
        settings = load(project="max_cost = 1\n[budgets]\nday = 2", NEURALTERM_MAX_COST="3", NEURALTERM_BUDGET_DAY="4")
        assert (settings.max_cost, settings.budgets[0].limit_usd) == (1, 2)

    @pytest.mark.parametrize(
        ("line", "unchanged"),
        [
            ('base_url = "https://evil.example/v1"', "base_url"),
            ('key_command = "cat /etc/passwd"', "key_command"),
            ("allow_insecure_http = true", "base_url"),
            ("warning_level = 1.0", "warning_level"),
            ("retry_for = 9999", "retry_for"),
            ("timeout = 1", "timeout"),
            ("nonsense = 1", "model"),
        ],
    )
    def test_what_it_can_not_set_is_ignored_and_said(self, load, line, unchanged):
        settings = load(project=line)
        assert getattr(settings, unchanged) == getattr(Settings("data"), unchanged)
        (warning,) = settings.warnings
        assert repr(line.partition(" ")[0]) in warning
        assert ".neuralterm.toml" in warning
        assert "evil" not in warning

    def test_it_can_not_allow_plain_http(self, load):
        error = refused(load, project="allow_insecure_http = true", OPENROUTER_BASE_URL="http://example.com/v1")
        assert "plain http" in error.message

    def test_damage_is_an_error(self, load):
        assert "not valid TOML" in refused(load, project="model =").message


class TestUserFile:
    def test_everything_else(self, load):
        settings = load('key_command = "pass show key"\ntimeout = 60\nidle_timeout = 5.5\nretry_for = 0\n')
        assert settings.key_command == "pass show key"
        assert (settings.timeout, settings.idle_timeout, settings.retry_for) == (60.0, 5.5, 0.0)

    def test_an_unknown_key_is_refused(self, load):
        error = refused(load, "max_costs = 1")
        assert "'max_costs'" in error.message
        assert "max_cost" in error.hint

    @pytest.mark.parametrize("text", ["model =", "[a", "x = 1 = 2"])
    def test_damage(self, load, text):
        assert "not valid TOML" in refused(load, text).message

    def test_it_must_be_utf8(self, load, tmp_path):
        (tmp_path / "config.toml").write_bytes(b'model = "\xff"')
        assert "UTF-8" in refused(load).message

    def test_a_folder_is_no_file(self, load, tmp_path):
        (tmp_path / "config.toml").mkdir()
        assert "can't be read" in refused(load).message

    @pytest.mark.parametrize("line", ["model = 3", "key_command = []", "base_url = true"])
    def test_texts_must_be_texts(self, load, line):
        assert "must be a text" in refused(load, line).message

    @pytest.mark.parametrize("value", ["-1", "true", '"5"', "nan", "inf", "[]"])
    @pytest.mark.parametrize("key", ["timeout", "idle_timeout", "retry_for"])
    def test_seconds_must_be_seconds(self, load, key, value):
        assert key in refused(load, f"{key} = {value}").message

    @pytest.mark.parametrize("key", ["timeout", "idle_timeout"])
    def test_a_timeout_of_nothing_is_none(self, load, key):
        assert key in refused(load, f"{key} = 0").message


class TestTemplates:
    def test_a_folder_counts_from_the_file_that_names_it(self, load, tmp_path):
        settings = load('templates = "prompts"', 'templates = "ci/prompts"', below="a/b")
        assert settings.templates == str(tmp_path / "prompts")
        assert settings.project_templates == str(tmp_path / "project/ci/prompts")
        assert settings.project_dir == str(tmp_path / "project")

    def test_a_folder_elsewhere(self, load, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        assert load('templates = "/prompts"').templates == "/prompts"
        assert load('templates = "~/prompts"').templates == str(tmp_path / "home/prompts")

    def test_it_is_beside_the_file_that_a_flag_names(self, load, tmp_path):
        other = tmp_path / "other" / "mine.toml"
        other.parent.mkdir()
        other.write_text("")
        assert load(flags=Flags(config=str(other))).templates == str(other.parent / "templates")

    @pytest.mark.parametrize("value", ["3", "true", '["a"]'])
    def test_what_is_no_folder(self, load, value):
        assert "templates must be a text" in refused(load, f"templates = {value}").message
        assert "templates must be a text" in refused(load, "", f"templates = {value}").message


class TestTags:
    def test_of_all_places_each_once(self, load):
        settings = load('tags = ["user", "ci"]', 'tags = ["project"]', NEURALTERM_TAGS=" ci, nightly ,,ci")
        assert settings.tags == ("ci", "nightly", "project", "user")

    @pytest.mark.parametrize("tags", ['"ci"', "[1]", "{}"])
    def test_what_is_no_list_of_tags(self, load, tags):
        assert "tags" in refused(load, f"tags = {tags}").message

    def test_run_id(self, load):
        assert load(NEURALTERM_RUN_ID="job-7").run_id == "job-7"
        assert load(NEURALTERM_RUN_ID="").run_id is None


class TestBaseUrl:
    @pytest.mark.parametrize(
        "url",
        [
            "https://example.com/v1",
            "http://localhost:8080/v1",
            "http://127.0.0.1:1234",
            "http://127.9.9.9/v1",
            "http://[::1]:8080/v1",
            "http://[::ffff:127.0.0.1]/v1",
            "http://LOCALHOST/v1",
        ],
    )
    def test_allowed(self, load, url):
        assert load(OPENROUTER_BASE_URL=url).base_url == url
        assert load(f'base_url = "{url}"').base_url == url

    def test_a_trailing_slash_is_dropped(self, load):
        assert load(OPENROUTER_BASE_URL=" https://example.com/v1/ ").base_url == "https://example.com/v1"

    def test_the_environment_wins(self, load):
        user = 'base_url = "https://user.example"'
        assert load(user, OPENROUTER_BASE_URL="https://env.example").base_url == "https://env.example"

    @pytest.mark.parametrize(
        "url",
        [
            "http://example.com/v1",
            "http://127.0.0.1.example.com/v1",
            "http://localhost.example.com/v1",
            "http://localhost@example.com/v1",
            "http://0.0.0.0/v1",
            "http://10.0.0.1/v1",
            "http://127.0.0.1@example.com/v1",
            "http://127.0.0.1:80@example.com/v1",
            "HTTP://EXAMPLE.COM/v1",
            "http://xn--lcalhost-54g.com/v1",
            "http://l\u043ecalhost/v1",
            "http://\uff4cocalhost/v1",
            "http://localhost./v1",
            "http://127.0.0.1./v1",
            "http://[::ffff:10.0.0.1]/v1",
            "http://[::]/v1",
            "http://2130706433/v1",
            "http://0177.0.0.1/v1",
            "http://0x7f.0.0.1/v1",
            "http://127.1/v1",
            "http://127.0.0.1\\@example.com/v1",
            "http://example.com\\@127.0.0.1.example.com/v1",
            "http://example.com#@127.0.0.1/v1",
            "http://example.com?@127.0.0.1/v1",
            "http://example.com/@127.0.0.1/v1",
        ],
    )
    def test_plain_http_only_to_this_machine(self, load, url):
        error = refused(load, OPENROUTER_BASE_URL=url)
        assert "plain http" in error.message
        assert "allow_insecure_http" in error.hint
        assert load("allow_insecure_http = true", OPENROUTER_BASE_URL=url).base_url == url

    def test_a_password_in_a_refused_address_is_not_repeated(self, load):
        for url in ("http://bob:hunter2@example.com/v1", "ftp://bob:hunter2@example.com"):
            assert "hunter2" not in refused(load, OPENROUTER_BASE_URL=url).message

    @pytest.mark.parametrize(
        "url",
        [
            "example.com/v1",
            "ftp://example.com",
            "https://",
            "https://[",
            "file:///etc/passwd",
            "https://example.com:port",
        ],
    )
    def test_what_is_no_address(self, load, url):
        assert "base URL" in refused(load, OPENROUTER_BASE_URL=url).message


def test_the_key_is_not_in_the_representation(load):
    settings = load('key_command = "echo sk-secret"', OPENROUTER_API_KEY="sk-secret")
    assert settings.api_key == "sk-secret"
    assert "sk-secret" not in repr(settings)
    assert "sk-secret" not in str(settings)
