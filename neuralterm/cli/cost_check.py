"""`neuralterm cost check`: a gate for CI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from neuralterm.cli.call_options import calls_options, chosen_calls
from neuralterm.cli.command import Command
from neuralterm.cli.options import DecimalType, json_option, pass_container

if TYPE_CHECKING:
    from neuralterm.container import Container


@click.command("check", cls=Command)
@click.option("--max", "max_usd", type=DecimalType(), required=True, metavar="USD", help="The most that may be spent.")
@calls_options
@json_option
@click.option("--markdown", "as_markdown", is_flag=True, help="Print a summary for the page of a CI job.")
@pass_container
def check(container: Container, /, **given: Any) -> None:
    """Fail (exit 4) if calls cost more than a maximum.

    \b
    neuralterm cost check --max 0.50 --run "$NEURALTERM_RUN_ID"
    neuralterm cost check --max 5 --since 24h --tag ci --markdown >> "$GITHUB_STEP_SUMMARY"

    Checks all calls that the other options choose; a note says so if there are none. What is not settled yet counts at
    its upper bound; a call without one fails the check.
    """
    from neuralterm.application.cost_check import CostCheck, require_within
    from neuralterm.application.reports import cost_report
    from neuralterm.components import check_view, machine

    if given["as_json"] and given["as_markdown"]:
        raise click.UsageError("--json and --markdown exclude each other.")
    wanted = chosen_calls(container, given)
    by = ["model"] if given["as_markdown"] else []
    with container.console.busy("adding up"):
        report = cost_report(container.ledger, wanted, by=by, timezone=given["timezone"])
    result = CostCheck(report, given["max_usd"])
    if given["as_json"]:
        container.console.print(machine.dumps(check_view.check_document(result)))
    elif given["as_markdown"]:
        container.console.print(check_view.check_markdown(result))
    else:
        container.console.print(check_view.check_text(result))
    if not result.report.total.calls:
        from neuralterm.cli.misspelt import warn_of_empty_choice

        # A misspelt run id chooses nothing either, and nothing is within every maximum.
        container.console.note("warning: no calls match, so nothing was checked", fg="yellow")
        warn_of_empty_choice(container, given)
    require_within(result)
