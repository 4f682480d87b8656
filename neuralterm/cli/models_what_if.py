"""`neuralterm models what-if`: one's own use at the prices of other models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from neuralterm.cli.call_options import calls_options, chosen_calls
from neuralterm.cli.command import Command
from neuralterm.cli.loop import run_alone
from neuralterm.cli.options import json_option, pass_container

if TYPE_CHECKING:
    from neuralterm.container import Container
    from neuralterm.domain.catalogue import OpenRouterModel


@click.command("what-if", cls=Command)
@click.argument("model_ids", nargs=-1, required=True, metavar="ID...")
@calls_options
@json_option
@pass_container
def what_if_command(container: Container, /, model_ids: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Show what recorded calls would have cost at the prices of each model ID, beside what was paid.

    \b
    neuralterm models what-if openai/gpt-4o-mini --since 30d
    neuralterm models what-if openai/gpt-5-mini anthropic/claude-haiku-4.5 --tag ci

    The other options choose the calls as those of `neuralterm cost` do. It is assumed that every call would have had as many
    tokens, which models count differently. Calls of unknown usage or cost are left out, and said to be.
    """
    from neuralterm.application.what_if import MANY_CALLS, what_if
    from neuralterm.components import machine, what_if_view

    container.recover()
    wanted = chosen_calls(container, given)
    models = run_alone(container, _models, container, dict.fromkeys(model_ids))
    console = container.console
    (total,) = container.ledger.totals(wanted)
    if total.calls >= MANY_CALLS:
        console.note(f"reading {total.calls:,} calls ...")
    found = what_if(container.ledger, wanted, models)
    if as_json:
        console.print(machine.dumps(what_if_view.what_if_document(found, given["timezone"])))
    else:
        console.print(what_if_view.what_if_text(found, console.stdout_width))
    if not total.calls:
        from neuralterm.cli.misspelt import warn_of_empty_choice

        warn_of_empty_choice(container, given)
    for remark in what_if_view.remarks(found):
        console.note(remark)


async def _models(container: Container, model_ids: dict[str, None]) -> list[OpenRouterModel]:
    return [await container.catalogue.require(model_id) for model_id in model_ids]
