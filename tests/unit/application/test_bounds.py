import pytest

from neuralterm.application.bounds import CallPlan, takes_cap, unbounded
from neuralterm.domain.catalogue import OpenRouterModel
from tests.fakes.world import MODEL


def plan(model, model_id=None, extra=None, wanted=None, part=None):
    return CallPlan([model_id or model.id], [model], 100, wanted, extra or {}, unbounded_part=part)


def model(**fields):
    return OpenRouterModel(**{"id": "a/b", "pricing": MODEL.pricing, "context_length": 1000, **fields})


def test_an_ordinary_call_is_bounded():
    fields = ("temperature", "top_p", "seed", "stop", "reasoning", "response_format", "provider", "user")
    assert unbounded(plan(MODEL, extra=dict.fromkeys(fields))) is None


@pytest.mark.parametrize(
    "field", ["plugins", "tools", "search_parameters", "some_field_of_tomorrow", "n", "modalities"]
)
def test_a_field_that_is_not_known_to_be_harmless_has_no_bound(field):
    why = unbounded(plan(MODEL, extra={field: 1, "seed": 1}))
    assert repr(field) in why.reason
    assert why.prices_known


def test_what_is_attached_has_no_bound_but_prices():
    why = unbounded(plan(MODEL, part="the price of 1 image is not known"))
    assert (why.reason, why.prices_known) == ("the price of 1 image is not known", True)


@pytest.mark.parametrize("output", [("text", "image"), ("audio", "text")])
def test_models_that_make_more_than_text_have_no_bound(output):
    assert "output" in unbounded(plan(model(output_modalities=output))).reason


@pytest.mark.parametrize("model_id", ["perplexity/sonar", "openai/gpt-4o-search-preview", "openai/o3-deep-research"])
def test_models_that_search_by_themselves_have_no_bound(model_id):
    pricing = {**MODEL.pricing, "web_search": "0.005"}
    assert "searches the web" in unbounded(plan(model(id=model_id, pricing=pricing))).reason
    assert unbounded(plan(model(id="openai/gpt-4o", pricing=pricing))) is None


@pytest.mark.parametrize("key", ["request", "internal_reasoning", "input_cache_write"])
def test_a_part_whose_price_depends_on_routing_has_no_bound(key):
    assert "routing" in unbounded(plan(model(pricing={**MODEL.pricing, key: "-1"}))).reason


class TestCapsThatDoNotBind:
    """An endpoint ignores a parameter that it does not know, and an ignored cap is none."""

    @pytest.mark.parametrize(
        ("parameters", "takes"),
        [((), True), (("max_tokens",), True), (("max_completion_tokens", "seed"), True), (("temperature",), False)],
    )
    def test_who_takes_a_cap(self, parameters, takes):
        assert takes_cap(model(supported_parameters=parameters)) is takes

    def test_then_the_models_own_limit_is_the_bound(self):
        deaf = model(supported_parameters=("temperature",), max_completion_tokens=400)
        assert plan(deaf, wanted=10).natural_cap(0) == 400
        assert unbounded(plan(deaf, wanted=10)) is None

    def test_without_one_there_is_no_bound(self):
        deaf = model(supported_parameters=("temperature",), context_length=None)
        assert "no limit" in unbounded(plan(deaf, wanted=10)).reason
