"""Looks whether everything is as it should be: every check is made, whatever the others find, and nothing is changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING

from neuralterm.domain.exceptions import ConfigurationError, NeuralTermError
from neuralterm.domain.record import record
from neuralterm.domain.text import numbered

if TYPE_CHECKING:
    from neuralterm.application.bounds import BudgetStatus
    from neuralterm.application.ports import Clock
    from neuralterm.application.surroundings import DatabaseState, ServiceReply, Surroundings

# Seconds by which the clock may differ from the service's: days, and so budgets, begin too early or too late.
_SLIGHTLY_WRONG_S, _WRONG_S = 30.0, 600.0
_LITTLE_SPACE = 100 * 1024 * 1024  # bytes
# Minutes after which nobody writes the end of an answer any more.
_LEFT_BEHIND_MIN = 60.0


class Health(str, Enum):
    """What a check comes to."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Cause(str, Enum):
    """Where a failure is to be mended."""

    SETUP = "setup"
    SERVICE = "service"


@record
class Finding:
    """What a check found: a sentence without a full stop, and the next step where there is one."""

    name: str
    health: Health
    message: str
    hint: str | None = None
    cause: Cause = Cause.SETUP


class Doctor:
    """Makes the checks one after the other. `offline` leaves out what needs the network."""

    def __init__(self, surroundings: Surroundings, clock: Clock, *, offline: bool = False) -> None:
        self._look = surroundings
        self._clock = clock
        self._offline = offline
        self._broken_settings: str | None = None
        self._reply: ServiceReply | None = None
        self._replied_at: datetime | None = None

    async def findings(self) -> list[Finding]:
        """Make all checks; what one of them raises is what it found."""
        checks: dict[str, Callable[[], Iterable[Finding] | Awaitable[Iterable[Finding]]]] = {
            "versions": self._versions,
            "terminal": self._terminal,
            "configuration": self._files,
            "database": self._database,
            "spool": self._spool,
            "budgets": self._budgets,
            "network": self._network,
            "clock": self._clocks,
            "key": self._key,
        }
        found: list[Finding] = []
        for name, check in checks.items():
            try:
                result = check()
                found += await result if isinstance(result, Awaitable) else result
            except NeuralTermError as error:
                found.append(self._failure(name, error))
            except Exception as error:  # no check may keep the others from being made
                found.append(Finding(name, Health.FAIL, f"unexpected fault: {type(error).__name__}: {error}"))
        return found

    def _failure(self, name: str, error: NeuralTermError) -> Finding:
        if name != "configuration" and error.message == self._broken_settings:
            return Finding(name, Health.WARN, "not checked, for the configuration can't be used")
        if name == "configuration" and isinstance(error, ConfigurationError):
            self._broken_settings = error.message
        cause = Cause.SERVICE if name == "network" else Cause.SETUP
        return Finding(name, Health.FAIL, error.message, error.hint, cause)

    def _versions(self) -> Iterable[Finding]:
        yield _fine("versions", ", ".join(f"{name} {version}" for name, version in self._look.versions().items()))

    def _terminal(self) -> Iterable[Finding]:
        yield _fine("terminal", self._look.terminal())

    def _files(self) -> Iterable[Finding]:
        state = self._look.files()
        yield _fine("configuration", ", ".join(state.files) or "no files, all as built in or from the environment")
        for warning in state.warnings:
            yield Finding("configuration", Health.WARN, warning)
        for path in state.exposed:
            yield Finding("configuration", Health.WARN, f"other users may change {path}", f"chmod go-w {path}")

    def _database(self) -> Iterable[Finding]:
        state = self._look.database()
        if state.refusal is not None:
            yield Finding("database", Health.FAIL, f"{state.path} can't be read: {state.refusal}")
        elif state.size is None:
            yield _fine("database", f"{state.path} is not there yet; the first answer makes it{_free(state)}")
        else:
            yield from _inside(state)
        for path in state.exposed:
            yield Finding("database", Health.WARN, f"other users may look into {path}", f"chmod go= {path}")
        if state.free is not None and state.free < _LITTLE_SPACE:
            yield Finding("database", Health.WARN, f"little room is left on the disk: {megabytes(state.free)}")

    def _spool(self) -> Iterable[Finding]:
        state = self._look.spool()
        if not state.count:
            yield _fine("spool", "no answers wait to be taken into the database")
        elif state.idle_minutes < _LEFT_BEHIND_MIN:
            verb = "is" if state.count == 1 else "are"
            yield _fine(
                "spool", f"{numbered(state.count, 'answer')} {verb} being written, or taken in by the next command"
            )
        else:
            verb = "was" if state.count == 1 else "were"
            what = f"{numbered(state.count, 'answer')} {verb}"
            yield Finding("spool", Health.WARN, f"{what} left behind", "`neuralterm history` takes in what is there")

    def _budgets(self) -> Iterable[Finding]:
        from neuralterm.domain.money import dollars

        states = self._look.budgets()
        spent = [state for state in states if not state.remaining_usd]
        near = [state for state in states if state.remaining_usd and _is_near_its_end(state)]
        if not states:
            yield _fine("budgets", "none are set")
        elif not spent and not near:
            yield _fine(
                "budgets", f"all {len(states)} have money left" if len(states) > 1 else "the one has money left"
            )
        for state in spent:
            hint = "`neuralterm cost budget` lists all"
            yield Finding("budgets", Health.WARN, f"{state.budget.name!r} is used up: calls are refused", hint)
        for state in near:
            left = f"{dollars(state.remaining_usd)} of {dollars(state.budget.limit_usd)}"
            yield Finding("budgets", Health.WARN, f"{state.budget.name!r} has {left} left")

    async def _network(self) -> Iterable[Finding]:
        route = self._look.route()
        if self._offline:
            return [_fine("network", f"not tried; requests go to {route}")]
        reply = self._reply = await self._look.ask_service()
        self._replied_at = self._clock.now()
        if reply.status >= 500:
            message = f"{route} answers with HTTP status {reply.status}"
            return [Finding("network", Health.FAIL, message, "try again later", Cause.SERVICE)]
        return [_fine("network", f"{route} answers after {reply.latency * 1000:.0f} ms")]

    def _clocks(self) -> Iterable[Finding]:
        reply, now = self._reply, self._replied_at
        if reply is None or now is None or reply.date is None:
            yield _fine("clock", f"{self._clock.now():%Y-%m-%d %H:%M} UTC, not compared with the service's")
            return
        # The service writes whole seconds, somewhere between question and answer.
        ahead = (now - reply.date).total_seconds() - 0.5 - reply.latency / 2
        off = abs(ahead)
        if off <= _SLIGHTLY_WRONG_S:
            yield _fine("clock", "agrees with the service's")
            return
        health = Health.FAIL if off > _WRONG_S else Health.WARN
        direction = "ahead of" if ahead > 0 else "behind"
        message = (
            f"{off:.0f} seconds {direction} the service's, so that days, and budgets for them, begin at other times"
        )
        yield Finding("clock", health, message, "set the clock of this machine")

    def _key(self) -> Iterable[Finding]:
        origin = self._look.key_origin()
        if origin is None and (keyless := self._look.keyless()):
            yield _fine("key", f"{keyless} needs none")
        elif origin is None:
            hint = "`neuralterm login` gets one, or set OPENROUTER_API_KEY"
            yield Finding("key", Health.FAIL, "there is none", hint)
        elif self._reply is None or self._reply.status >= 500:
            yield _fine("key", f"from {origin}; the service was not asked whether it takes it")
        elif self._reply.status in (401, 403):
            message = f"from {origin}; the service refuses it (HTTP status {self._reply.status})"
            yield Finding("key", Health.FAIL, message, "make another at https://openrouter.ai/keys")
        elif self._reply.status != 200:
            yield _fine("key", f"from {origin}; the server can't be asked whether it takes it")
        elif self._reply.is_used_up:
            yield Finding("key", Health.WARN, f"from {origin}; the service takes it, but its own limit is used up")
        else:
            yield _fine("key", f"from {origin}; the service takes it")


