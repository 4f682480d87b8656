"""What the command line says of the whole program. Imports nothing heavy: the help of every command loads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neuralterm.domain.record import record

if TYPE_CHECKING:
    from pathlib import Path


@record
class Flags:
    """What the command line says; None or False where it says nothing."""

    config: Path | None = None
    sandbox: bool = False
    quiet: bool = False
    verbose: bool = False
    debug: bool = False
    no_color: bool = False
