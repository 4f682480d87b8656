"""From the options of `send` and `chat` to the fields of a request."""

from __future__ import annotations

from typing import Any

from neuralterm.domain.exceptions import ValidationError

# Fields that have an option of their own, or that the tool itself must set.
_OWN_FIELDS = {"model": "-m", "messages": "the prompt", "stream": "--no-stream", "models": "--fallback"}


def request_fields(
    pairs: tuple[tuple[str, str], ...],
    *,
    schema: str | None = None,
    reasoning: str | None = None,
    providers: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Return the extra fields of the request body; values of `-o` are parsed as JSON where they are JSON.

    Raises:
        ValidationError: a field that is not to be set this way, or a schema that can't be read.
    """
    fields: dict[str, Any] = {}
    for key, value in pairs:
        if key in _OWN_FIELDS:
            raise ValidationError(f"-o {key} is not possible", hint=f"use {_OWN_FIELDS[key]}")
        fields[key] = _json_or_text(value)
    if reasoning is not None:
        fields["reasoning"] = {"effort": reasoning}
    if providers:
        fields["provider"] = {**_object(fields, "provider"), "only": list(providers)}
    if schema is not None:
        fields["response_format"] = _response_format(schema)
        fields["provider"] = {"require_parameters": True, **_object(fields, "provider")}
    return fields


def take_number(fields: dict[str, Any], name: str, given: float | None) -> Any:
    """Return an option's value, or else the one that `-o` gave under its name, which is taken out of the fields."""
    value = fields.pop(name, None)
    if given is not None:
        return given
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise ValidationError(f"-o {name} must be a number")
    return value


def _json_or_text(value: str) -> Any:
    import json

    try:
        return json.loads(value)
    except ValueError:
        return value


def _object(fields: dict[str, Any], key: str) -> dict[str, Any]:
    value = fields.get(key, {})
    if not isinstance(value, dict):
        raise ValidationError(f"-o {key} must be a JSON object")
    return value


def _response_format(schema: str) -> dict[str, Any]:
    import json
    from pathlib import Path

    text, name = schema, "answer"
    if not schema.lstrip().startswith("{"):
        try:
            text = Path(schema).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ValidationError(f"the schema {schema} can't be read: {error}") from error
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise ValidationError(f"the schema is not valid JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise ValidationError("the schema must be a JSON object")
    return {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": parsed}}
