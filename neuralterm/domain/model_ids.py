"""How models are called: `author/name`, with a variant or routing suffixes behind."""

from __future__ import annotations

DEFAULT_MODEL = "openai/gpt-4o-mini"

# Routing suffixes that any id may carry and that are not listed; static variants such as `:free` are ids of their own.
DYNAMIC_SUFFIXES = (":nitro", ":floor", ":exacto", ":online")


def without_dynamic_suffix(model_id: str) -> str:
    """Return the id under which the service lists a model: `x/y:nitro` is listed as `x/y`."""
    base = model_id
    while (position := base.rfind(":")) > 0 and base[position:] in DYNAMIC_SUFFIXES:
        base = base[:position]
    return base
