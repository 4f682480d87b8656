"""`neuralterm models`: what there is and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from neuralterm.cli.loop import run_alone
from neuralterm.cli.options import DecimalType, DefaultGroup, json_option, pass_container

if TYPE_CHECKING:
    from neuralterm.application.catalogue import Listing
    from neuralterm.container import Container

SORT_KEYS = ("price", "context", "newest", "name")

_refresh_option = click.option("--refresh", is_flag=True, help="Ask the service, whatever copy is here.")
_offline_option = click.option("--offline", is_flag=True, help="Use the copy kept here, whatever its age.")


@click.group(cls=DefaultGroup, default="list")
def command() -> None:
    """Show what models there are and what they cost."""


@command.command("list")
@click.argument("query", nargs=-1)
@click.option("--sort", type=click.Choice(SORT_KEYS), default="name", show_default=True, help="The order.")
@click.option("--free", is_flag=True, help="Only those that cost nothing.")
@click.option("--max-price", type=DecimalType(), metavar="USD", help="At most so much per million tokens, in and out.")
@click.option("--min-context", type=click.IntRange(1), metavar="N", help="A window of at least N tokens.")
@click.option("--input", "modality", metavar="MODALITY", help="Takes text, image, file, audio, ...")
@click.option("--supports", metavar="PARAM", help="Takes this request parameter: tools, structured_outputs, ...")
@click.option("--author", metavar="NAME", help="By this author: the part of the id before the slash.")
@click.option("-n", "limit", type=click.IntRange(1), metavar="N", help="Only the first N.")
@json_option
@_refresh_option
@_offline_option
@pass_container
def list_models(container: Container, /, **given: Any) -> None:
    """List the models with every word of QUERY in id or name; prices are in USD per million tokens.

    \b
    neuralterm models claude --sort price
    neuralterm models --input image --max-price 1 --json
    neuralterm models show openai/gpt-4o-mini
    """
    from neuralterm.application.model_search import ModelFilter, matching, ordered
    from neuralterm.components import machine, models_view

    listing = _listing(container, given)
    wanted = ModelFilter(
        query=" ".join(given["query"]),
        free_only=given["free"],
        max_price=given["max_price"],
        min_context=given["min_context"],
        input_modality=given["modality"],
        supports=given["supports"],
        author=given["author"],
    )
    found = ordered(matching(listing.models, wanted), given["sort"])
    shown = found[: given["limit"]]
    if given["as_json"]:
        container.console.print(machine.dumps(models_view.models_document(listing, shown)))
    elif shown:
        container.console.print(models_view.models_table(shown))
    if not found:
        container.console.note("no model matches")
    elif len(shown) < len(found):
        container.console.note(f"{len(shown)} of {len(found)} models shown")


@command.command("show")
@click.argument("model_id", metavar="ID")
@json_option
@_refresh_option
@_offline_option
@pass_container
def show_model(container: Container, /, model_id: str, **given: Any) -> None:
    """Show one model with all its prices, conditions and parameters."""
    from neuralterm.application.model_search import named
    from neuralterm.components import machine, models_view

    listing = _listing(container, given)
    model = named(listing.models, model_id)
    if given["as_json"]:
        container.console.print(machine.dumps(models_view.one_model_document(listing, model)))
    else:
        container.console.print(models_view.model_text(model))


def _listing(container: Container, given: dict[str, Any]) -> Listing:
    if given["refresh"] and given["offline"]:
        raise click.UsageError("--refresh and --offline exclude each other.")
    return run_alone(container, container.catalogue.listing, given["refresh"], given["offline"])
