"""`neuralterm cost`: where the money went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from neuralterm.cli.call_options import calls_options, chosen_calls
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


command.add_by_need("check", "cost_check:check")
command.add_by_need("budget", "cost_budget:budget")
command.add_by_need("reconcile", "cost_reconcile:reconcile_command")
command.add_by_need("verify", "cost_reconcile:verify_command")


@command.command("report")
@calls_options
@click.option("--by", multiple=True, callback=_groupings, metavar="KEY,...", help="Group the calls by these keys.")
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option("--calendar", is_flag=True, help="Show a calendar: how much on which day.")
@click.option("--bars/--no-bars", default=None, help="Draw bars behind groups; by default where a terminal has room.")
@click.option("--html", "page", metavar="FILE", help="Write a page with charts to FILE.")
@click.option("--force", is_flag=True, help="Overwrite FILE if it is there.")
@click.option("--strict", is_flag=True, help="Fail (exit 2) if the service did not name every amount itself.")
@pass_container
def report(container: Container, /, **given: Any) -> None:
    """Show what was spent, from the ledger kept here.

    \b
    neuralterm cost --since 7d --by model
    neuralterm cost --by month,tag --csv -z Europe/Berlin
    neuralterm cost --calendar --tag nightly
    neuralterm cost --html spent.html --since 30d

    KEY is day, week, month, model, provider, conversation, tag, run or source. ZONE is an IANA name. PATTERN may have
    *, ? and [...] as in a shell; it looks at the model that was asked for and at the one that served.

    A page has a chart and a table for each key, by default for day, model and tag. It needs no network and runs no program;
    FILE may be -.
    """
    from neuralterm.application.reports import cost_report, require_all_billed

    _require_one_form(given)
    wanted = chosen_calls(container, given)
    by = ("day",) if given["calendar"] else () if given["page"] else given["by"]
    with container.console.busy("adding up"):
        found = cost_report(container.ledger, wanted, by=by, timezone=given["timezone"])
    _show(container, found, given)
    if not found.total.calls:
        from neuralterm.cli.misspelt import warn_of_empty_choice

        warn_of_empty_choice(container, given)
    if given["strict"]:
        require_all_billed(container.ledger, found)


def _require_one_form(given: dict[str, Any]) -> None:
    """Raise UsageError for options that exclude each other, or that do nothing without another one."""
    forms = {"--json": "as_json", "--csv": "as_csv", "--calendar": "calendar", "--html": "page"}
    chosen = [option for option, name in forms.items() if given[name]]
    if len(chosen) > 1:
        raise click.UsageError(f"{chosen[0]} and {chosen[1]} exclude each other.")
    if given["calendar"] and given["by"]:
        raise click.UsageError("--calendar is by day; --by has no place there.")
    if chosen and given["bars"] is not None:
        raise click.UsageError(f"{chosen[0]} has no bars to draw or to leave out.")
    if given["force"] and not given["page"]:
        raise click.UsageError("--force is for --html.")


def _show(container: Container, found: CostReport, given: dict[str, Any]) -> None:
    from neuralterm.components import cost_csv, cost_view, machine

    console = container.console
    if given["as_json"]:
        console.print(machine.dumps(cost_view.report_document(found, container.spending.statuses())))
    elif given["as_csv"]:
        console.print(cost_csv.report_csv(found))
    elif given["calendar"]:
        _show_calendar(container, found)
    elif given["page"]:
        _write_page(container, found, given)
    else:
        statuses = container.spending.statuses()
        console.print(cost_view.report_text(found, statuses, console.stdout_width, bars=given["bars"]))


def _show_calendar(container: Container, found: CostReport) -> None:
    from neuralterm.application.report_days import days_of
    from neuralterm.components.calendar_view import STYLES, calendar_text
    from neuralterm.components.cost_view import report_text

    console, width = container.console, container.console.stdout_width
    first, last = days_of(found, container.clock.now())
    console.print(f"{report_text(found, (), width, groups=False)}\n")
    console.print_styled(calendar_text(found.groups, first, last, width), STYLES)


def _write_page(container: Container, found: CostReport, given: dict[str, Any]) -> None:
    from pathlib import Path

    from neuralterm.application.spent import spent
    from neuralterm.cli.writing import write_file
    from neuralterm.components.cost_page import cost_page

    by, console = given["by"], container.console
    with console.busy("adding up"):
        text = cost_page(spent(container.ledger, found, by, container.clock.now()), container.spending.statuses())
    if given["page"] == "-":
        console.print(text)
        return
    write_file(Path(given["page"]), [text, "\n"], overwrite=given["force"])
    console.note(f"written to {given['page']}")
