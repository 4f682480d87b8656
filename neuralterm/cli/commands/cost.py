"""`neuralterm cost`: where the money went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from neuralterm.cli.call_options import calls_options, chosen_calls
from neuralterm.cli.cost_budget import budget
from neuralterm.cli.cost_check import check
from neuralterm.cli.cost_reconcile import reconcile_command, verify_command
from neuralterm.cli.options import DefaultGroup, json_option, pass_container

if TYPE_CHECKING:
    from neuralterm.application.reports import CostReport
    from neuralterm.container import Container

GROUPINGS = ("day", "week", "month", "model", "provider", "conversation", "tag", "run", "source")


def _groupings(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    names = [name.strip() for value in values for name in value.split(",")]
    for name in names:
        if name not in GROUPINGS:
            raise click.BadParameter(f"{name!r} is not one of {', '.join(GROUPINGS)}.")
    return tuple(dict.fromkeys(names))


@click.group(cls=DefaultGroup, default="report")
@pass_container
def command(container: Container, /) -> None:
    """Show where the money went."""
    container.recover()


command.add_command(check)
command.add_command(budget)
command.add_command(reconcile_command)
command.add_command(verify_command)


@command.command("report")
@calls_options
@click.option("--by", multiple=True, callback=_groupings, metavar="KEY,...", help="Group the calls by these keys.")
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option("--strict", is_flag=True, help="Fail (exit 2) if the service did not name every amount itself.")
@pass_container
def report(container: Container, /, **given: Any) -> None:
    """Show what was spent, from the ledger kept here.

    \b
    neuralterm cost --since 7d --by model
    neuralterm cost --by month,tag --csv -z Europe/Berlin

    KEY is day, week, month, model, provider, conversation, tag, run or source. ZONE is an IANA name. PATTERN may have
    *, ? and [...] as in a shell; it looks at the model that was asked for and at the one that served.
    """
    from neuralterm.application.reports import cost_report, require_all_billed

    if given["as_json"] and given["as_csv"]:
        raise click.UsageError("--json and --csv exclude each other.")
    wanted = chosen_calls(container, given)
    found = cost_report(container.ledger, wanted, by=given["by"], timezone=given["timezone"])
    _show(container, found, given)
    if given["strict"]:
        require_all_billed(container.ledger, found)


def _show(container: Container, found: CostReport, given: dict[str, Any]) -> None:
    from neuralterm.components import cost_csv, cost_view, machine

    console = container.console
    if given["as_json"]:
        console.print(machine.dumps(cost_view.report_document(found, container.spending.statuses())))
    elif given["as_csv"]:
        console.print(cost_csv.report_csv(found))
    else:
        console.print(cost_view.report_text(found, container.spending.statuses(), console.stdout_width))
