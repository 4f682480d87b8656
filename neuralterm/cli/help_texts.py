"""Under which headings help shows options, where a command has many.

Commands go by their path below `neuralterm`; the default subcommand of a group by the group's.
"""

from __future__ import annotations

Sections = dict[str, tuple[str, ...]]

_REQUEST: Sections = {
    "Prompt": ("system", "files", "attachments", "template", "params"),
    "Conversation": ("continue_last", "cid", "resume", "title", "tags", "tag_branch", "no_log"),
    "Model and answer": (
        *("model", "fallbacks", "providers", "temperature", "max_tokens", "reasoning", "schema", "pairs"),
        "allow_truncated",
    ),
    "Output": ("extract", "raw", "hide_reasoning", "usage", "as_json", "ndjson", "no_stream", "quiet"),
    "Money": ("max_cost", "confirm_above", "dry_run", "min_tokens", "soft_budget", "budget_wait"),
    "Network": ("retry_for", "timeout", "idle_timeout"),
}
_CALLS = ("since", "until", "timezone", "tag", "model", "provider", "run", "cid")

# The names of parameters under each heading; what is under none comes last.
SECTIONS: dict[str, Sections] = {
    "send": _REQUEST,
    "chat": _REQUEST,
    "models": {"Which models": ("free", "max_price", "min_context", "inputs", "outputs", "supports", "author")},
    "cost": {"Which calls": _CALLS},
    "cost check": {"Which calls": _CALLS},
    "models what-if": {"Which calls": _CALLS},
}
