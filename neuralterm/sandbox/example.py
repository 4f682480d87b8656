"""A JSON document that fits a JSON schema: the smallest honest example, the same for the same question."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from math import ceil, floor
from typing import Any

# Schemas may refer to themselves; below this depth objects and arrays stay empty.
_DEEPEST = 12

_FORMATS = {
    "date": "2026-11-23",
    "date-time": "2026-11-23T12:00:00Z",
    "time": "12:00:00Z",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "123e4567-e89b-42d3-a456-426614174000",
}


class ExampleWriter:
    """Writes examples for one root schema, in which `$ref` is looked up. `word` and `seed` vary the values."""

    def __init__(self, root: Mapping[str, Any], word: str, seed: int) -> None:
        self._root = root
        self._word = word
        self._seed = seed
        self._writers: dict[str, Callable[[Mapping[str, Any], int], Any]] = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "integer": self._integer,
            "number": self._number,
            "boolean": self._boolean,
            "null": self._null,
        }

    def write(self) -> Any:
        """Return a value that fits the root schema."""
        return self._value(self._root, 0)

    def _value(self, schema: object, depth: int) -> Any:
        if not isinstance(schema, Mapping):
            return self._word
        if "const" in schema:
            return schema["const"]
        if isinstance(choices := schema.get("enum"), list) and choices:
            return choices[self._seed % len(choices)]
        inner = self._inner(schema)
        if inner is not None:
            return self._value(inner, depth + 1) if depth < _DEEPEST else None
        write = self._writers.get(_type_of(schema)) or self._string
        return write(schema, depth)

    def _inner(self, schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the schema that a reference, a choice or a conjunction stands for."""
        reference = schema.get("$ref")
        if isinstance(reference, str):
            return self._resolve(reference)
        for key in ("anyOf", "oneOf"):
            choices = schema.get(key)
            if isinstance(choices, list) and choices and isinstance(choices[0], Mapping):
                return choices[0]
        parts = schema.get("allOf")
        if isinstance(parts, list) and parts and all(isinstance(part, Mapping) for part in parts):
            return {key: value for part in parts for key, value in part.items()}
        return None

    def _resolve(self, reference: str) -> Mapping[str, Any]:
        found: Any = self._root
        for name in reference.removeprefix("#").strip("/").split("/"):
            found = found.get(name, {}) if name and isinstance(found, Mapping) else found
        return found if isinstance(found, Mapping) else {}

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties")
        known: Mapping[str, Any] = properties if isinstance(properties, Mapping) else {}
        required = schema.get("required")
        names = [*known, *map(str, required if isinstance(required, list) else [])]
        if depth >= _DEEPEST:
            return {}
        return {name: self._value(known.get(name), depth + 1) for name in names}

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        count = min(max(1, _whole(schema.get("minItems"), 1)), 20, _whole(schema.get("maxItems"), 20))
        if depth >= _DEEPEST:
            return []
        return [self._value(schema.get("items"), depth + 1) for _ in range(count)]

    def _string(self, schema: Mapping[str, Any], depth: int) -> str:
        form = schema.get("format")
        if isinstance(form, str) and form in _FORMATS:
            return _FORMATS[form]
        text = self._word.ljust(min(_whole(schema.get("minLength"), 0), 1000), ".")
        return text[: _whole(schema.get("maxLength"), len(text))]

    def _integer(self, schema: Mapping[str, Any], depth: int) -> int:
        lowest, highest = _bound(schema, "minimum", "exclusiveMinimum"), _bound(schema, "maximum", "exclusiveMaximum")
        step = max(_whole(schema.get("multipleOf"), 1), 1)
        value = self._seed % 100 // step * step
        if lowest is not None and value < lowest:
            value = -(-ceil(lowest) // step) * step
        if highest is not None and value > highest:
            value = floor(highest) // step * step
        return value

    def _number(self, schema: Mapping[str, Any], depth: int) -> int | Decimal:
        lowest, highest = _bound(schema, "minimum", "exclusiveMinimum"), _bound(schema, "maximum", "exclusiveMaximum")
        if lowest is not None and highest is not None:
            return (lowest + highest) / 2
        return self._integer(schema, depth)

    def _boolean(self, schema: Mapping[str, Any], depth: int) -> bool:
        return self._seed % 2 == 0

    def _null(self, schema: Mapping[str, Any], depth: int) -> None:
        return None


def _type_of(schema: Mapping[str, Any]) -> str:
    types = schema.get("type")
    if isinstance(types, list):
        types = next((name for name in types if name != "null"), "null")
    if isinstance(types, str):
        return types
    return "object" if "properties" in schema else "string"


def _whole(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else default


def _bound(schema: Mapping[str, Any], inclusive: str, exclusive: str) -> Decimal | None:
    """Return a limit; one is added to (taken from) an exclusive one, so that whole numbers stay inside."""
    for key, step in ((inclusive, 0), (exclusive, 1 if exclusive.endswith("Minimum") else -1)):
        value = schema.get(key)
        if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
            return Decimal(value) + step
    return None
