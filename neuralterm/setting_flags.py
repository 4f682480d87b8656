"""What the command line says of the whole program. Imports nothing heavy: the help of every command loads it."""

from __future__ import annotations

from neuralterm.domain.record import record


@record
class Flags:
    """What the command line says; None or False where it says nothing."""

    config: str | None = None
    sandbox: bool = False
    quiet: bool = False
    verbose: bool = False
    debug: bool = False
    no_color: bool = False
