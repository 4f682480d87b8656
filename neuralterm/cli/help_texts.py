"""What help says of commands beside their own words: headings for many options, and examples.

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
    "Output": ("extract", "hide_reasoning", "usage", "as_json", "ndjson", "no_stream", "quiet"),
    "Money": ("max_cost", "confirm_above", "dry_run", "min_tokens", "soft_budget", "budget_wait"),
    "Network": ("retry_for", "timeout", "idle_timeout"),
}
_CALLS = ("since", "until", "timezone", "tag", "model", "provider", "run", "cid")

# The names of parameters under each heading; what is under none comes last.
SECTIONS: dict[str, Sections] = {
    "send": _REQUEST,
    "chat": _REQUEST,
    "models": {"Which models": ("free", "max_price", "min_context", "modality", "supports", "author")},
    "cost": {"Which calls": _CALLS},
    "cost check": {"Which calls": _CALLS},
}

EXAMPLES = {
    "": """
        neuralterm send "why is the sky blue?"
        git diff | neuralterm send "write a commit message"
        neuralterm --sandbox chat
        """,
    "send": """
        git diff | neuralterm send "write a commit message"
        neuralterm send -m openai/gpt-4o --max-cost 0.02 "why is the sky blue?"
        neuralterm send -f notes.txt -a plan.pdf --json "what is missing?"
        neuralterm send -c "shorter, please"
        """,
    "chat": """
        neuralterm chat -m openai/gpt-4o --title trip
        neuralterm chat -c
        printf 'name a river\\nand a longer one\\n' | neuralterm chat --max-cost 0.05
        """,
    "models": """
        neuralterm models claude --sort price
        neuralterm models --input image --max-price 1 --json
        neuralterm models show openai/gpt-4o-mini
        """,
    "models show": """
        neuralterm models show openai/gpt-4o-mini
        neuralterm models show --offline --json openai/gpt-4o
        """,
    "cost": """
        neuralterm cost --since 7d --by model
        neuralterm cost --by month,tag --csv -z Europe/Berlin
        """,
    "cost check": """
        neuralterm cost check --max 0.50 --run "$NEURALTERM_RUN_ID"
        neuralterm cost check --max 5 --since 24h --tag ci --markdown >> "$GITHUB_STEP_SUMMARY"
        """,
    "cost budget": """
        neuralterm cost budget
        neuralterm cost budget set ci 5 --window month --tag ci
        """,
    "cost budget set": """
        neuralterm cost budget set ci 5 --window month --tag ci
        neuralterm cost budget set ci 7.50
        """,
    "cost budget remove": """
        neuralterm cost budget remove ci
        """,
    "cost reconcile": """
        neuralterm cost reconcile
        neuralterm cost reconcile --wait 60 --strict
        """,
    "cost verify": """
        neuralterm cost verify --strict
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
    "history delete": """
        neuralterm history delete 3f2a
        neuralterm history delete --yes 3f2a 77b0
        """,
    "history backup": """
        neuralterm history backup neuralterm-backup.db
        """,
    "history path": """
        neuralterm history path
        """,
    "login": """
        neuralterm login
        neuralterm login --no-browser
        neuralterm --sandbox login
        """,
    "logout": """
        neuralterm logout
        """,
    "doctor": """
        neuralterm doctor
        neuralterm doctor --offline --json | jq -r '.checks[] | select(.status != "ok") | .message'
        """,
    "completion": """
        source <(neuralterm completion bash)
        neuralterm completion bash > ~/.local/share/bash-completion/completions/neuralterm
        source <(neuralterm completion zsh)
        neuralterm completion fish > ~/.config/fish/completions/neuralterm.fish
        """,
}
