"""What `doctor` looks at, and what it sees there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from neuralterm.domain.record import record

if TYPE_CHECKING:
    from neuralterm.application.bounds import BudgetStatus


@record
class FilesState:
    """The configuration files that are read, as words; `warnings` are sentences about what is ignored in them."""

    files: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()


@record
class DatabaseState:
    """A database file as it lies there. `size` and `free` in bytes, None: not known. `faults` None: it took too long to look.

    `exposed` are the files and folders that other users of the machine may read or enter.
    """

    path: str
    size: int | None = None
    free: int | None = None
    schema: int | None = None
    newest_schema: int = 0
    has_log: bool = True
    is_writable: bool = True
    faults: tuple[str, ...] | None = ()
    exposed: tuple[str, ...] = ()
    refusal: str | None = None


@record
class SpoolState:
    """How many answers have a journal, and for how many minutes nothing was written into the oldest."""

    count: int
    idle_minutes: float = 0.0


@record
class ServiceReply:
    """How the service answered the question about the key. `latency` in seconds; `date` is what its clock said."""

    status: int
    latency: float
    date: datetime | None = None
    is_used_up: bool = False


@record
class Surroundings:
    """What the checks look at; each may raise an error of ours. `route` says in words how the service is reached,
    `keyless` what needs no key: None where one is needed.
    """

    versions: Callable[[], Mapping[str, str]]
    terminal: Callable[[], str]
    files: Callable[[], FilesState]
    database: Callable[[], DatabaseState]
    spool: Callable[[], SpoolState]
    budgets: Callable[[], Sequence[BudgetStatus]]
    key_origin: Callable[[], str | None]
    keyless: Callable[[], str | None]
    route: Callable[[], str]
    ask_service: Callable[[], Awaitable[ServiceReply]]
