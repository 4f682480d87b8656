"""From `send --template` to the prompt and the options it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from neuralterm.cli.stdin import argument_text, read_parts

if TYPE_CHECKING:
    from neuralterm.application.templates import Template
    from neuralterm.container import Container

# For each option that a template may stand in for, the fields of `-o` that say the same.
_SAME_FIELDS = {
    "system": (),
    "model": (),
    "max_tokens": ("max_tokens", "max_completion_tokens"),
    "temperature": ("temperature",),
    "schema": ("response_format",),
}


def apply_template(container: Container, given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the prompt, and the options with what the template says where the user said nothing.

    Raises:
        ValidationError: there is no such template, or what it needs was not given.
        ConfigurationError: the template can't be used.
    """
    from neuralterm.application.templates import fill, parameter_values

    template = container.template_files.load(argument_text(given["template"]))
    params = {argument_text(name): argument_text(value) for name, value in given["params"]}
    values = parameter_values(template, params)
    parts = read_parts(given["words"], given["files"], container.console, waits=_waits(template, given))
    filled = fill(template, values, parts)
    return filled.prompt, {**given, **_left_open(template, filled.system, given)}


def _waits(template: Template, given: Mapping[str, Any]) -> bool:
    if "stdin" in template.places:
        return True
    return template.needs_input and not (any(given["words"]) or given["files"])


def _left_open(template: Template, system: str | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the template's values for the options that were not given, neither by name nor by `-o`."""
    said = {
        "system": system,
        "model": template.model,
        "max_tokens": template.max_tokens,
        "temperature": template.temperature,
        "schema": _json(template.schema),
    }
    fields = {key for key, _ in given["pairs"]}
    return {
        name: value
        for name, value in said.items()
        if value is not None and given[name] is None and fields.isdisjoint(_SAME_FIELDS[name])
    }


def _json(schema: Mapping[str, Any] | None) -> str | None:
    if schema is None:
        return None
    import json

    return json.dumps(schema)
