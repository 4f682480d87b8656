"""`send --template`: what of the template, of the options and of the input is sent."""

import re
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from .stand_in import MODEL
from .test_root import modules_of

PAGE = Path(__file__).resolve().parents[2] / "docs" / "templates.md"
PIPE = subprocess.PIPE


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a template of the user's: `write("name", 'prompt = "..."')`; the working directory is below an empty one."""
    work = tmp_path / "project" / "work"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)

    def write(name, text, folder=tmp_path / "templates"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")

    return write


def sent(service):
    """Return the body of the one chat request."""
    (request,) = service.chats
    return request.body


def contents(service):
    return [message["content"] for message in sent(service)["messages"]]


FULL = """
system = "Be $tone."
prompt = "Look at $what."
model = "other/model"
max_tokens = 50
temperature = 0.3
schema = "shape.json"
[defaults]
tone = "kind"
"""


@pytest.fixture
def full(write, tmp_path):
    """A template `full` that says all it can."""
    write("full", FULL)
    (tmp_path / "templates" / "shape.json").write_text('{"type": "object"}')


class TestWhatIsSent:
    def test_all_that_a_template_says(self, service, run, full):
        result = run("send", "-t", "full", "-p", "what", "this $tone", "and", "that")
        assert (result.code, result.out, result.err) == (0, "Hello there.\n", "")
        body = sent(service)
        assert contents(service) == ["Be kind.", "Look at this $tone.\n\nand that"]
        assert (body["model"], body["max_tokens"], body["temperature"]) == ("other/model", 50, Decimal("0.3"))
        assert body["response_format"]["json_schema"]["schema"] == {"type": "object"}
        assert body["provider"] == {"require_parameters": True}

    def test_options_win(self, service, run, full):
        options = ["-m", MODEL, "-s", "Mine.", "--max-tokens", "7", "--temperature", "1", "--schema", "{}"]
        run("send", "--template", "full", "--param", "what", "x", "--param", "tone", "rude", *options)
        body = sent(service)
        assert contents(service) == ["Mine.", "Look at x."]
        assert (body["model"], body["max_tokens"], body["temperature"]) == (MODEL, 7, 1)
        assert body["response_format"]["json_schema"]["schema"] == {}

    @pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
    def test_so_do_fields(self, service, run, full, name):
        fields = ["-o", name, "7", "-o", "temperature", "1", "-o", "response_format", '{"type": "json_object"}']
        run("send", "-t", "full", "-p", "what", "x", *fields)
        body = sent(service)
        assert (body["max_tokens"], body["temperature"]) == (7, 1)
        assert body["response_format"] == {"type": "json_object"}
        assert "max_completion_tokens" not in body

    def test_the_template_wins_over_the_settings(self, service, run, full, monkeypatch):
        monkeypatch.setenv("NEURALTERM_MODEL", "of/environment")
        run("send", "-t", "full", "-p", "what", "x")
        assert sent(service)["model"] == "other/model"

    def test_what_it_leaves_open_is_as_without_it(self, service, run, write):
        write("plain", 'prompt = "hello"')
        run("send", "-t", "plain")
        assert sent(service) == {
            "model": MODEL,
            "messages": [{"role": "user", "content": "hello"}],
            "stream": True,
        }

    def test_the_filled_prompt_is_in_the_history(self, service, run, write, stored):
        write("ask", 'prompt = "ask $who"')
        run("send", "-t", "ask", "-p", "who", "Ada")
        assert stored("SELECT content FROM messages WHERE role = 'user'") == [("ask Ada",)]
        assert stored("SELECT title FROM conversations") == [("ask Ada",)]

    def test_a_template_by_its_path(self, service, run, write):
        write("here", 'prompt = "from here"', Path())
        run("send", "-t", "./here.toml")
        assert contents(service) == ["from here"]


class TestInput:
    def test_each_in_its_place(self, service, run, write):
        Path("a.md").write_text("text of a")
        write("t", 'prompt = "$words: <$stdin>"')
        run("send", "-t", "t", "-f", "a.md", "be", "brief", stdin="piped\n")
        assert contents(service) == ["be brief: <piped>\n\na.md:\ntext of a"]

    def test_stdin_that_is_given_as_a_file(self, service, run, write):
        write("t", 'prompt = "<$stdin>"')
        run("send", "-t", "t", "-f", "-", stdin="piped")
        assert contents(service) == ["<piped>"]

    @pytest.mark.parametrize("prompt", ["$input", "$stdin"])
    def test_input_that_is_needed_and_missing(self, service, run, write, prompt):
        write("t", f'prompt = "{prompt}"')
        result = run("send", "-t", "t")
        assert (result.code, result.out, service.requests) == (2, "", [])
        assert result.err.startswith("error: the template 't' needs ")

    def test_input_that_is_needed_is_waited_for(self, service, start, write):
        write("t", 'prompt = "<$stdin>"')
        process = start("send", "-t", "t", "some words", stdin=PIPE)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.5)
        process.communicate(b"late")
        assert (process.returncode, contents(service)) == (0, ["<late>\n\nsome words"])

    def test_a_silent_stdin_does_not_hold_up_what_needs_none(self, service, start, write):
        write("t", 'prompt = "hello"')
        process = start("send", "-t", "t", stdin=PIPE)
        # Stdin stays open all the time.
        assert process.stdout.read() == b"Hello there.\n"
        assert process.wait() == 0
        assert process.stderr.read().startswith(b"note: stdin is open but silent")


