import json
from decimal import Decimal

import httpx
import pytest
import respx

from neuralterm.domain.exceptions import AuthenticationError, OpenRouterAPIError
from neuralterm.infrastructure.openrouter import OpenRouterClient, OpenRouterModel

from .wire_doubles import BASE_URL, FIXTURES

pytestmark = pytest.mark.anyio


async def models_from(**response):
    with respx.mock as router:
        route = router.get(f"{BASE_URL}/models").mock(return_value=httpx.Response(**{"status_code": 200, **response}))
        async with OpenRouterClient() as client:
            models = await client.get_available_models()
        assert "authorization" not in route.calls[0].request.headers
    return models


async def test_get_available_models_with_mock():
    models = await models_from(content=(FIXTURES / "models.json").read_bytes())
    assert [model.id for model in models] == ["acme/large", "acme/small", "acme/auto", "acme/bare"]
    large, small, auto, bare = models
    assert large == OpenRouterModel(
        id="acme/large",
        name="Acme: Large",
        description="Thinks.",
        pricing={
            "prompt": "0.000003",
            "completion": "0.000015",
            "input_cache_read": "0.0000003",
            "overrides": [{"min_prompt_tokens": 200000, "prompt": "0.000006", "completion": "0.0000225"}],
        },
        context_length=200_000,
        canonical_slug="acme/large-20260101",
        created=1767225600,
        max_completion_tokens=64_000,
        input_modalities=("text", "image"),
        output_modalities=("text",),
        supported_parameters=("max_tokens", "temperature"),
        expiration_date="2027-01-31",
    )
    assert (large.prompt_price, large.completion_price) == (Decimal("0.003"), Decimal("0.015"))
    assert large.prices.overrides[0].min_prompt_tokens == 200_000
    assert small.prompt_price == Decimal("0.0000416666666666667")
    assert (small.completion_price, small.context_length, small.max_completion_tokens) == (Decimal(0), 8192, None)
    assert (auto.prompt_price, auto.completion_price, auto.context_length) == (None, None, None)
    assert (bare.name, bare.pricing, bare.prompt_price) == ("acme/bare", {}, None)


async def test_prices_survive_being_written_as_json():
    models = await models_from(content=(FIXTURES / "models.json").read_bytes())
    for model in models:
        assert json.loads(json.dumps(dict(model.pricing))) == model.pricing


async def test_an_empty_list_is_a_list():
    assert await models_from(json={"data": []}) == []


async def test_names_can_be_encoded():
    (model,) = await models_from(content=b'{"data":[{"id":"a/b","name":"x\\ud83d"}]}')
    assert model.name == "x\ufffd"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"data":{}}', b'{"data":null}', b'{"data":[{"name":"x"}]}', b"<html>", b'{"data":[{"id":"a'],
)
async def test_what_is_no_list_of_models_is_an_error(body):
    with pytest.raises(OpenRouterAPIError, match="no list of models") as caught:
        await models_from(content=body)
    assert not caught.value.retryable


async def test_statuses_are_those_of_any_call():
    with pytest.raises(AuthenticationError):
        await models_from(status_code=401, json={"error": {"code": 401, "message": "no"}})
    with pytest.raises(OpenRouterAPIError) as caught:
        await models_from(status_code=503, content=b"")
    assert type(caught.value) is OpenRouterAPIError
    assert caught.value.retryable


async def test_a_server_without_a_list_is_told_apart():
    with pytest.raises(OpenRouterAPIError) as caught:
        await models_from(status_code=404, json={"error": "nope"})
    assert caught.value.message == "the server has no model list (HTTP 404): nope"
