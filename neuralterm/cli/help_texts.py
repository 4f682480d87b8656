"""What help says of commands beside their own words: headings for many options, and examples that they lack.

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

# Of commands whose own words have none.
EXAMPLES = {
    "models show": """
        neuralterm models show openai/gpt-4o-mini
        neuralterm models show --offline --json openai/gpt-4o
        """,
    "history": """
        neuralterm history -n 5
        neuralterm history --since 7d --tag ci --json
        neuralterm history show 3f2a
        """,
    "history show": """
        neuralterm history show 3f2a
        neuralterm history show --json 3f2a | jq -r '.messages[-1].content'
        """,
    "history search": """
        neuralterm history search sky blue
        """,
    "history export": """
        neuralterm history export 3f2a -O talk.md
        neuralterm history export --format jsonl 3f2a 77b0 > talks.jsonl
        """,
    "history fork": """
        neuralterm history fork 3f2a
        neuralterm history fork 3f2a --at 4 --title "the other way"
        """,
    "history rename": """
        neuralterm history rename 3f2a "Why the sky is blue"
        """,
    "history tag": """
        neuralterm history tag 3f2a physics
        neuralterm history tag 3f2a --remove draft
        """,
    "history delete": """
        neuralterm history delete 3f2a
        neuralterm history delete --yes 3f2a 77b0
        """,
    "history restore": """
        neuralterm history restore 3f2a
        """,
    "history purge": """
        neuralterm history purge --yes
        """,
    "history import": """
        neuralterm history import --from-llm
        neuralterm history import --from-llm logs.db --dry-run
        """,
    "history backup": """
        neuralterm history backup neuralterm-backup.db
        """,
    "history path": """
        neuralterm history path
        """,
}
