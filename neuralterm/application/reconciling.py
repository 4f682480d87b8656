"""Asks the service afterwards what calls cost whose price never arrived."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal

from neuralterm.application.ports import AccountClient, Clock, ConversationRepository, Ledger
from neuralterm.application.records import Call, GenerationReport, Uncertain
from neuralterm.domain.exceptions import NeuralTermError
from neuralterm.domain.models import Cost, CostSource, MessageStatus
from neuralterm.domain.money import EXACT
from neuralterm.domain.record import record, replace

# Seconds between two questions about the same call: the first pause, doubled each time up to the longest.
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0
# Questions that are open at the same time.
AT_A_TIME = 4

# How many calls are asked about beside something else, and for how long: what the service does not know after a day it is
# not going to know, and a question with every prompt would be one too many.
# Nothing else goes on while the database is waited for, which others may hold.
_PATIENCE_BESIDE_S = 0.1
ASKED_BESIDE = 5
ASKED_BESIDE_FOR = timedelta(days=1)

# Tells what a call costs by prices that the user has declared, in USD; None where there are none or no token counts.
Pricing = Callable[[Call], Decimal | None]
# Is told how many calls are still unknown, and in how many seconds they are asked about again.
Progress = Callable[[int, float], None]

_OPEN = (CostSource.UNSETTLED, CostSource.ESTIMATED)
_NAMED = (CostSource.BILLED, CostSource.RECONCILED)


@record
class ReconcileResult:
    """What came of asking. Amounts in USD.

    `unknown` are calls that can be asked about again, `unaskable` those that can't: nobody knows their generation id.
    `error` is what ended the asking early, None when nothing did.
    """

    found_calls: int
    found_usd: Decimal
    found_upstream_usd: Decimal
    unknown: Uncertain
    unaskable: Uncertain
    error: NeuralTermError | None = None

    @property
    def is_complete(self) -> bool:
        """True when nothing is left whose cost the service has not named."""
        return self.error is None and not self.unknown.calls and not self.unaskable.calls


async def reconcile(
    ledger: Ledger,
    repository: ConversationRepository,
    client: AccountClient,
    clock: Clock,
    service: str,
    *,
    patience: float,
    limit: int,
    on_progress: Progress | None = None,
    price_of: Pricing | None = None,
) -> ReconcileResult:
    """Ask about at most `limit` open calls of a service, again and again for `patience` seconds, and keep what it says.

    Every call is asked about once at least. An error of the service or of the database ends the asking; it is in the
    result, and what was found until then is kept. Calls that `price_of` can price are computed and not asked about. What is
    computed by list prices is known well enough to be asked about once, and only at a service that tells.
    """
    asking = _Asking(ledger, repository, client, service, price_of)
    unknown = await asking.ask(ledger.to_reconcile(service, limit))
    await asking.confirm(ledger.to_reconcile(service, limit, computed=True))
    deadline, pause = clock.monotonic() + patience, FIRST_PAUSE
    while unknown and asking.error is None and (seconds_left := deadline - clock.monotonic()) > 0:
        wait = min(pause, seconds_left)
        if on_progress is not None:
            on_progress(len(unknown), wait)
        await clock.sleep(wait)
        pause = min(pause * 2, LONGEST_PAUSE)
        unknown = await asking.ask(unknown)
    return asking.result()


async def reconcile_some(
    ledger: Ledger, repository: ConversationRepository, client: AccountClient, clock: Clock, service: str
) -> int:
    """Ask once about the newest few open calls; return how many became known.

    Meant to run beside something else, and may be cancelled at any time: all errors of ours are swallowed.
    """
    found = 0
    with contextlib.suppress(NeuralTermError):
        for call in ledger.to_reconcile(service, ASKED_BESIDE):
            if call.generation_id is None or clock.now() - call.started_at > ASKED_BESIDE_FOR:
                continue
            report = await client.get_generation(call.generation_id)
            with repository.patience(_PATIENCE_BESIDE_S):
                if report is not None and keep_report(ledger, repository, service, call, report) is not None:
                    found += 1
    return found


def keep_report(
    ledger: Ledger,
    repository: ConversationRepository,
    service: str,
    call: Call,
    report: GenerationReport,
    source: CostSource = CostSource.RECONCILED,
) -> Cost | None:
    """Write down what is known of a call now, in one step with its message; return the cost.

    None, and nothing is written, when the call is no longer open: it is known meanwhile, it runs, or it is gone. What
    another call has been charged for the same generation is not charged to this one again.
    """
    with repository.transaction(), ledger.transaction():
        calls = [each for each in ledger.calls_of(report.generation_id) if each.service in (None, service)]
        current = next((each for each in calls if each.id == call.id), None)
        if current is None or not _is_open(current, call):
            return None
        usage = report.usage or current.usage
        cost = Cost(report.cost, source, report.cost, report.upstream_cost)
        if source is CostSource.RECONCILED and any(each.cost.source in _NAMED for each in calls):
            cost, usage = Cost(Decimal(0), CostSource.RECONCILED, Decimal(0)), current.usage
        ledger.settle_call(
            replace(
                current,
                cost=cost,
                usage=usage,
                model=report.model or current.model,
                provider=report.provider or current.provider,
                finish_reason=current.finish_reason or report.finish_reason,
                service=service,
            )
        )
        if current.message_id is not None:
            repository.price_message(current.message_id, cost, usage)
    return cost


def _is_open(call: Call, asked: Call) -> bool:
    """Say whether a call still waits for the word of the service, as it did when it was asked about."""
    ended = call.owner is None and call.status is not MessageStatus.PENDING
    return ended and (call.cost.source in _OPEN or call.cost.source is asked.cost.source is CostSource.COMPUTED)


class _Asking:
    """Puts the questions, a few at a time, and adds up the answers."""

    def __init__(
        self,
        ledger: Ledger,
        repository: ConversationRepository,
        client: AccountClient,
        service: str,
        price_of: Pricing | None,
    ) -> None:
        self._price_of = price_of
        self._ledger = ledger
        self._repository = repository
        self._client = client
        self._service = service
        self._found: list[Cost] = []
        self.error: NeuralTermError | None = None

    async def ask(self, calls: list[Call]) -> list[Call]:
        """Ask about each call; return those that the service does not know."""
        unknown: list[Call] = []
        waiting = iter(calls)
        if len(calls) <= 1:
            await self._ask_in_turn(waiting, unknown)
            return unknown
        import anyio

        async with anyio.create_task_group() as group:
            for _ in range(min(AT_A_TIME, len(calls))):
                group.start_soon(self._ask_in_turn, waiting, unknown)
        return unknown

    async def confirm(self, calls: list[Call]) -> None:
        """Ask about computed calls: about all of them if the service knows one of the newest few."""
        computed = [call for call in calls if call.cost.source is CostSource.COMPUTED and not self._has_price(call)]
        first, rest = computed[:AT_A_TIME], computed[AT_A_TIME:]
        if len(await self.ask(first)) < len(first) and self.error is None:
            await self.ask(rest)

    def _has_price(self, call: Call) -> bool:
        return self._price_of is not None and self._price_of(call) is not None

    def result(self) -> ReconcileResult:
        charges = self._ledger.charges_at(self._service)
        usd = upstream = Decimal(0)
        for cost in self._found:
            usd, upstream = EXACT.add(usd, cost.usd or Decimal(0)), EXACT.add(upstream, cost.upstream_usd or Decimal(0))
        return ReconcileResult(len(self._found), usd, upstream, charges.askable, charges.unaskable, self.error)

    async def _ask_in_turn(self, waiting: Iterator[Call], unknown: list[Call]) -> None:
        for call in waiting:
            if self.error is not None:
                return
            try:
                await self._ask_about(call, unknown)
            except NeuralTermError as error:
                self.error = self.error or error

    async def _ask_about(self, call: Call, unknown: list[Call]) -> None:
        generation_id = call.generation_id or ""
        price, source = self._price_of(call) if self._price_of else None, CostSource.COMPUTED
        report = None if price is None else GenerationReport(generation_id, price)
        if report is None:
            report, source = await self._client.get_generation(generation_id), CostSource.RECONCILED
        if report is None:
            unknown.append(call)
            return
        cost = keep_report(self._ledger, self._repository, self._service, call, report, source)
        if cost is not None:
            self._found.append(cost)
