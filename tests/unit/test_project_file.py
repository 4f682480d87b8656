"""A project file comes with a checkout of someone else's."""

import os

import pytest

from neuralterm.domain.exceptions import ConfigurationError

SECRET = "aws_secret = 'hunter2'"


def refused(load, project):
    with pytest.raises(ConfigurationError) as caught:
        load(project=project)
    return caught.value


@pytest.fixture
def place(tmp_path):
    (tmp_path / "project").mkdir()
    return tmp_path / "project" / ".neuralterm.toml"


@pytest.mark.parametrize("target", ["../secret.toml", "elsewhere.toml", "/proc/self/environ"])
def test_a_link_is_not_followed_and_nothing_of_what_it_leads_to_is_shown(load, tmp_path, place, target):
    for name in ("secret.toml", "project/elsewhere.toml"):
        (tmp_path / name).write_text(SECRET)
    place.symlink_to(target)
    error = refused(load, None)
    assert "is a link" in error.message
    assert "aws_secret" not in str(error)


def test_what_is_no_file_is_passed_over(load, place, tmp_path):
    os.mkfifo(place)
    (tmp_path / ".neuralterm.toml").write_text('model = "further/up"')
    assert load().model == "further/up"
    place.unlink()
    place.mkdir()
    assert load().model == "further/up"
    place.rmdir()
    place.symlink_to("/dev/zero")
    assert load().model == "further/up"


@pytest.mark.parametrize(
    ("project", "problem"),
    [
        ("#" * (64 * 1024 + 1), "larger than 64 KiB"),
        ("a." * 20_000 + "b = 1", "too many parts"),
        ("[" + '"x" . ' * 5_000 + "b]", "too many parts"),
        ("tags = " + "[" * 30_000, "not valid TOML"),
        ("max_cost = " + "9" * 30_000, "not valid TOML"),
        ('model = "a\\u001b[2J"', "no model's name"),
        ('model = "a\\nerror: the budget is used up"', "no model's name"),
        ('model = "a\\u202eb"', "no model's name"),
        ('tags = ["a\\u001b[2J"]', "control characters"),
        ("tags = ['a\\\nb']", "not valid TOML"),
        ('max_cost = "\\u001b[2J"', "not an amount"),
        ('templates = "\\u0000"', None),
        ('redact = "no"', "must be true or false"),
    ],
)
def test_what_would_hold_somebody_up_or_lead_him_astray(load, project, problem):
    if problem is None:
        assert load(project=project).project_templates is not None  # it is read, and refused, only where it is used
        return
    error = refused(load, project)
    assert problem in error.message
    assert error.message.isprintable()
    assert len(error.message) < 500


def test_many_keys_are_not_all_named_and_long_ones_not_wholly(load):
    keys = "".join(f'"{"k" * 200}{number:03}\\u001b" = 1\n' for number in range(100))
    warnings = load(project=keys).warnings
    assert len(warnings) == 6
    assert warnings[-1].endswith("95 more keys are ignored")
    assert all(warning.isprintable() and len(warning) < 400 for warning in warnings)


def test_a_folder_with_a_line_end_in_its_name_makes_no_line_of_its_own(load):
    (warning,) = load(project="nonsense = 1", below="a").warnings
    assert "\n" not in warning


@pytest.mark.parametrize("key", ["key_command", "base_url", "allow_insecure_http", "no_log", "servers", "soft_budget"])
def test_what_only_the_user_may_set_is_not_even_looked_at(load, key):
    settings = load(project=f"{key} = [1]")
    assert repr(key) in settings.warnings[0]


def test_redaction_can_be_switched_on_and_never_off(load):
    assert load(project="redact = true").redact
    assert load("redact = true", "redact = false").redact
    assert not load("", "redact = false").redact
    both = load("redact_patterns = ['a']", "redact_patterns = ['b']")
    assert [pattern.pattern for pattern in both.redact_patterns] == ["a", "b"]
    assert [pattern.pattern for pattern in load("redact_patterns = ['a']", "").redact_patterns] == ["a"]
