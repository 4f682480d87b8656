"""What the service said of money afterwards, for programs and for people."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from neuralterm.application.reconciling import ReconcileResult
from neuralterm.application.records import KeyReport, ServiceCharges, Uncertain
from neuralterm.application.verification import Verification, WindowCheck
from neuralterm.components.machine import SCHEMA_VERSION, moment, money
from neuralterm.components.tables import fitted_table
from neuralterm.components.text_width import wrapped
from neuralterm.domain.budget import Window
from neuralterm.domain.money import dollars
from neuralterm.domain.text import numbered, one_line

_NAMES = {Window.TOTAL: "all time", Window.MONTH: "this month", Window.WEEK: "this week", Window.DAY: "today"}
_OTHERS = "Days are those of UTC, weeks begin on Monday. Other programs that use the same key make the service's number larger."


def reconcile_document(result: ReconcileResult) -> dict[str, Any]:
    """Return the object that `cost reconcile --json` prints."""
    return {
        "schema_version": SCHEMA_VERSION,
        "found": {
            "calls": result.found_calls,
            "usd": money(result.found_usd),
            "upstream_usd": money(result.found_upstream_usd),
        },
        "unknown": _uncertain_document(result.unknown),
        "unaskable": _uncertain_document(result.unaskable),
        "complete": result.is_complete,
    }


def reconcile_text(result: ReconcileResult) -> str:
    """Return the result for people."""
    lines = []
    if result.found_calls:
        upstream = result.found_upstream_usd
        apart = f", and {dollars(upstream)} charged to your own provider keys" if upstream else ""
        lines.append(f"{'found':<14}{numbered(result.found_calls, 'call')}: {dollars(result.found_usd)}{apart}")
    if result.unknown.calls:
        lines.append(f"{'still unknown':<14}{_uncertain_words(result.unknown)}")
    if result.unaskable.calls:
        lines.append(f"{'lost':<14}{_uncertain_words(result.unaskable)}, and no generation id to ask for")
    return "\n".join(lines) or "nothing to ask about: no call of this service is of unknown cost"


def verification_document(verification: Verification) -> dict[str, Any]:
    """Return the object that `cost verify --json` prints."""
    key = verification.key
    return {
        "schema_version": SCHEMA_VERSION,
        "currency": "USD",
        "windows": [_check_document(check) for check in verification.checks],
        "limit": {
            "limit_usd": money(key.limit_usd),
            "remaining_usd": money(key.limit_remaining_usd),
            "resets": key.limit_reset,
        },
        "verified": verification.is_verified,
    }


def verification_text(verification: Verification, width: int | None = None) -> str:
    """Return the comparison for people, with what fits a terminal of so many columns."""
    headers = ("window", "service", "ledger", "difference", "not confirmed")
    rows = [
        (
            _NAMES[check.window],
            "unknown" if check.service_usd is None else dollars(check.service_usd),
            dollars(check.ledger.confirmed_usd),
            "unknown" if check.difference_usd is None else _signed(check.difference_usd),
            _unconfirmed_words(check.ledger),
        )
        for check in verification.checks
    ]
    shown = len(headers) if any(row[-1] for row in rows) else len(headers) - 1
    comparison = fitted_table(
        headers[:shown],
        [row[:shown] for row in rows],
        width,
        right=headers[1:4],
        expendable=(("difference",), ("not confirmed",)),
    )
    parts = [comparison, _verdict(verification)]
    if limit := _limit_words(verification.key):
        parts.append(limit)
    return "\n\n".join([*parts, wrapped(_OTHERS, width)])


def _check_document(check: WindowCheck) -> dict[str, Any]:
    return {
        "window": check.window.value,
        "since": moment(check.since),
        "service_usd": money(check.service_usd),
        "ledger_usd": money(check.ledger.confirmed_usd),
        "computed_usd": money(check.ledger.computed_usd),
        "uncertain": _uncertain_document(check.ledger.uncertain),
        "difference_usd": money(check.difference_usd),
        "agrees": check.agrees,
    }


def _uncertain_document(uncertain: Uncertain) -> dict[str, Any]:
    return {"calls": uncertain.calls, "at_most_usd": money(uncertain.at_most_usd)}


def _uncertain_words(uncertain: Uncertain) -> str:
    bound = uncertain.at_most_usd
    return f"{numbered(uncertain.calls, 'call')}: " + (
        "no bound known" if bound is None else f"at most {dollars(bound)}"
    )


def _unconfirmed_words(charges: ServiceCharges) -> str:
    words = [f"{dollars(charges.computed_usd)} by list prices"] if charges.computed_usd else []
    if charges.uncertain.calls:
        words.append(_uncertain_words(charges.uncertain))
    return ", ".join(words)


def _verdict(verification: Verification) -> str:
    if verification.is_verified:
        return "Ledger and service agree."
    differing = [_NAMES[check.window] for check in verification.checks if check.agrees is False]
    if differing:
        return f"Ledger and service do not agree: {', '.join(differing)}."
    return "The service does not say what the key has used."


def _limit_words(key: KeyReport) -> str:
    if key.limit_usd is None:
        return ""
    left = "" if key.limit_remaining_usd is None else f", {dollars(key.limit_remaining_usd)} left"
    return f"The key's own limit is {dollars(key.limit_usd)} ({one_line(key.limit_reset or 'for ever')}){left}."


def _signed(usd: Decimal) -> str:
    sign = "+" if usd > 0 else "-" if usd < 0 else ""
    return sign + dollars(abs(usd))
