"""Choosing among models: filters, orders, and what may have been meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.exceptions import NotFoundError
from neuralterm.domain.model_ids import without_dynamic_suffix
from neuralterm.domain.money import EXACT
from neuralterm.domain.record import record

_MILLION = Decimal(10**6)


@record
class ModelFilter:
    """Which models. Every word of `query` must be in the id or the name, whatever its case.

    `max_price` is in USD per million tokens and holds for prompt and completion each, at their base price; `min_context`
    is in tokens. A model must take, give and support all of `inputs`, `outputs` (modalities) and `supports` (request
    parameters). What is not known matches no limit.
    """

    query: str = ""
    free_only: bool = False
    max_price: Decimal | None = None
    min_context: int | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    supports: tuple[str, ...] = ()
    author: str | None = None


def matching(models: Iterable[OpenRouterModel], wanted: ModelFilter) -> list[OpenRouterModel]:
    """Return the models that pass every part of the filter, in their order."""
    return [model for model in models if _matches(model, wanted)]


def ordered(models: Iterable[OpenRouterModel], by: str) -> list[OpenRouterModel]:
    """Return the models sorted by `price` (a prompt and a completion token together, cheapest first), `context` (largest
    first), `newest` or `name` (the id).

    Unknown values come last. Batch endpoints, which are cheap because they answer within a day, come after all others
    that have a price.
    """
    alphabetical = sorted(models, key=lambda model: model.id.lstrip("~").casefold())
    if by == "price":
        return sorted(alphabetical, key=_price_key)
    if by == "context":
        return sorted(alphabetical, key=lambda model: -(model.context_length or -1))
    if by == "newest":
        return sorted(alphabetical, key=lambda model: -(model.created or -1))
    return alphabetical


def by_id(models: Iterable[OpenRouterModel], model_id: str) -> OpenRouterModel | None:
    """Return the model with this id, or else the first with this canonical slug, or None."""
    candidates = list(models)
    for model in candidates:
        if model.id == model_id:
            return model
    return next((model for model in candidates if model.canonical_slug == model_id), None)


def named(models: Sequence[OpenRouterModel], model_id: str) -> OpenRouterModel:
    """Return the model with this id, routing suffixes ignored.

    Raises:
        NotFoundError: it is not listed; the hint names ids that are close.
    """
    model = by_id(models, without_dynamic_suffix(model_id))
    if model is None:
        raise NotFoundError(f"there is no model {model_id!r}", hint=suggestion(model_id, models))
    return model


def suggestion(model_id: str, models: Iterable[OpenRouterModel]) -> str:
    """Return the hint for somebody who named a model that is not listed."""
    return did_you_mean(model_id, models) or "`neuralterm models` lists them"


def did_you_mean(model_id: str, models: Iterable[OpenRouterModel]) -> str | None:
    """Ask whether an id that is close was meant; None where there is none."""
    close = close_matches(model_id, models)
    return f"did you mean {', '.join(close)}?" if close else None


def close_matches(model_id: str, models: Iterable[OpenRouterModel]) -> list[str]:
    """Return up to five ids that may have been meant, the likeliest first."""
    from difflib import get_close_matches

    ids = [model.id for model in models]
    wanted = model_id.casefold()
    bare = {each.casefold().rpartition("/")[2]: each for each in reversed(ids)}
    same_name = [each for each in ids if wanted in (each.casefold(), each.casefold().partition("/")[2])]
    similar = get_close_matches(wanted, ids, n=5, cutoff=0.6)
    holding = sorted((each for each in ids if wanted and wanted in each.casefold()), key=len)
    named_alike = [bare[name] for name in get_close_matches(wanted.rpartition("/")[2], bare, n=5, cutoff=0.6)]
    return list(dict.fromkeys([*same_name, *similar, *holding, *named_alike]))[:5]


def meant_instead(models: Sequence[OpenRouterModel], wanted: ModelFilter) -> str | None:
    """Ask about what a filter wants and no model has whether something close was meant; None where nothing is close."""
    from difflib import get_close_matches

    known = (
        (wanted.author and (wanted.author,), {model.author for model in models}),
        (wanted.inputs, {each for model in models for each in model.input_modalities}),
        (wanted.outputs, {each for model in models for each in model.output_modalities}),
        (wanted.supports, {each for model in models for each in model.supported_parameters}),
    )
    for values, there in known:
        names = {each.casefold(): each for each in sorted(there)}
        for value in (each.casefold() for each in values or ()):
            if value not in names and (close := get_close_matches(value, names, n=3, cutoff=0.5)):
                return f"did you mean {', '.join(names[each] for each in close)}?"
    if not wanted.query or matching(models, ModelFilter(query=wanted.query)):
        return None
    return did_you_mean("-".join(wanted.query.split()), models)


def is_batch(model: OpenRouterModel) -> bool:
    """Say whether the row is an endpoint for batch jobs, not for chat."""
    return model.id.endswith(":batch")


def per_million(price: Decimal | None) -> Decimal | None:
    """Return a price per token as price per million tokens, exactly; None stays None."""
    return None if price is None else EXACT.multiply(price, _MILLION)


def _matches(model: OpenRouterModel, wanted: ModelFilter) -> bool:
    text = f"{model.id} {model.name}".casefold()
    return (
        all(word in text for word in wanted.query.casefold().split())
        and (not wanted.free_only or model.prices.is_free)
        and (wanted.max_price is None or _costs_at_most(model, wanted.max_price))
        and (wanted.min_context is None or (model.context_length or 0) >= wanted.min_context)
        and _has_all(model.input_modalities, wanted.inputs)
        and _has_all(model.output_modalities, wanted.outputs)
        and _has_all(model.supported_parameters, wanted.supports)
        and (wanted.author is None or model.author.casefold() == wanted.author.casefold())
    )


def _costs_at_most(model: OpenRouterModel, usd_per_million: Decimal) -> bool:
    base = model.prices.base
    prices = (per_million(base.prompt), per_million(base.completion))
    return all(price is not None and price <= usd_per_million for price in prices)


def _has_all(values: Iterable[str], wanted: tuple[str, ...]) -> bool:
    return not wanted or {each.casefold() for each in wanted} <= {value.casefold() for value in values}


def _price_key(model: OpenRouterModel) -> tuple[int, Decimal]:
    base = model.prices.base
    if base.prompt is None or base.completion is None:
        return (2, Decimal(0))
    return (int(is_batch(model)), EXACT.add(base.prompt, base.completion))
