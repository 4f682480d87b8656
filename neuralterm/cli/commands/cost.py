"""`neuralterm cost`: where the money went."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from neuralterm.cli.cost_budget import budget
from neuralterm.cli.cost_reconcile import reconcile_command, verify_command
from neuralterm.cli.options import DefaultGroup, MomentType, json_option, pass_container

if TYPE_CHECKING:
    from neuralterm.application.reports import CostReport
    from neuralterm.container import Container

GROUPINGS = ("day", "week", "month", "model", "provider", "conversation", "tag", "run", "source")


class LocalMoment(MomentType):
    """A moment; dates and times without a zone are those of `--timezone`, which must be read before.

    With `whole_day` a date stands for the end of that day, so that `--until` takes the day in.
    """

    def __init__(self, *, whole_day: bool = False) -> None:
        self._whole_day = whole_day

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the moment in UTC."""
        from neuralterm.domain.zones import time_zone

        text = str(value).strip()
        try:
            moment = _written_in_full(text)
            if moment is None or moment.tzinfo is not None or ctx is None:
                return super().convert(value, param, ctx)
            if self._whole_day and len(text) == len("2026-11-23"):
                moment += timedelta(days=1)
            return moment.replace(tzinfo=time_zone(ctx.params["timezone"])).astimezone(UTC)
        except OverflowError:
            self.fail(f"{text!r} is beyond the calendar.", param, ctx)


def _written_in_full(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _zone_of_settings(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    return ctx.obj.settings.timezone if value is None and not ctx.resilient_parsing else value


@click.group(cls=DefaultGroup, default="report")
def command() -> None:
    """Show where the money went."""


command.add_command(budget)
command.add_command(reconcile_command)
command.add_command(verify_command)


@command.command("report")
@click.option("--since", type=LocalMoment(), metavar="WHEN", help="From then on: 2026-11-23, 24h, 7d, ...")
@click.option("--until", type=LocalMoment(whole_day=True), metavar="WHEN", help="Before then; a date is taken in.")
@click.option(
    "-z",
    "--timezone",
    is_eager=True,
    callback=_zone_of_settings,
    metavar="ZONE",
    help="Where days begin; by default as in the settings.",
)
@click.option("--by", type=click.Choice(GROUPINGS), help="Group the calls.")
@click.option("--tag", metavar="TAG", help="Only calls with this tag.")
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option("--strict", is_flag=True, help="Fail (exit 2) if the service did not name every amount.")
@pass_container
def report(container: Container, /, **given: Any) -> None:
    """Show what was spent, from the ledger kept here.

    \b
    neuralterm cost --since 7d --by model
    neuralterm cost --by month --csv -z Europe/Berlin

    ZONE is an IANA name.
    """
    from neuralterm.application.records import CallFilter
    from neuralterm.application.reports import cost_report, require_all_billed

    if given["as_json"] and given["as_csv"]:
        raise click.UsageError("--json and --csv exclude each other.")
    wanted = CallFilter(since=given["since"], until=given["until"], tag=given["tag"])
    found = cost_report(container.ledger, wanted, by=[given["by"]] if given["by"] else [], timezone=given["timezone"])
    _show(container, found, given)
    if given["strict"]:
        require_all_billed(found)


def _show(container: Container, found: CostReport, given: dict[str, Any]) -> None:
    from neuralterm.components import cost_view, machine

    console = container.console
    if given["as_json"]:
        console.print(machine.dumps(cost_view.report_document(found, container.spending.statuses())))
    elif given["as_csv"]:
        console.print(cost_view.report_csv(found))
    else:
        console.print(cost_view.report_text(found, container.spending.statuses()))
