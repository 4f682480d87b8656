import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.application.templates import fill, parameter_values, parse_template
from neuralterm.domain.exceptions import ConfigurationError, ValidationError

FILES = ("file", "a.md:\nfile text")
STDIN = ("stdin", "piped text")
WORDS = ("words", "be brief")
ALL = (FILES, STDIN, WORDS)
ALL_JOINED = "a.md:\nfile text\n\npiped text\n\nbe brief"


def template(prompt="hello", **table):
    return parse_template("t", {"prompt": prompt, **table})


def prompt_of(prompt, parts=(), **values):
    return fill(template(prompt), values, parts).prompt


def refused(table):
    with pytest.raises(ConfigurationError) as caught:
        parse_template("t", table)
    return caught.value


class TestParsing:
    def test_all_keys(self):
        parsed = template(
            "Say $what",
            system="Be $how",
            model="a/b",
            max_tokens=5,
            temperature=1,
            schema={"type": "object"},
            description="says things",
            defaults={"how": "kind", "what": 3},
        )
        assert (parsed.prompt, parsed.system, parsed.model, parsed.max_tokens) == ("Say $what", "Be $how", "a/b", 5)
        assert (parsed.temperature, parsed.schema) == (1.0, {"type": "object"})
        assert (parsed.description, parsed.defaults) == ("says things", {"how": "kind", "what": "3"})
        assert parsed.parameters == ("what", "how")

    def test_what_is_not_said_is_not_known(self):
        parsed = template()
        assert (parsed.system, parsed.model, parsed.max_tokens, parsed.temperature, parsed.schema) == (None,) * 5

    @pytest.mark.parametrize("key", ["promt", "base_url", "tags", "option"])
    def test_an_unknown_key_is_named(self, key):
        error = refused({"prompt": "hi", key: "x"})
        assert f"'t': unknown key '{key}'" in error.message
        assert "prompt, schema, system" in error.hint

    @pytest.mark.parametrize("table", [{}, {"model": "a/b"}, {"description": "x"}])
    def test_a_prompt_or_a_system_prompt_is_needed(self, table):
        assert "neither a prompt nor a system prompt" in refused(table).message

    @pytest.mark.parametrize("key", ["prompt", "system", "model", "description"])
    @pytest.mark.parametrize("value", [3, True, ["x"], {}, "", " \n"])
    def test_texts_must_be_texts(self, key, value):
        assert f"{key} must be a text" in refused({"prompt": "hi", key: value}).message

    @pytest.mark.parametrize("value", [0, -1, 10**9 + 1, 1.5, True, "5", []])
    def test_max_tokens(self, value):
        assert "max_tokens must be" in refused({"prompt": "hi", "max_tokens": value}).message

    @pytest.mark.parametrize("value", [-0.1, 2.1, float("nan"), float("inf"), True, "0.5"])
    def test_temperature(self, value):
        assert "temperature must be" in refused({"prompt": "hi", "temperature": value}).message

    @pytest.mark.parametrize("key", ["schema", "defaults"])
    @pytest.mark.parametrize("value", [3, True, ["x"], "x"])
    def test_tables_must_be_tables(self, key, value):
        assert f"{key} must be a table" in refused({"prompt": "hi", key: value}).message

    @pytest.mark.parametrize("value", [True, [], {}])
    def test_a_default_is_a_text_or_a_number(self, value):
        assert "default of 'x'" in refused({"prompt": "$x", "defaults": {"x": value}}).message

    @pytest.mark.parametrize("name", ["y", "input", "stdin", "words"])
    def test_a_default_of_what_is_no_parameter(self, name):
        error = refused({"prompt": "$x $input $stdin $words", "defaults": {name: "1"}})
        assert f"[defaults] has '{name}'" in error.message
        assert error.hint == "its parameters: x"

    @pytest.mark.parametrize("text", ["costs $5", "a $", "${x", "${a b}", "$ x"])
    @pytest.mark.parametrize("key", ["prompt", "system"])
    def test_a_dollar_that_begins_nothing(self, key, text):
        error = refused({"prompt": "hi", key: text})
        assert f"{key} has a $" in error.message
        assert "$$" in error.hint


