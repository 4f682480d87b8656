"""What holds for every command: help, imports, settings, files, faults, colours and encodings."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys

import click
import pytest

from neuralterm.cli.root import cli
from neuralterm.cli.what_was_meant import OTHER_NAMES

from .stand_in import StandIn, error, text

# Nor may help: each takes as much as a twentieth of its time.
NOT_FOR_HELP = {"shutil", "dataclasses", "json", "logging", "socket", "tomllib", "platformdirs", "http"}
HEAVY = {"httpx", "pydantic", "tiktoken", "anyio", "tabulate", "sqlite3", "prompt_toolkit", "asyncio"}
NOT_FOR_SEND = (
    (HEAVY - {"sqlite3"})
    | {
        "importlib.metadata",
        "ssl",
        "http",
        "email",
        "logging",
        "dataclasses",
        "random",
        "shutil",
        "tomllib",
        "platformdirs",
    }
    | {f"neuralterm.application.{name}" for name in ("own_patterns", "secret_patterns", "unlogged")}
)
LIST_MODULES = """
import atexit, sys
from neuralterm.__main__ import main
atexit.register(lambda: print("\\n".join(sys.modules), file=sys.stderr))
main()
"""


def modules_of(*args):
    """Return the names of the modules that a command line imports."""
    done = subprocess.run([sys.executable, "-c", LIST_MODULES, *args], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


class TestImports:
    @pytest.mark.parametrize(
        "line",
        [["--help"], ["--version"], ["send", "--help"], ["chat", "--help"], ["models", "--help"], ["cost", "--help"]],
        ids=" ".join,
    )
    def test_help_imports_nothing_heavy(self, line):
        assert modules_of(*line) & (HEAVY | NOT_FOR_HELP) == set()

    def test_send_imports_no_more_than_its_path_needs(self, service):
        modules = modules_of("send", "hi")
        assert modules & NOT_FOR_SEND == set()
        assert "socket" in modules

    @pytest.mark.parametrize(
        ("options", "is_counted"),
        [
            (["--max-cost", "1"], False),
            (["--max-cost", "1", "--ndjson"], True),
            (["--max-cost", "0.001"], True),
        ],
        ids=["far", "asked for", "near"],
    )
    def test_under_a_budget_a_vocabulary_is_loaded_only_where_it_matters(self, service, options, is_counted):
        assert ("tiktoken" in modules_of("send", *options, "hi")) is is_counted

    def test_the_model_list_is_shown_without_what_asks_for_it(self, service, run):
        run("models")
        assert modules_of("models") & {"httpx", "pydantic", "asyncio", "importlib.metadata", "wcwidth"} == set()

    def test_importing_the_package_opens_and_reads_nothing(self, tmp_path, data_dir):
        subprocess.run([sys.executable, "-c", "import neuralterm, neuralterm.cli.root"], check=True)
        assert not os.path.exists(data_dir)


class TestUsage:
    def test_help_goes_to_stdout(self, run):
        result = run("--help")
        assert (result.code, result.err) == (0, "")
        assert result.out.startswith("Usage: neuralterm [OPTIONS] COMMAND [ARGS]...\n")
        assert run("-h").out == result.out

    def test_version(self, run):
        from neuralterm import __version__

        result = run("--version")
        assert (result.code, result.out, result.err) == (0, f"neuralterm, version {__version__}\n", "")

    def test_without_a_command_the_help_is_shown_as_it_is(self, run):
        result = run()
        assert (result.code, result.out) == (2, "")
        assert result.err == run("--help").out

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            (["frobnicate", "hi"], "No such command 'frobnicate'"),
            (["send", "--bogus", "hi"], "No such option"),
            (["--bogus"], "No such option"),
            (["send", "--max-tokens", "0", "hi"], "Invalid value for '--max-tokens'"),
            (["send", "--max-cost", "much", "hi"], "Invalid value for '--max-cost'"),
            (["send", "--max-cost", "-1", "hi"], "Invalid value for '--max-cost'"),
            (["send", "--max-cost", "nan", "hi"], "Invalid value for '--max-cost'"),
            (["send", "--temperature", "3", "hi"], "Invalid value for '--temperature'"),
            (["send", "--temperature", "nan", "hi"], "Invalid value for '--temperature'"),
            (["send", "--timeout", "nan", "hi"], "Invalid value for '--timeout'"),
            (["send", "--idle-timeout", "inf", "hi"], "Invalid value for '--idle-timeout'"),
            (["send", "--retry-for", "nan", "hi"], "Invalid value for '--retry-for'"),
            (["send", "--max-tokens", "99999999999999999999", "hi"], "Invalid value for '--max-tokens'"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else None,
    )
    def test_a_wrong_command_line_is_one_sentence_and_a_hint(self, service, run, line, message):
        result = run(*line)
        problem, hint = result.err.splitlines()
        assert (result.code, result.out, service.requests) == (2, "", [])
        assert f"{problem}\n".startswith(f"error: {message}")
        assert hint.startswith("hint: `neuralterm")
        assert hint.endswith("--help` shows how")

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["-m", ""], "-m is empty"),
            (["-m", " "], "-m is empty"),
            (["--fallback", ""], "--fallback is empty"),
            (["--provider", ""], "--provider is empty"),
            (["--tag", ""], "a tag is empty"),
            (["--tag", "a\nb"], "the tag 'a\\nb' has control characters"),
            (["--tag", "a\x1b[2J"], "the tag 'a\\x1b[2J' has control characters"),
            (["--max-cost", "1_000"], "Invalid value for '--max-cost'"),
            (["--max-cost", "٣"], "Invalid value for '--max-cost'"),
        ],
    )
    def test_values_that_nobody_means_are_refused(self, service, run, options, message):
        for line in (["send", *options, "hi"], ["chat", *options]):
            result = run(*line, stdin="hi\n")
            assert (result.code, result.out, service.chats) == (2, "", [])
            assert result.err.startswith(f"error: {message}")

    @pytest.mark.parametrize(
        ("line", "path"),
        [
            (["cost", "--bogus"], "cost"),
            (["cost", "report", "--bogus"], "cost"),
            (["cost", "check", "--bogus"], "cost check"),
            (["cost", "budget", "--bogus"], "cost budget"),
            (["cost", "budget", "set"], "cost budget set"),
            (["cost", "budget", "zzz"], "cost budget"),
            (["models", "--bogus"], "models"),
            (["history", "--bogus"], "history"),
            (["send", "--bogus"], "send"),
            (["send", "--version"], "send"),
        ],
    )
    def test_the_hint_names_a_page_that_the_reference_has(self, run, line, path):
        assert run(*line).err.splitlines()[1] == f"hint: `neuralterm {path} --help` shows how"

    @pytest.mark.parametrize(
        ("line", "instead"),
        [
            (["send", "--sandbox", "hi"], "--sandbox send ..."),
            (["send", "--config", "x", "hi"], "--config ... send ..."),
            (["cost", "-q"], "-q cost ..."),
            (["cost", "budget", "set", "--debug", "x", "1"], "--debug cost budget set ..."),
        ],
    )
    def test_an_option_of_the_whole_program_goes_before_the_command(self, run, line, instead):
        result = run(*line)
        problem, hint = result.err.splitlines()
        assert result.code == 2
        assert problem.startswith("error: No such option")
        assert hint == f"hint: it goes before the command: `neuralterm {instead}`"

    @pytest.mark.parametrize("line", [["--json", "models"], ["-m", "x", "send", "hi"]])
    def test_an_option_of_a_command_goes_behind_it(self, run, line):
        problem, hint = run(*line).err.splitlines()[:2]
        assert problem == f"error: No such option '{line[0]}'."
        assert hint == f"hint: it goes behind the command: `neuralterm COMMAND {line[0]} ...`"

    @pytest.mark.parametrize(
        ("line", "instead"),
        [
            (["sned", "hi"], "did you mean `neuralterm send`?"),
            (["Models"], "did you mean `neuralterm models`?"),
            (["logs"], "did you mean `neuralterm history`?"),
            (["search", "x"], "did you mean `neuralterm history search`?"),
            (["why is the sky blue?"], "`neuralterm send ...` sends a prompt"),
            (["history", "serach", "x"], "did you mean `neuralterm history search`?"),
            (["history", "rm", "x"], "did you mean `neuralterm history delete`?"),
            (["cost", "daily"], "did you mean `neuralterm cost --by day`?"),
            (["cost", "budget", "st", "x", "1"], "did you mean `neuralterm cost budget set`?"),
        ],
    )
    def test_a_command_that_is_not_there_gets_one_that_is(self, run, line, instead):
        result = run(*line)
        assert result.code == 2
        assert result.err.splitlines()[1] == f"hint: {instead}"

    @pytest.mark.parametrize(
        ("line", "instead"),
        [
            (["send", "--max-budget-usd", "1", "hi"], "it is called --max-cost here"),
            (["chat", "--session", "x"], "it is called --cid here"),
        ],
    )
    def test_an_option_of_another_tool_gets_the_name_it_has_here(self, run, line, instead):
        problem, hint = run(*line).err.splitlines()
        assert problem == f"error: No such option '{line[1]}'."
        assert hint == f"hint: {instead}"

    def test_a_key_as_an_option_is_not_taken_and_not_shown(self, run):
        result = run("send", "--api-key=sk-or-v1-secret", "hi")
        assert result.code == 2
        assert "OPENROUTER_API_KEY" in result.err
        assert "secret" not in result.err

    def test_what_other_tools_call_it_is_told_by_names_that_exist(self):
        for path, others in OTHER_NAMES.items():
            for name, meant in others.items():
                context = click.Context(cli, info_name="neuralterm")
                group = cli
                for word in path.split()[1:]:
                    group = group.get_command(context, word)
                assert name not in group.list_commands(context)
                words = meant.split()
                while words and not words[0].startswith("-"):
                    group = group.get_command(context, words.pop(0))
                    assert group is not None, meant


class TestSettings:
    def test_a_configuration_file_that_is_missing_is_told(self, service, run):
        result = run("--config", "/nowhere/config.toml", "send", "hi")
        assert (result.code, result.out, service.requests) == (3, "", [])
        assert result.err == "error: the configuration file /nowhere/config.toml does not exist\n"

    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            (b"model = ", "is not valid TOML"),
            (b"timeout = 1" + b"0" * 5000, "is not valid TOML"),
            (b"\xff\xfe\x00", "can't be read: it is not UTF-8 text"),
            (b"bugdets = 3\n", "unknown setting 'bugdets'"),
            (b'max_cost = "lots"\n', "max_cost is 'lots', which is not an amount in USD"),
            (b"timeout = 1" + b"0" * 400, "timeout must be a number of seconds above 0"),
            (b'base_url = "ftp://x"\n', "is not an http(s) address"),
            (b'base_url = "http://example.org/api"\n', "would send the key over plain http"),
        ],
    )
    def test_a_configuration_that_cannot_be_used_is_told(self, service, run, tmp_path, monkeypatch, content, complaint):
        monkeypatch.delenv("OPENROUTER_BASE_URL")
        (tmp_path / "config.toml").write_bytes(content)
        result = run("send", "--json", "hi")
        problem = json.loads(result.err.splitlines()[-1])["error"]
        assert (result.code, result.out, service.requests, problem["exit_code"]) == (3, "", [], 3)
        assert complaint in result.err.splitlines()[0]

    def test_a_directory_in_place_of_the_file_is_told(self, service, run, tmp_path):
        (tmp_path / "config.toml").mkdir()
        result = run("send", "hi")
        assert (result.code, result.out) == (3, "")
        assert "can't be read: Is a directory" in result.err

    def test_a_project_file_cannot_send_the_key_elsewhere(self, service, run, tmp_path, monkeypatch):
        thief = StandIn()
        (tmp_path / ".neuralterm.toml").write_text(f'base_url = "{thief.url}"\nkey_command = "touch stolen"\n')
        monkeypatch.chdir(tmp_path)
        result = run("send", "hi")
        thief.close()
        assert (result.code, result.out, thief.requests, len(service.chats)) == (0, "Hello there.\n", [], 1)
        assert result.err.count("warning: ") == 2
        assert not (tmp_path / "stolen").exists()

    def test_a_project_file_can_tighten_a_budget_and_not_loosen_one(self, service, run, tmp_path, monkeypatch):
        (tmp_path / ".neuralterm.toml").write_text("max_cost = 0.0001\n")
        monkeypatch.chdir(tmp_path)
        run("send", "hi")
        monkeypatch.setenv("NEURALTERM_MAX_COST", "0.00005")
        run("send", "hi")
        first, second = (request.body["max_tokens"] for request in service.chats)
        assert second < first < 167

    def test_in_a_folder_that_was_deleted_there_is_no_project_file(self, service, run, tmp_path, monkeypatch):
        gone = tmp_path / "gone"
        gone.mkdir()
        monkeypatch.chdir(gone)
        gone.rmdir()
        monkeypatch.setenv("NEURALTERM_TAG_BRANCH", "1")

        result = run("send", "--json", "hi")

        assert (result.code, json.loads(result.out)["tags"]) == (0, [])

    def test_an_empty_name_of_a_configuration_file_is_not_that_of_the_usual_one(self, service, run, tmp_path):
        (tmp_path / "config.toml").write_text("")
        result = run("--config", "", "send", "hi")
        assert (result.code, service.requests) == (3, [])
        assert "does not exist" in result.err

    def test_the_key_may_come_from_a_command(self, service, run, tmp_path, monkeypatch):
        monkeypatch.delenv("OPENROUTER_API_KEY")
        (tmp_path / "config.toml").write_text('key_command = "echo sk-from-command"\n')
        assert run("send", "hi").code == 0
        assert service.chats[0].headers["authorization"] == "Bearer sk-from-command"


class TestFiles:
    def test_the_directory_is_private_and_so_is_everything_in_it(self, service, run, data_dir):
        previous = os.umask(0)
        try:
            run("send", "hi")
        finally:
            os.umask(previous)
        assert stat.S_IMODE(os.stat(data_dir).st_mode) == 0o700
        modes = {name: stat.S_IMODE(os.stat(os.path.join(data_dir, name)).st_mode) for name in os.listdir(data_dir)}
        assert modes["neuralterm.db"] == 0o600
        assert set(modes.values()) == {0o600}

    @pytest.mark.parametrize(
        "content", [b"this is not a database, whatever its name says" * 100, b"SQLite format 3\x00junk"]
    )
    def test_a_damaged_database_is_one_sentence(self, service, run, data_dir, content):
        os.mkdir(data_dir)
        with open(os.path.join(data_dir, "neuralterm.db"), "wb") as file:
            file.write(content)
        result = run("send", "hi")
        problem, hint = result.err.splitlines()
        assert (result.code, result.out, service.chats) == (3, "", [])
        assert problem.startswith("error: the database ")
        assert "damaged" in problem
        assert hint.startswith("hint: ")

    def test_a_directory_that_cannot_be_made_is_one_sentence(self, service, run, tmp_path, monkeypatch):
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("NEURALTERM_DATA_DIR", str(tmp_path / "file" / "data"))
        result = run("send", "hi")
        problem, hint = result.err.splitlines()
        assert (result.code, result.out, service.chats) == (3, "", [])
        assert problem.startswith(f"error: the directory {tmp_path / 'file' / 'data'} can't be made: ")
        assert hint.startswith("hint: ")

    def test_what_to_do_next_is_told_as_it_has_to_be_typed(self, run):
        hint = run("--sandbox", "send", "-m", "sandbox/cut", "hi").err.splitlines()[-1]
        command = re.fullmatch(r"hint: `neuralterm (--sandbox send --resume [0-9a-f-]{36})` asks for the rest", hint)[1]
        assert run(*command.split()).code == 9  # cut again

    def test_the_sandbox_keeps_a_database_of_its_own(self, run, data_dir):
        result = run("--sandbox", "send", "hi")
        assert result.code == 0
        assert os.path.exists(os.path.join(data_dir, "sandbox", "neuralterm.db"))
        assert not os.path.exists(os.path.join(data_dir, "neuralterm.db"))


class TestTerminalAndLocale:
    @pytest.mark.parametrize("locale", ["C", "POSIX", "en_US.ISO-8859-1"])
    def test_output_is_utf8_whatever_the_locale(self, service, start, monkeypatch, locale):
        monkeypatch.setenv("LC_ALL", locale)
        monkeypatch.setenv("PYTHONUTF8", "0")
        monkeypatch.setenv("PYTHONCOERCECLOCALE", "0")
        service.scripts = [text("naïve 日本 🎉")]
        process = start("send", "-u", "-s", "knapp, bitteschön", "grüße")
        out, err = process.communicate()
        assert (process.returncode, out) == (0, "naïve 日本 🎉\n".encode())
        assert "·" in err.decode("utf-8")
        contents = [message["content"] for message in service.chats[0].body["messages"]]
        assert contents == ["knapp, bitteschön", "grüße"]

    def test_what_is_looked_for_is_text_whatever_the_locale(self, service, run, start, monkeypatch, tmp_path):
        service.scripts = [text("世界")]
        monkeypatch.chdir(tmp_path)
        (tmp_path / "grüße.txt").write_text("hallo")
        assert run("send", "--tag", "größer", "hi").code == 0
        for name, value in {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}.items():
            monkeypatch.setenv(name, value)
        out, _ = start("history", "search", "--tag", "größer", "世界").communicate()
        assert "世界" in out.decode()
        start("send", "-f", "grüße.txt").communicate()
        assert service.chats[-1].body["messages"][-1]["content"] == "grüße.txt:\nhallo"

    @pytest.mark.skipif(shutil.which("localedef") is None, reason="makes a locale")
    def test_arguments_are_utf8_where_they_are_and_else_what_the_locale_says(
        self, service, start, monkeypatch, tmp_path
    ):
        subprocess.run(
            ["localedef", "-i", "POSIX", "-f", "ISO-8859-1", tmp_path / "xx_XX.ISO-8859-1"], capture_output=True
        )
        monkeypatch.setenv("LOCPATH", str(tmp_path))
        monkeypatch.setenv("LC_ALL", "xx_XX.ISO-8859-1")
        start("send", "-s", "grüße 日本", b"caf\xe9").communicate()
        contents = [message["content"] for message in service.chats[0].body["messages"]]
        assert contents == ["grüße 日本", "café"]

    def test_an_argument_that_is_no_text_is_refused(self, service, start):
        process = start("send", b"caf\xe9")
        out, err = process.communicate()
        assert (process.returncode, out, service.requests) == (2, b"", [])
        assert err.startswith(b"error: an argument is not UTF-8 text (byte 3)\n")

    @pytest.mark.parametrize(
        ("options", "environment", "coloured"),
        [([], {}, True), (["--no-color"], {}, False), ([], {"NO_COLOR": "1"}, False), ([], {"TERM": "dumb"}, False)],
    )
    def test_colours_are_for_terminals_that_want_them(
        self, service, start, monkeypatch, options, environment, coloured
    ):
        monkeypatch.setenv("TERM", "xterm")
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        service.scripts = [error(400, "red or not")]
        ours, theirs = os.openpty()
        process = start(*options, "send", "hi", stderr=theirs)
        os.close(theirs)
        code = process.wait()
        shown = os.read(ours, 10_000)
        os.close(ours)
        assert code == 6
        assert (b"\x1b[31m" in shown) == coloured
        assert b"error: red or not" in shown

    def test_escape_sequences_of_a_model_are_shown_and_not_obeyed_on_a_terminal(self, service, start):
        service.scripts = [text("\x1b]0;owned\x07", "\x1b[2Jx\r", "\x9by")]
        ours, theirs = os.openpty()
        process = start("send", "hi", stdout=theirs)
        os.close(theirs)
        code = process.wait()
        shown = os.read(ours, 10_000)
        os.close(ours)
        assert code == 0
        assert shown.decode() == "␛]0;owned␇␛[2Jx␍\\x9by\r\n"


class TestFaults:
    def test_a_key_too_short_to_be_one_does_not_eat_the_words(self, service, run, monkeypatch):
        monkeypatch.setenv("OPENROUTER_API_KEY", "k")
        service.scripts = [error(400, "unknown key k")]
        assert run("send", "hi").err == "error: unknown key k\n"

    def test_with_verbose_each_request_is_told(self, service, start):
        service.scripts = [text("Hello")]
        (line,) = start("-v", "send", "hi").stderr.read().decode().splitlines()
        assert line.startswith("| INFO neuralterm.infrastructure.openrouter.client: POST http://127.0.0.1:")
        assert "/chat/completions: 200 after 0." in line

    def test_a_key_that_cannot_be_one_is_told_and_not_shown(self, service, run, monkeypatch):
        monkeypatch.setenv("OPENROUTER_API_KEY", "kéy\nwith a line end")
        result = run("send", "hi")
        assert (result.code, result.out, service.requests) == (3, "", [])
        assert result.err.startswith("error: the API key has characters that no key has\nhint: ")
        assert "kéy" not in run("--debug", "send", "hi").err
