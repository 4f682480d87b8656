"""Templates on the disk: where they are found, and what they can't reach."""

import json
import os

import pytest

from neuralterm.domain.exceptions import ConfigurationError, NotFoundError, ValidationError
from neuralterm.infrastructure.template_files import TemplateFiles, TemplateFolder

HELLO = 'prompt = "hello"\n'
SECRET = '{"secret": 1}'


@pytest.fixture
def project(tmp_path):
    """A project's folder with a folder of templates in it, and beside the project a file that is none of its business."""
    (tmp_path / "project" / "prompts").mkdir(parents=True)
    (tmp_path / "secret.json").write_text(SECRET)
    (tmp_path / "secret.toml").write_text(HELLO)
    return tmp_path / "project"


@pytest.fixture
def own(tmp_path):
    """The user's own folder."""
    (tmp_path / "own").mkdir()
    return tmp_path / "own"


@pytest.fixture
def files(project, own):
    """Both folders, the project's first."""
    return TemplateFiles([TemplateFolder(project / "prompts", project), TemplateFolder(own)])


def refused(files, name, kind=ConfigurationError):
    with pytest.raises(kind) as caught:
        files.load(name)
    assert type(caught.value) is kind
    return caught.value


class TestNames:
    def test_the_project_comes_before_the_user(self, files, project, own):
        (own / "a.toml").write_text('prompt = "mine"')
        assert files.load("a").prompt == "mine"
        (project / "prompts" / "a.toml").write_text('prompt = "theirs"')
        assert files.load("a").prompt == "theirs"

    @pytest.mark.parametrize("name", ["a", "a-b_c", "v1.2", "x.toml", "-x", "übung", "9"])
    def test_plain_names(self, files, own, name):
        (own / f"{name}.toml").write_text(HELLO)
        assert files.load(name).name == name

    @pytest.mark.parametrize(
        "name", ["", ".", "..", ".a", "a/b", "../own/a", "/a", "a b", "a\n", "a\x00b", "a\\b", "*"]
    )
    def test_what_is_no_name(self, files, own, name):
        (own / "a.toml").write_text(HELLO)
        assert "is not a template's name" in refused(files, name, ValidationError).message

    def test_one_that_is_not_there_with_close_ones(self, files, project, own):
        (project / "prompts" / "review.toml").write_text(HELLO)
        (own / "translate.toml").write_text(HELLO)
        (own / ".review.toml").write_text(HELLO)
        error = refused(files, "revew", NotFoundError)
        assert (error.message, error.hint) == ("there is no template 'revew'", "did you mean review?")
        assert refused(files, "zzz", NotFoundError).hint == "there are: review, translate"

    def test_where_there_are_none(self, files, own, project):
        hint = refused(files, "a", NotFoundError).hint
        assert hint == f"templates are looked for in {project / 'prompts'}, {own}"
        absent = TemplateFiles([TemplateFolder(own / "absent")])
        assert str(own / "absent") in refused(absent, "a", NotFoundError).hint

    def test_a_folder_is_no_template(self, files, own):
        (own / "a.toml").mkdir()
        refused(files, "a", NotFoundError)


class TestPaths:
    def test_a_path_is_taken_as_it_is(self, files, tmp_path, monkeypatch):
        (tmp_path / "x.toml").write_text(HELLO)
        monkeypatch.chdir(tmp_path)
        assert files.load("./x.toml").name == "x"
        assert files.load(str(tmp_path / "x.toml")).prompt == "hello"

    def test_one_that_is_not_there(self, files):
        assert refused(files, "./x.toml", NotFoundError).message == "there is no template file ./x.toml"

    def test_a_file_name_without_a_slash_is_a_name(self, files, tmp_path, monkeypatch):
        (tmp_path / "x.toml").write_text(HELLO)
        monkeypatch.chdir(tmp_path)
        assert refused(files, "x.toml", NotFoundError).hint == "a file is named with a slash: ./x.toml"


class TestContent:
    @pytest.mark.parametrize("text", ["prompt =", "[", "hello", "a = " + "[" * 5000])
    def test_what_is_no_toml(self, files, own, text):
        (own / "a.toml").write_text(text)
        assert f"{own / 'a.toml'} is not valid TOML" in refused(files, "a").message

    def test_what_is_no_text(self, files, own):
        (own / "a.toml").write_bytes(b'prompt = "\xff"')
        assert refused(files, "a").message == f"{own / 'a.toml'} is not UTF-8 text"

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_what_may_not_be_read(self, files, own):
        (own / "a.toml").write_text(HELLO)
        (own / "a.toml").chmod(0)
        assert "can't be read: Permission denied" in refused(files, "a").message

    def test_an_unknown_key(self, files, own):
        (own / "a.toml").write_text(HELLO + "base_url = 'x'")
        assert "unknown key 'base_url'" in refused(files, "a").message