class TestParameters:
    def test_given_values_win_over_defaults(self):
        parsed = template("$a $b", defaults={"a": "1", "b": "2"})
        assert parameter_values(parsed, {"b": "3"}) == {"a": "1", "b": "3"}

    def test_an_empty_value_is_a_value(self):
        assert parameter_values(template("$a"), {"a": ""}) == {"a": ""}

    def test_those_that_are_missing_are_named_with_all_there_are(self):
        parsed = template("$a $b", system="$c $a", defaults={"b": "x"})
        with pytest.raises(ValidationError) as caught:
            parameter_values(parsed, {})
        assert "needs a value for a, c;" in caught.value.message
        assert "its parameters: a, b (default 'x'), c" in caught.value.message
        assert "-p a VALUE" in caught.value.hint

    @pytest.mark.parametrize("name", ["lang", "A", "input", "stdin", "words"])
    def test_one_that_is_unknown_is_named(self, name):
        with pytest.raises(ValidationError, match=f"no parameter '{name}'; its parameters: a"):
            parameter_values(template("$a $input $stdin $words"), {"a": "1", name: "x"})

    def test_of_a_template_without_any(self):
        with pytest.raises(ValidationError, match="it has no parameters"):
            parameter_values(template("hi"), {"a": "1"})


class TestFilling:
    def test_names_braces_and_dollars(self):
        assert prompt_of("$a ${b}c $$5 $$a", a="1", b="2") == "1 2c $5 $a"

    def test_the_system_prompt_is_filled_too(self):
        filled = fill(template("x", system="Speak $lang about $words\n"), {"lang": "Latin"}, [WORDS])
        assert (filled.prompt, filled.system) == ("x\n\nbe brief", "Speak Latin about be brief")

    @given(st.text())
    def test_what_is_put_in_is_taken_as_it_is(self, value):
        assert prompt_of("[$a]", a=value) == f"[{value}]"
        assert prompt_of("[$stdin]", [("stdin", f"x{value}")]) == f"[x{value}]"

    def test_blanks_in_values_stay(self):
        assert prompt_of("$a $stdin", [("stdin", "$a ${words} $$ $5")], a="$stdin") == "$stdin $a ${words} $$ $5"

    @pytest.mark.parametrize(
        ("prompt", "filled"),
        [
            ("Look:", f"Look:\n\n{ALL_JOINED}"),
            ("Look:\n", f"Look:\n\n{ALL_JOINED}"),
            ("<$input>", f"<{ALL_JOINED}>"),
            ("<$stdin>", "<piped text>\n\na.md:\nfile text\n\nbe brief"),
            ("<$words>", "<be brief>\n\na.md:\nfile text\n\npiped text"),
            ("$words: <$stdin>", "be brief: <piped text>\n\na.md:\nfile text"),
            ("$words: <$input>", f"be brief: <{ALL_JOINED}>"),
        ],
    )
    def test_input_is_where_it_is_wanted_or_follows_and_none_is_lost(self, prompt, filled):
        assert prompt_of(prompt, ALL) == filled

    @pytest.mark.parametrize("parts", [(), [("stdin", ""), ("words", " ")]])
    def test_a_prompt_that_needs_no_input(self, parts):
        assert prompt_of("hello\n\n", parts) == "hello"

    @pytest.mark.parametrize(
        ("prompt", "parts", "wanted"),
        [
            ("$input", [], "input"),
            ("$input", [("stdin", "\n"), ("words", "")], "input"),
            ("$stdin", [FILES, WORDS], "text on stdin"),
            ("$words", [FILES, STDIN], "words"),
        ],
    )
    def test_what_is_wanted_must_be_given(self, prompt, parts, wanted):
        with pytest.raises(ValidationError, match=f"'t' needs {wanted}") as caught:
            prompt_of(prompt, parts)
        assert caught.value.code == "EMPTY_INPUT"

    def test_without_a_prompt_the_input_is_it(self):
        parsed = parse_template("t", {"system": "Translate."})
        assert fill(parsed, {}, ALL).prompt == ALL_JOINED
        with pytest.raises(ValidationError, match="empty prompt"):
            fill(parsed, {}, [("words", " ")])

    def test_an_empty_prompt_is_refused(self):
        with pytest.raises(ValidationError, match="empty prompt"):
            prompt_of("$a", a=" ")


@pytest.mark.parametrize(
    ("table", "needed"),
    [
        ({"prompt": "hi"}, False),
        ({"prompt": "$a"}, False),
        ({"prompt": "hi", "system": "$input"}, False),
        ({"prompt": "$input"}, True),
        ({"prompt": "$stdin"}, True),
        ({"prompt": "${words}"}, True),
        ({"system": "hi"}, True),
    ],
)
def test_when_input_is_needed(table, needed):
    assert parse_template("t", table).needs_input is needed