def worst(findings: Iterable[Finding]) -> Health:
    """Return what all the checks come to."""
    order = list(Health)
    return max((finding.health for finding in findings), key=order.index, default=Health.OK)


def megabytes(size: int) -> str:
    """Write a number of bytes for people."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def _fine(name: str, message: str) -> Finding:
    return Finding(name, Health.OK, message)


def _inside(state: DatabaseState) -> Iterable[Finding]:
    assert state.size is not None
    name, path, schema = "database", state.path, state.schema
    if state.faults:
        message = f"{path} is damaged: {state.faults[0]}"
        yield Finding(name, Health.FAIL, message, "restore a backup, or put the file away for a fresh one")
    elif schema is not None and schema > state.newest_schema:
        message = f"{path} was written by a newer version of neuralterm (schema {schema})"
        yield Finding(name, Health.FAIL, message, "update neuralterm")
    elif not state.is_writable:
        yield Finding(name, Health.FAIL, f"{path} can't be written, so no prompt can be sent")
    else:
        parts = [f"schema {schema}", megabytes(state.size), "WAL" if state.has_log else "no WAL yet"]
        if state.faults is not None:
            parts.append("intact")
        yield _fine(name, f"{path}: {', '.join(parts)}{_free(state)}")
        if state.faults is None:
            yield Finding(name, Health.WARN, "it is so large that looking for damage was given up")


def _free(state: DatabaseState) -> str:
    return "" if state.free is None else f"; {megabytes(state.free)} free on the disk"


def _is_near_its_end(state: BudgetStatus) -> bool:
    return state.committed_usd >= state.budget.limit_usd * state.budget.warning_level
