"""`neuralterm cost budget`: lists, sets and removes budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from neuralterm.cli.options import DecimalType, DefaultGroup, LevelType, json_option, pass_container

if TYPE_CHECKING:
    from decimal import Decimal

    from neuralterm.application.bounds import BudgetStatus
    from neuralterm.application.budgets import BudgetChange, PlacedBudget
    from neuralterm.container import Container

_WINDOWS = ("day", "week", "month", "total")


class _WindowChoice(click.Choice):  # type: ignore[type-arg]  # generic only since Click 8.2
    """A window; `call` too, which is refused where it can be said what to do instead."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the name of the window."""
        return value if value == "call" else super().convert(value, param, ctx)


@click.group("budget", cls=DefaultGroup, default="list")
def budget() -> None:
    """List, set and remove budgets."""


@budget.command("list")
@json_option
@pass_container
def list_budgets(container: Container, /, as_json: bool) -> None:
    """List the budgets with what is spent, reserved and left.

    All of them hold at once, whatever their origin: environment, user file, project file, or `cost budget set`.

    \b
    neuralterm cost budget
    neuralterm cost budget set ci 5 --window month --tag ci
    """
    from neuralterm.components import budget_view, machine

    states = [_with_status(container, placed) for placed in container.known_budgets.all()]
    if as_json:
        documents = [budget_view.placed_document(*state) for state in states]
        container.console.print(machine.dumps({"budgets": documents}))
    elif states:
        container.console.print(budget_view.budgets_table(states, container.console.stdout_width))
    else:
        container.console.note("no budgets: `neuralterm cost budget set --help` shows how to set one")


@budget.command("set")
@click.argument("name")
@click.argument("limit", type=DecimalType(), metavar="[USD]", required=False)
@click.option("--limit", "named_limit", type=DecimalType(), metavar="USD", help="The same as USD.")
@click.option("--window", type=_WindowChoice(_WINDOWS), help="How long it counts; needed for a new budget.")
@click.option("--tag", metavar="TAG", help="Count only calls with this tag.")
@click.option("--model", metavar="PATTERN", help="Count only calls of these models: openai/*.")
@click.option("--cid", "--conversation", "cid", metavar="ID", help="Count only calls of this conversation.")
@click.option(
    "--warn",
    "--warning-level",
    "warn",
    type=LevelType(),
    metavar="LEVEL",
    help="Warn when this part of it is used, such as 0.8.",
)
@click.option("-z", "--timezone", metavar="ZONE", help="Where its days begin.")
@json_option
@pass_container
def set_budget(
    container: Container, /, limit: Decimal | None, named_limit: Decimal | None, as_json: bool, **given: Any
) -> None:
    """Set the budget NAME to USD, for all who share the database.

    \b
    neuralterm cost budget set ci 5 --window month --tag ci
    neuralterm cost budget set ci 7.50

    What is left out stays as it was; to drop a tag, remove the budget and set it afresh. A limit of 0 lets nothing be
    spent.
    """
    from neuralterm.components import budget_view, machine

    amounts = [amount for amount in (limit, named_limit) if amount is not None]
    if len(amounts) != 1:
        raise click.UsageError("Give the limit in USD, once.", click.get_current_context())
    change = _change(container, amounts[0], given)
    state = _with_status(container, container.known_budgets.set(change))
    if as_json:
        container.console.print(machine.dumps({"budget": budget_view.placed_document(*state)}))
    else:
        container.console.note(budget_view.budget_line(*state))
    if change.model is not None:
        from neuralterm.cli.misspelt import warn_of_misspelt

        # A budget of a model that does not exist counts nothing, and never refuses anything.
        warn_of_misspelt(container, change.model)


@budget.command("remove")
@click.argument("name")
@pass_container
def remove_budget(container: Container, /, name: str) -> None:
    """Remove the budget NAME, which `cost budget set` has set.

    \b
    neuralterm cost budget remove ci
    """
    from neuralterm.cli.stdin import argument_text

    container.known_budgets.remove(argument_text(name))
    container.console.note("removed")


def _with_status(container: Container, placed: PlacedBudget) -> tuple[PlacedBudget, BudgetStatus]:
    return placed, container.spending.status(placed.budget)


def _change(container: Container, limit: Decimal, given: dict[str, Any]) -> BudgetChange:
    from neuralterm.application.budgets import BudgetChange
    from neuralterm.application.history import resolve_conversation
    from neuralterm.cli.stdin import argument_text
    from neuralterm.domain.budget import Window

    def text(name: str) -> str | None:
        return None if given[name] is None else argument_text(given[name])

    conversation = None if given["cid"] is None else resolve_conversation(container.repository, given["cid"]).id
    return BudgetChange(
        argument_text(given["name"]),
        limit,
        None if given["window"] is None else Window(given["window"]),
        tag=text("tag"),
        model=text("model"),
        conversation=conversation,
        warning_level=given["warn"],
        zone=text("timezone"),
    )
