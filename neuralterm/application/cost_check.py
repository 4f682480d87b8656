"""Did calls stay within a maximum?"""

from __future__ import annotations

from decimal import Decimal

from neuralterm.application.reports import CostReport, known_usd
from neuralterm.domain.exceptions import BudgetExceededError
from neuralterm.domain.money import EXACT, plain
from neuralterm.domain.record import record


@record
class CostCheck:
    """A report held against a maximum in USD."""

    report: CostReport
    max_usd: Decimal

    @property
    def spent_usd(self) -> Decimal:
        """What is known to have been spent, charges by providers to the user's own keys included, as budgets count it."""
        return EXACT.add(known_usd(self.report.total), self.report.total.upstream_usd)

    @property
    def at_most_usd(self) -> Decimal | None:
        """What was spent at most: calls that are not settled at their upper bounds; None when one has no bound."""
        bound = self.report.total.unsettled_at_most_usd
        return None if bound is None else EXACT.add(self.spent_usd, bound)

    @property
    def ok(self) -> bool:
        """Whether the maximum holds for certain."""
        return self.at_most_usd is not None and self.at_most_usd <= self.max_usd


def require_within(check: CostCheck) -> None:
    """Raise `BudgetExceededError` (code `OVER_MAXIMUM`) unless the maximum holds for certain."""
    if check.ok:
        return
    known, at_most, maximum = check.spent_usd, check.at_most_usd, f"${plain(check.max_usd)}"
    if known > check.max_usd:
        said = f"the calls cost ${plain(known)}, which is more than {maximum}"
    elif at_most is None:
        said = f"the calls may cost more than {maximum}: one of them has no upper bound"
    else:
        said = f"the calls may cost up to ${plain(at_most)}, which is more than {maximum}"
    unsettled = check.report.total.unsettled_calls
    raise BudgetExceededError(
        said,
        "OVER_MAXIMUM",
        limit_usd=check.max_usd,
        spent_usd=known,
        hint="`neuralterm cost reconcile` asks the service about calls that are not settled" if unsettled else None,
    )