class TestRefusals:
    @pytest.mark.parametrize(
        ("line", "code", "problem"),
        [
            (["-t", "full"], 2, "needs a value for what; its parameters: what, tone (default 'kind')"),
            (["-t", "full", "-p", "wat", "x"], 2, "has no parameter 'wat'"),
            (["-t", "ful"], 2, "there is no template 'ful'\nhint: did you mean full?"),
            (["-t", ""], 2, "'' is not a template's name"),
            (["-t", "../templates/full"], 2, "is not a template's name"),
            (["-t", "odd"], 3, "unknown key 'promt'"),
            (["-p", "what", "x"], 2, "-p gives a value to a template"),
        ],
    )
    def test_nothing_is_sent_and_stdin_is_left_alone(self, service, start, full, write, line, code, problem):
        write("odd", 'promt = "x"')
        # Stdin stays open and silent: who reads it waits for ever.
        process = start("send", *line, stdin=PIPE)
        assert process.wait() == code
        assert (process.stdout.read(), service.requests) == (b"", [])
        assert problem in process.stderr.read().decode()

    def test_in_json_too(self, run, full):
        result = run("send", "--json", "-t", "full")
        assert '"code":"INVALID_INPUT"' in result.err.replace(" ", "")

    def test_chat_has_no_templates(self, run):
        assert "No such option" in run("chat", "-t", "full").err


class TestProject:
    def test_its_folder_comes_first(self, service, run, write, tmp_path):
        write("t", 'prompt = "mine"')
        write("t", 'prompt = "theirs"', tmp_path / "project" / "prompts")
        (tmp_path / "project" / ".neuralterm.toml").write_text('templates = "prompts"')
        result = run("send", "-t", "t")
        assert (result.err, contents(service)) == ("", ["theirs"])

    @pytest.mark.parametrize("folder", ["../templates", "{tmp_path}/templates", "link", "~/x"])
    def test_its_folder_is_inside(self, service, run, write, tmp_path, folder):
        write("t", 'prompt = "mine"')
        (tmp_path / "project" / "link").symlink_to(tmp_path / "templates")
        (tmp_path / "project" / ".neuralterm.toml").write_text(f'templates = "{folder.format(tmp_path=tmp_path)}"')
        result = run("send", "-t", "t")
        assert (result.code, service.requests) == (3, [])
        assert "outside of" in result.err
        assert run("send", "hi").code == 0

    def test_the_users_file_names_a_folder(self, service, run, write, tmp_path):
        write("t", 'prompt = "from elsewhere"', tmp_path / "elsewhere")
        (tmp_path / "config.toml").write_text('templates = "elsewhere"')
        run("send", "-t", "t")
        assert contents(service) == ["from elsewhere"]


def test_send_without_a_template_imports_nothing_of_them(service):
    modules = modules_of("send", "hi")
    assert "neuralterm.cli.stdin" in modules
    assert [name for name in modules if "template" in name] == []


def test_the_page_tells_the_truth(service, run, write):
    page = PAGE.read_text(encoding="utf-8")
    (text,) = re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (block,) = re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    write("review", text)
    assert [line.startswith("git diff | neuralterm send -t review -p tone ") for line in block.splitlines()] == [
        True
    ] * 2
    run("send", "-t", "review", "-p", "tone", "kind", "-p", "count", "1", "the names matter most", stdin="+ x = 1\n")
    assert contents(service) == [
        "You review Python code. You are kind.",
        "What is wrong with this change? Name at most 1 things.\n\n+ x = 1\n\nthe names matter most",
    ]
