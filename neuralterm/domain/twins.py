"""Dataclasses with the fields of a record: what the standard library is to know of it, by its own means."""

from __future__ import annotations

import dataclasses
from typing import Any

from neuralterm.domain.record import MISSING, Definition, Field


def twin_of(definition: Definition) -> Any:
    """Return a dataclass with the same name and fields, whose `__init__` complains as that of the record does."""
    fields = [(name, each.annotation, _field(each)) for name, each in definition.fields.items()]
    cls = definition.cls
    twin: Any = dataclasses.make_dataclass(cls.__name__, fields, frozen=definition.frozen, slots=True)
    twin.__init__.__qualname__ = f"{cls.__qualname__}.__init__"
    return twin


def _field(each: Field) -> Any:
    described: dict[str, Any] = {"repr": each.repr, "compare": each.compare, "kw_only": each.kw_only}
    if each.factory is not None:
        return dataclasses.field(default_factory=each.factory, **described)
    if each.default is not MISSING:
        return dataclasses.field(default=each.default, **described)
    return dataclasses.field(**described)
