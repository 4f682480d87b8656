"""A bill that outlives the sandbox: one JSON line for each generation that has ended."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from neuralterm.sandbox.bill import Generation
from neuralterm.sandbox.catalogue import ServedModel
from neuralterm.sandbox.refusal import ServiceRefusedError
from neuralterm.setting_files import make_private_folder

_FACTS = (
    *("id", "prompt_tokens", "streamed", "completion_tokens", "reasoning_tokens"),
    *("finish_reason", "cancelled", "is_byok"),
)


class BillFile:
    """The file. Several sandboxes may add to it; `find_model` finds the model of a name that was written down."""

    def __init__(self, path: Path, find_model: Callable[[str], ServedModel]) -> None:
        self._path = path
        self._find_model = find_model

    def append(self, generation: Generation) -> None:
        """Write a generation down, in one piece. Raises OSError."""
        facts = {name: getattr(generation, name) for name in _FACTS}
        line = json.dumps({**facts, "model": generation.model.id, "created": generation.created.isoformat()})
        make_private_folder(str(self._path.parent))
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            with suppress(OSError):
                self._path.chmod(0o600)
            os.write(descriptor, f"{line}\n".encode())
        finally:
            os.close(descriptor)

    def read(self) -> Iterator[Generation]:
        """Yield what was written down, oldest first; a line that can't be read is left out, and so is a missing file."""
        try:
            lines = self._path.read_bytes().splitlines()
        except OSError:
            return
        for line in lines:
            try:
                yield self._generation(json.loads(line))
            except (ValueError, TypeError, KeyError, ServiceRefusedError):
                continue

    def _generation(self, record: dict[str, Any]) -> Generation:
        facts = {name: record[name] for name in _FACTS}
        model, created = self._find_model(record["model"]), datetime.fromisoformat(record["created"])
        return Generation(model=model, created=created, **facts)
