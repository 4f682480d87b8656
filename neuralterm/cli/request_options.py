"""From the options of `send` and `chat` to the fields of a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from neuralterm.cli.stdin import argument_text
from neuralterm.domain.exceptions import ValidationError
from neuralterm.domain.record import replace
from neuralterm.domain.text import one_line
from neuralterm.setting_flags import Flags

if TYPE_CHECKING:
    from neuralterm.application.attachments import AttachmentFile
    from neuralterm.application.sending import SendRequest
    from neuralterm.container import Container

# Fields that have an option of their own, or that the tool itself must set.
_OWN_FIELDS = {"model": "-m", "messages": "the prompt", "stream": "--no-stream", "models": "--fallback"}


def apply_to_container(container: Container, given: Mapping[str, Any]) -> None:
    """Let the options shared by `send` and `chat` win over the settings.

    Raises:
        ValidationError: two of them contradict each other.
    """
    if given["continue_last"] and given["cid"]:
        raise ValidationError("-c and --cid exclude each other")
    if given["quiet"]:
        container.flags = replace(container.flags or Flags(), quiet=True)
    container.override(
        max_cost=given["max_cost"],
        confirm_above=given["confirm_above"],
        timeout=given["timeout"],
        idle_timeout=given["idle_timeout"],
        retry_for=given["retry_for"],
        min_tokens=given["min_tokens"],
        soft_budget=given["soft_budget"] or None,
        budget_wait=given["budget_wait"],
        tag_branch=given["tag_branch"] or None,
        no_log=given["no_log"] or None,
        markdown=False if given["raw"] or given.get("extract") else None,
    )
    container.notices.show_reasoning = not given["hide_reasoning"]
    if container.console.renders:
        from neuralterm.cli.signals import on_return

        on_return(container.console.come_back)


def build_request(
    container: Container, given: Mapping[str, Any], prompt: str, attachments: tuple[AttachmentFile, ...] = ()
) -> SendRequest:
    """Return the request that the options describe, with the tags and the run id of the settings.

    Options that only `send` has may be missing.

    Raises:
        ValidationError: an option's value can't be used.
    """
    from neuralterm.application.records import SendOptions
    from neuralterm.application.sending import SendRequest

    if given["cid"] == "":
        raise ValidationError("--cid is empty", hint="leave it out to begin a conversation")
    settings = container.settings
    fields = _request_fields(given["pairs"], given.get("schema"), given["reasoning"], given["providers"])
    max_tokens = _take_number(fields, "max_tokens", given["max_tokens"])
    temperature = _take_number(fields, "temperature", given["temperature"])
    options = SendOptions(
        max_tokens=_whole(_take_number(fields, "max_completion_tokens", max_tokens)),
        extra=fields,
        fallbacks=tuple(_named(each, "--fallback") for each in given["fallbacks"]),
        stream=not given.get("no_stream"),
        model=None if given["model"] is None else _named(given["model"], "-m"),
        system_prompt=_text(given["system"]),
        tags=tuple(dict.fromkeys((*map(_tag, given["tags"]), *container.tags))),
        run_id=settings.run_id,
        retry_for=settings.retry_for,
        budget_wait=settings.budget_wait,
        tells_prompt_tokens=bool(given.get("ndjson")),
    )
    return SendRequest(
        prompt=prompt,
        options=options,
        temperature=temperature,
        continue_last=given["continue_last"],
        conversation=given["cid"],
        title=one_line(_text(given["title"]) or "") or None,
        default_model=settings.model,
        attachments=attachments,
    )


def _named(value: str, option: str) -> str:
    # A variable that is not set would choose something else than was meant, and perhaps dearer.
    if not value.strip():
        raise ValidationError(f"{option} is empty", hint="leave it out, or name one")
    return value


def _tag(value: str) -> str:
    from neuralterm.setting_values import checked_tag

    return checked_tag(argument_text(value))


def _text(value: str | None) -> str | None:
    return None if value is None else argument_text(value)


def _request_fields(
    pairs: tuple[tuple[str, str], ...], schema: str | None, reasoning: str | None, providers: tuple[str, ...]
) -> dict[str, Any]:
    """Return the extra fields of the request body; values of `-o` are parsed as JSON where they are JSON."""
    fields: dict[str, Any] = {}
    for key, value in pairs:
        if key in _OWN_FIELDS:
            raise ValidationError(f"-o {key} is not possible", hint=f"use {_OWN_FIELDS[key]}")
        fields[key] = _json_or_text(argument_text(value))
    if reasoning is not None:
        fields["reasoning"] = {"effort": reasoning}
    if providers:
        only = [_named(provider, "--provider") for provider in providers]
        fields["provider"] = {**_object(fields, "provider"), "only": only}
    if schema is not None:
        fields["response_format"] = _response_format(schema)
        fields["provider"] = {"require_parameters": True, **_object(fields, "provider")}
    return fields


def _take_number(fields: dict[str, Any], name: str, given: float | None) -> Any:
    """Return an option's value, or else the one that `-o` gave under its name, which is taken out of the fields."""
    value = fields.pop(name, None)
    if given is not None:
        return given
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise ValidationError(f"-o {name} must be a number")
    return value


def _whole(number: Any) -> Any:
    """Return `1e3` as the whole number it is; the schema of the service takes no other."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


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

    try:
        parsed = json.loads(_schema_text(schema))
    except ValueError as error:
        raise ValidationError(f"the schema is not valid JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise ValidationError("the schema must be a JSON object")
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": parsed}}


def _schema_text(schema: str) -> str:
    from pathlib import Path

    if schema.lstrip().startswith("{"):
        return argument_text(schema)
    try:
        return Path(schema).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValidationError(f"the schema {schema} can't be read: {reason}") from error