class TestSchema:
    def test_a_table(self, files, own):
        (own / "a.toml").write_text(HELLO + '[schema]\ntype = "object"\n[schema.properties.n]\nmaximum = 0.5')
        schema = {"type": "object", "properties": {"n": {"maximum": 0.5}}}
        assert json.dumps(files.load("a").schema) == json.dumps(schema)

    @pytest.mark.parametrize("value", ["2026-01-01", "12:00:00", "nan", "-inf"])
    def test_a_table_with_what_json_has_not(self, files, own, value):
        (own / "a.toml").write_text(HELLO + f"[schema]\ndefault = {value}")
        assert "what JSON does not have" in refused(files, "a").message

    def test_a_file_counts_from_the_template(self, files, own, tmp_path, monkeypatch):
        (own / "a.toml").write_text(HELLO + 'schema = "sub/s.json"')
        (own / "sub").mkdir()
        (own / "sub" / "s.json").write_text('{"type": "object"}')
        assert files.load("a").schema == {"type": "object"}
        monkeypatch.chdir(tmp_path)
        assert files.load("own/a.toml").schema == {"type": "object"}

    @pytest.mark.parametrize(
        ("text", "problem"),
        [("{", "is not valid JSON"), ("[1]", "must be a JSON object"), ("[" * 100_000, "is not valid JSON")],
    )
    def test_a_file_that_is_no_schema(self, files, own, text, problem):
        (own / "a.toml").write_text(HELLO + 'schema = "s.json"')
        (own / "s.json").write_text(text)
        assert problem in refused(files, "a").message

    @pytest.mark.parametrize("name", ["absent.json", ".", ""])
    def test_a_file_that_is_not_there(self, files, own, name):
        (own / "a.toml").write_text(HELLO + f'schema = "{name}"')
        assert "can't be read" in refused(files, "a").message

    def test_the_users_own_may_be_anywhere(self, files, own, tmp_path):
        (own / "a.toml").write_text(HELLO + f'schema = "{tmp_path / "secret.json"}"')
        assert files.load("a").schema == {"secret": 1}


class TestReach:
    """A project comes from someone else: its templates must not read what is not part of it."""

    @pytest.mark.parametrize("folder", ["..", "../own", "/", "link", "link/sub"])
    def test_a_folder_outside_is_refused_whatever_is_asked_for(self, project, own, tmp_path, folder):
        (project / "link").symlink_to(tmp_path)
        (own / "a.toml").write_text(HELLO)
        files = TemplateFiles([TemplateFolder(project / folder, project), TemplateFolder(own)])
        assert "outside of" in refused(files, "a").message

    def test_a_link_to_a_template_outside(self, files, project, tmp_path):
        (project / "prompts" / "a.toml").symlink_to(tmp_path / "secret.toml")
        assert "outside of" in refused(files, "a").message

    def test_links_inside_are_fine_and_so_is_a_project_that_is_reached_by_one(self, project, tmp_path):
        (project / "real.toml").write_text(HELLO)
        (project / "prompts" / "a.toml").symlink_to("../real.toml")
        (tmp_path / "alias").symlink_to(project)
        alias = tmp_path / "alias"
        assert TemplateFiles([TemplateFolder(alias / "prompts", alias)]).load("a").prompt == "hello"
        assert TemplateFiles([TemplateFolder(alias / "prompts", project)]).load("a").prompt == "hello"

    @pytest.mark.parametrize("schema", ["../../secret.json", "link.json", "{outside}/secret.json"])
    def test_a_schema_outside(self, files, project, tmp_path, schema):
        (project / "prompts" / "link.json").symlink_to(tmp_path / "secret.json")
        path = schema.format(outside=tmp_path)
        (project / "prompts" / "a.toml").write_text(HELLO + f'schema = "{path}"')
        error = refused(files, "a")
        assert "outside of" in error.message
        assert SECRET not in error.message

    def test_a_schema_elsewhere_in_the_project(self, files, project):
        (project / "s.json").write_text("{}")
        (project / "prompts" / "a.toml").write_text(HELLO + 'schema = "../s.json"')
        assert files.load("a").schema == {}

    def test_a_template_named_by_its_path_reaches_only_below_itself(self, files, project):
        (project / "s.json").write_text("{}")
        (project / "prompts" / "a.toml").write_text(HELLO + 'schema = "../s.json"')
        assert "outside of" in refused(files, str(project / "prompts" / "a.toml")).message

    def test_links_in_a_circle(self, project):
        (project / "a").symlink_to("b")
        (project / "b").symlink_to("a")
        files = TemplateFiles([TemplateFolder(project / "a", project)])
        refused(files, "x", NotFoundError)

    def test_a_folder_with_a_name_that_can_not_be(self, project):
        files = TemplateFiles([TemplateFolder(project / "a\x00b", project)])
        assert "can't be the path of a file" in refused(files, "x").message
