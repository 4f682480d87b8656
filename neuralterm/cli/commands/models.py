"""`neuralterm models`: what there is and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from neuralterm.cli.loop import run_alone
from neuralterm.cli.options import DecimalType, DefaultGroup, TextType, WholeRange, json_option, pass_container

if TYPE_CHECKING:
    from neuralterm.application.catalogue import Listing
    from neuralterm.container import Container
    from neuralterm.domain.catalogue import OpenRouterModel
    from neuralterm.domain.endpoints import Endpoint

SORT_KEYS = ("price", "context", "newest", "name")

_refresh_option = click.option("--refresh", is_flag=True, help="Ask the service, whatever copy is here.")
_offline_option = click.option("--offline", is_flag=True, help="Use the copy kept here, whatever its age.")


@click.group(cls=DefaultGroup, default="list")
def command() -> None:
    """Show what models there are and what they cost."""


@command.command("list")
@click.argument("query", nargs=-1, type=TextType())
@click.option("--sort", type=click.Choice(SORT_KEYS), default="name", show_default=True, help="The order.")
@click.option("--free", is_flag=True, help="Only those that cost nothing.")
@click.option("--max-price", type=DecimalType(), metavar="USD", help="At most so much per million tokens, in and out.")
@click.option("--min-context", type=WholeRange(1), metavar="N", help="A window of at least N tokens.")
@click.option("--input", "inputs", multiple=True, metavar="MODALITY", help="Takes text, image, file, audio, ...")
@click.option("--output", "outputs", multiple=True, metavar="MODALITY", help="Gives text, image, audio, ...")
@click.option("--supports", multiple=True, metavar="PARAM", help="Takes this request parameter: tools, reasoning, ...")
@click.option("--author", metavar="NAME", help="By this author: the part of the id before the slash.")
@click.option("-n", "limit", type=WholeRange(1), metavar="N", help="Only the first N.")
@json_option
@_refresh_option
@_offline_option
@pass_container
def list_models(container: Container, /, **given: Any) -> None:
    """List the models with every word of QUERY in id or name; prices are in USD per million tokens.

    \b
    neuralterm models claude --sort price
    neuralterm models --input image --supports tools --max-price 1 --json
    neuralterm models show openai/gpt-4o-mini

    Options that say what a model takes, gives or supports may be repeated; it must do all of that. Features are tools, schema
    (structured outputs), json, reasoning and cache (cheaper reads of what was sent before).
    """
    from neuralterm.application.model_search import ModelFilter, matching, meant_instead, ordered
    from neuralterm.components import machine, models_view

    listing = _listing(container, given)
    wanted = ModelFilter(
        query=" ".join(given["query"]),
        free_only=given["free"],
        max_price=given["max_price"],
        min_context=given["min_context"],
        inputs=given["inputs"],
        outputs=given["outputs"],
        supports=given["supports"],
        author=given["author"],
    )
    found = ordered(matching(listing.models, wanted), given["sort"])
    shown = found[: given["limit"]]
    if given["as_json"]:
        container.console.print(machine.dumps(models_view.models_document(listing, shown)))
    elif shown:
        container.console.print(models_view.models_table(shown, container.console.stdout_width))
    if not found:
        container.console.note("; ".join(filter(None, ("no model matches", meant_instead(listing.models, wanted)))))
    elif len(shown) < len(found):
        container.console.note(f"{len(shown)} of {len(found)} models shown")


@command.command("show")
@click.argument("model_id", type=TextType(), metavar="ID")
@json_option
@_refresh_option
@_offline_option
@pass_container
def show_model(container: Container, /, model_id: str, **given: Any) -> None:
    """Show one model with all its prices, conditions and parameters, and who runs it on which terms.

    The endpoints are asked for each time, unless --offline; the price of an endpoint is the one that is charged, its
    discount taken off.

    \b
    neuralterm models show openai/gpt-4o-mini
    neuralterm models show --offline --json openai/gpt-4o
    """
    from neuralterm.components import machine, models_view

    listing, model, endpoints = run_alone(container, _asked_about, container, model_id, given)
    if given["as_json"]:
        container.console.print(machine.dumps(models_view.one_model_document(listing, model, endpoints)))
    else:
        container.console.print(models_view.model_text(model, endpoints, container.console.stdout_width))


command.add_by_need("what-if", "models_what_if:what_if_command")


async def _asked_about(
    container: Container, model_id: str, given: dict[str, Any]
) -> tuple[Listing, OpenRouterModel, list[Endpoint] | None]:
    from neuralterm.application.endpoints import endpoints_of
    from neuralterm.application.model_search import named

    listing = await container.catalogue.listing(*_where_from(given))
    model = named(listing.models, model_id)
    if given["offline"]:
        return listing, model, None
    with container.console.busy("waiting for the endpoints"):
        return listing, model, await endpoints_of(container.client, model, on_failure=container.console.note)


def _listing(container: Container, given: dict[str, Any]) -> Listing:
    return run_alone(container, container.catalogue.listing, *_where_from(given))


def _where_from(given: dict[str, Any]) -> tuple[bool, bool]:
    if given["refresh"] and given["offline"]:
        raise click.UsageError("--refresh and --offline exclude each other.")
    return given["refresh"], given["offline"]
