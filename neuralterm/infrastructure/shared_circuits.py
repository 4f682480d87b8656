"""Circuits that all processes of a user share, by service and model, in SQLite."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from neuralterm.domain.exceptions import StorageError
from neuralterm.infrastructure.database import Database

if TYPE_CHECKING:
    from pathlib import Path

    from neuralterm.application.ports import Processes
    from neuralterm.domain.circuits import CircuitRules
    from neuralterm.infrastructure.circuit_memory import CircuitMemory

_IS_TROUBLED = """
    SELECT 1 FROM circuits WHERE service = :service AND model IN ('', :model)
    UNION ALL SELECT 1 FROM rate_limits WHERE service = :service AND model = :model
    LIMIT 1
"""


class SharedCircuits:
    """Gives each turn its circuit; made for one service, which is named by its base URL.

    `clock` returns Unix time in seconds, the same for all processes. `model_rules` hold for what a model fails at,
    `service_rules` for a service that can't be reached; None are those of `circuit_memory`.
    """

    def __init__(
        self,
        database: Database | Path | str,
        service: str,
        processes: Processes,
        clock: Callable[[], float] = time.time,
        *,
        model_rules: CircuitRules | None = None,
        service_rules: CircuitRules | None = None,
    ) -> None:
        self.database = database if isinstance(database, Database) else Database(database)
        self.service = service
        self.processes = processes
        self.clock = clock
        self.model_rules = model_rules
        self.service_rules = service_rules

    def __call__(self, model: str) -> SharedCircuit:
        """Return the circuit for one turn that asks for this model."""
        return SharedCircuit(self, model)


class SharedCircuit:
    """The circuit of one turn. While all is well it reads once for each try and writes nothing.

    A database that can't be used is none of its troubles: it lets calls through then.

    A turn that finds the circuit open is refused for good: others have waited before it. One that was let through while it
    was closed may wait until it can be tried again.
    """

    def __init__(self, circuits: SharedCircuits, model: str) -> None:
        self.wait = 0.0
        self._circuits = circuits
        self._model = model
        self._troubled = False
        self._began_closed: bool | None = None
        # When this turn began to probe, by scope.
        self._probes: dict[str, float] = {}

    def check(self) -> None:
        """Return if a request may be made now; this turn may become the one that probes.

        Raises `CircuitOpenError`, with the seconds until the next try makes sense, if not.
        """
        self.wait, self._probes = 0.0, {}
        with contextlib.suppress(StorageError):
            self._troubled = self._is_troubled()
            if self._troubled:
                self._probes = self._memory().admit(may_wait=self._began_closed is True)
        if self._began_closed is None:
            self._began_closed = not self._probes

    def record(self, error: BaseException | None) -> None:
        """Remember what the end of the request says about service and model, and what wait was asked for."""
        self.wait = 0.0
        if error is None and not self._troubled:
            return
        with contextlib.suppress(StorageError):
            wait = self._memory().remember(error, self._probes, troubled=self._troubled)
            self.wait = wait if self._began_closed or not wait else math.inf

    def _is_troubled(self) -> bool:
        names = {"service": self._circuits.service, "model": self._model}
        return bool(self._circuits.database.query(_IS_TROUBLED, names))

    def _memory(self) -> CircuitMemory:
        from neuralterm.infrastructure.circuit_memory import CircuitMemory

        return CircuitMemory(self._circuits, self._model)
