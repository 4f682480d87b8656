"""What the checks found: a line each for people, a document for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from neuralterm.application.doctor import Finding, worst
from neuralterm.components.machine import SCHEMA_VERSION
from neuralterm.components.text_width import wrapped
from neuralterm.domain.text import one_line

if TYPE_CHECKING:
    from neuralterm.components.console import Console

_INDENT = 6  # as far as the word of how it is reaches


def terminal_words(console: Console, *, color: bool) -> str:
    """Say how the output is shown; `color`: whether colours are wanted on a terminal."""
    import locale

    where = (
        f"stdout is a terminal of {console.width} columns" if console.stdout_is_terminal else "stdout is no terminal"
    )
    colors = "colours" if color else "no colours"
    return f"{where}, {colors} on a terminal, UTF-8 (the locale's encoding is {locale.getpreferredencoding(False)})"


def findings_text(findings: Sequence[Finding], width: int | None = None) -> str:
    """Return `ok|warn|fail  name: sentence` for each, a line each; broken at words where there are but `width` columns."""
    lines = [
        f"{finding.health.value:4}  {finding.name}: {one_line(finding.message)}"
        + (f"; {one_line(finding.hint)}" if finding.hint else "")
        for finding in findings
    ]
    # A path or an address stays whole, so that it can be copied.
    return "\n".join(wrapped(each, width, _INDENT) for each in lines)


def findings_document(findings: Sequence[Finding], exit_code: int) -> dict[str, Any]:
    """Return the object that `doctor --json` prints."""
    return {
        "schema_version": SCHEMA_VERSION,
        "status": worst(findings).value,
        "exit_code": exit_code,
        "checks": [
            {
                "name": finding.name,
                "status": finding.health.value,
                "message": one_line(finding.message),
                "hint": finding.hint,
            }
            for finding in findings
        ],
    }
