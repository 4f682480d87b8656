"""Prompts with blanks: what a template may say, and how its blanks are filled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import Template as Text
from typing import Any

from neuralterm.domain.exceptions import ConfigurationError, ValidationError
from neuralterm.domain.record import field, record

# What the user gave for one prompt, in order: pairs of where it comes from (`file`, `stdin` or `words`) and its text.
Parts = Sequence[tuple[str, str]]

_INPUT, _STDIN, _WORDS = "input", "stdin", "words"
_PLACES = frozenset({_INPUT, _STDIN, _WORDS})
_KEYS = frozenset({"prompt", "system", "model", "max_tokens", "temperature", "schema", "description", "defaults"})
_MOST_TOKENS = 10**9
_HIGHEST_TEMPERATURE = 2


@record
class Template:
    """A prompt with blanks and how it is to be sent; None where it says nothing. `schema` is a JSON Schema."""

    name: str
    prompt: str | None = None
    system: str | None = None
    model: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    schema: Mapping[str, Any] | None = None
    description: str | None = None
    defaults: Mapping[str, str] = field(default_factory=dict)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names a user may give values for, in the order they stand in the template."""
        names = [*_blanks(self.prompt), *_blanks(self.system)]
        return tuple(dict.fromkeys(name for name in names if name not in _PLACES))

    @property
    def places(self) -> frozenset[str]:
        """Which of `input`, `stdin` and `words` have a place in the prompt."""
        return _PLACES.intersection(_blanks(self.prompt))

    @property
    def needs_input(self) -> bool:
        """True when there is no prompt without something from the user."""
        return self.prompt is None or bool(self.places)


@record
class FilledTemplate:
    """What is sent."""

    prompt: str
    system: str | None


def parse_template(name: str, table: Mapping[str, Any]) -> Template:
    """Return the template that a parsed TOML document describes; its schema must be a table.

    Raises:
        ConfigurationError: a key is unknown, or its value can't be used.
    """
    if unknown := sorted(set(table) - _KEYS):
        raise _fault(name, f"unknown key {unknown[0]!r}", hint=f"known keys: {', '.join(sorted(_KEYS))}")
    template = Template(
        name,
        prompt=_text(name, table, "prompt"),
        system=_text(name, table, "system"),
        model=_text(name, table, "model"),
        max_tokens=_max_tokens(name, table.get("max_tokens")),
        temperature=_temperature(name, table.get("temperature")),
        schema=_table(name, table, "schema"),
        description=_text(name, table, "description"),
        defaults=_defaults(name, _table(name, table, "defaults") or {}),
    )
    if template.prompt is None and template.system is None:
        raise _fault(name, "it has neither a prompt nor a system prompt")
    if unused := sorted(set(template.defaults) - set(template.parameters)):
        raise _fault(name, f"[defaults] has {unused[0]!r}, which is none of its parameters", hint=_listed(template))
    return template


def parameter_values(template: Template, given: Mapping[str, str]) -> dict[str, str]:
    """Return a value for each parameter: the given one, or else its default.

    Raises:
        ValidationError: a value is missing, or is given for what is no parameter.
    """
    known = template.parameters
    if unknown := [name for name in given if name not in known]:
        raise ValidationError(f"the template {template.name!r} has no parameter {unknown[0]!r}; {_listed(template)}")
    values = {**template.defaults, **given}
    if missing := [name for name in known if name not in values]:
        raise ValidationError(
            f"the template {template.name!r} needs a value for {', '.join(missing)}; {_listed(template)}",
            hint=f"give it with -p {missing[0]} VALUE",
        )
    return values


def fill(template: Template, values: Mapping[str, str], parts: Parts) -> FilledTemplate:
    """Put values and input into their places; input that has no place follows the prompt after a blank line.

    Raises:
        ValidationError: what the prompt has a place for was not given.
    """
    given = {_INPUT: _join(parts), _STDIN: _join(_only(parts, _STDIN)), _WORDS: _join(_only(parts, _WORDS))}
    for place in sorted(template.places):
        if not given[place].strip():
            raise ValidationError(f"the template {template.name!r} needs {_WANTED[place]}", "EMPTY_INPUT")
    blanks = {**values, **given}
    prompt = None if template.prompt is None else Text(template.prompt).substitute(blanks)
    placed = template.places
    left_over = () if _INPUT in placed else [part for part in parts if part[0] not in placed]
    prompt = "\n\n".join(text for text in (prompt or "", _join(left_over)) if text.strip())
    if not prompt:
        raise ValidationError(f"the template {template.name!r} makes an empty prompt", "EMPTY_INPUT")
    return FilledTemplate(prompt, None if template.system is None else Text(template.system).substitute(blanks))


_WANTED = {_INPUT: "input: words, files or stdin", _STDIN: "text on stdin", _WORDS: "words as arguments"}


def _join(parts: Parts) -> str:
    return "\n\n".join(text for _, text in parts if text.strip())


def _only(parts: Parts, source: str) -> Parts:
    return [part for part in parts if part[0] == source]


def _blanks(text: str | None) -> list[str]:
    return Text(text).get_identifiers() if text else []


def _listed(template: Template) -> str:
    names = [
        f"{name} (default {template.defaults[name]!r})" if name in template.defaults else name
        for name in template.parameters
    ]
    return f"its parameters: {', '.join(names)}" if names else "it has no parameters"


def _fault(name: str, problem: str, hint: str | None = None) -> ConfigurationError:
    return ConfigurationError(f"the template {name!r}: {problem}", hint=hint)


def _text(name: str, table: Mapping[str, Any], key: str) -> str | None:
    value = table.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise _fault(name, f"{key} must be a text that is not empty")
    if key in ("prompt", "system") and not Text(value).is_valid():
        raise _fault(
            name, f"{key} has a $ that begins no name", hint="write $$ for a dollar, $name or ${name} for a blank"
        )
    # Where the closing quotes of a text of several lines stand is no matter of the prompt.
    return value.rstrip("\n")


def _table(name: str, table: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    value = table.get(key)
    if value is not None and not isinstance(value, Mapping):
        raise _fault(name, f"{key} must be a table")
    return value


def _max_tokens(name: str, value: object) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _MOST_TOKENS):
        return value
    raise _fault(name, f"max_tokens must be a whole number from 1 to {_MOST_TOKENS}")


def _temperature(name: str, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _HIGHEST_TEMPERATURE:
        return float(value)
    raise _fault(name, f"temperature must be a number from 0 to {_HIGHEST_TEMPERATURE}")


def _defaults(name: str, table: Mapping[str, Any]) -> dict[str, str]:
    for key, value in table.items():
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise _fault(name, f"the default of {key!r} must be a text or a number")
    return {key: str(value) for key, value in table.items()}
