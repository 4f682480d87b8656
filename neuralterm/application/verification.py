"""Compares what the ledger holds of a service with what the service says of the key."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from neuralterm.application.ports import AccountClient, Clock, Ledger
from neuralterm.application.records import KeyReport, ServiceCharges
from neuralterm.domain.budget import Window
from neuralterm.domain.exceptions import ValidationError
from neuralterm.domain.money import EXACT, dollars
from neuralterm.domain.record import record

WINDOWS = (Window.TOTAL, Window.MONTH, Window.WEEK, Window.DAY)

# The service adds up floating-point numbers: differences below this (USD) are no charge, the smallest is larger.
ROUNDING = Decimal("0.000000001")

# A call that begins near the edge of a window may be counted on the other side of it: it takes time, and clocks differ.
EDGE = timedelta(hours=1)


@record
class WindowCheck:
    """One window on both sides, in USD. `service_usd` None: the service does not say.

    `least_usd` and `most_usd` are what the service must and can have charged by the ledger (None: there is no bound).
    """

    window: Window
    since: datetime | None
    service_usd: Decimal | None
    ledger: ServiceCharges
    least_usd: Decimal
    most_usd: Decimal | None

    @property
    def difference_usd(self) -> Decimal | None:
        """How much more the service says than the ledger has confirmed."""
        return None if self.service_usd is None else EXACT.subtract(self.service_usd, self.ledger.confirmed_usd)

    @property
    def excess_usd(self) -> Decimal:
        """What the service charged beyond all that the ledger accounts for; below zero, what it did not charge."""
        service, most = self.service_usd, self.most_usd
        if service is not None and most is not None and service > EXACT.add(most, ROUNDING):
            return EXACT.subtract(service, most)
        if service is not None and service < EXACT.subtract(self.least_usd, ROUNDING):
            return EXACT.subtract(service, self.least_usd)
        return Decimal(0)

    @property
    def agrees(self) -> bool | None:
        """Whether both sides can be true; None when the service does not say."""
        return None if self.service_usd is None else self.excess_usd == 0


@record
class Verification:
    """All windows, the longest first, and the whole report about the key."""

    checks: tuple[WindowCheck, ...]
    key: KeyReport

    @property
    def is_verified(self) -> bool:
        """True when the service told something, and nothing that it told contradicts the ledger."""
        verdicts = [check.agrees for check in self.checks]
        return True in verdicts and False not in verdicts


async def verify(ledger: Ledger, client: AccountClient, clock: Clock, service: str) -> Verification:
    """Ask about the key and compare. Raises `OpenRouterAPIError` when the service does not answer."""
    now = clock.now()
    # Before the question: what is written down while it is asked need not be in the answer.
    least = {window: _confirmed(ledger, service, window.start(now)) for window in WINDOWS}
    key = await client.get_key()
    told = {
        Window.TOTAL: key.usage_usd,
        Window.MONTH: key.usage_monthly_usd,
        Window.WEEK: key.usage_weekly_usd,
        Window.DAY: key.usage_daily_usd,
    }
    return Verification(
        tuple(_check(ledger, service, window, now, told[window], least[window]) for window in WINDOWS), key
    )


def require_verified(verification: Verification) -> None:
    """Raise `ValidationError` (code `NOT_VERIFIED`) unless ledger and service agree."""
    if verification.is_verified:
        return
    excesses = [check.excess_usd for check in verification.checks if check.agrees is False]
    if not excesses:
        raise ValidationError("the service does not say what the key has used", "NOT_VERIFIED")
    excess = excesses[0]
    amount = dollars(abs(excess))
    if excess > 0:
        raise ValidationError(f"the service charged {amount} that the ledger does not account for", "NOT_VERIFIED")
    raise ValidationError(f"the ledger has {amount} that the service did not charge", "NOT_VERIFIED")


def _confirmed(ledger: Ledger, service: str, start: datetime | None) -> Decimal:
    return ledger.charges_at(service, None if start is None else start + EDGE).confirmed_usd


def _check(
    ledger: Ledger, service: str, window: Window, now: datetime, told: Decimal | None, least: Decimal
) -> WindowCheck:
    start = window.start(now)
    charges = ledger.charges_at(service, start)
    most = _most(charges if start is None else ledger.charges_at(service, start - EDGE))
    return WindowCheck(window, start, told, charges, least, most)


def _most(charges: ServiceCharges) -> Decimal | None:
    at_most = charges.uncertain.at_most_usd
    if at_most is None:
        return None
    return EXACT.add(EXACT.add(charges.confirmed_usd, charges.computed_usd), at_most)
