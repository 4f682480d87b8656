"""Who runs a model, as the service tells it."""

import json
from decimal import Decimal

import httpx
import pytest
import respx
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.domain.endpoints import Endpoint
from neuralterm.domain.exceptions import OpenRouterAPIError
from neuralterm.infrastructure.openrouter import OpenRouterClient
from neuralterm.infrastructure.openrouter.endpoints import parse_endpoints

from .wire_doubles import BASE_URL

ENTRY = {
    "name": "Acme | acme/large-20260101",
    "model_id": "acme/large-20260101",
    "model_name": "Acme: Large",
    "context_length": 131072,
    "pricing": {"prompt": "0.0000004", "completion": "0.0000016", "discount": 0.25},
    "provider_name": "Acme",
    "tag": "acme/fp8",
    "quantization": "fp8",
    "max_completion_tokens": 16384,
    "max_prompt_tokens": None,
    "supported_parameters": ["tools", "seed"],
    "status": -2,
    "uptime_last_5m": 100,
    "uptime_last_30m": 99.53,
    "uptime_last_1d": 98,
    "supports_implicit_caching": True,
    "latency_last_30m": {"p50": 512.5, "p75": 900, "p90": 1200, "p99": 4000},
    "throughput_last_30m": {"p50": 45.2, "p75": 38.5},
}
WHOLE = Endpoint(
    provider="Acme",
    tag="acme/fp8",
    pricing={"prompt": "0.0000004", "completion": "0.0000016", "discount": "0.25"},
    context_length=131072,
    max_completion_tokens=16384,
    quantization="fp8",
    supported_parameters=("tools", "seed"),
    status=-2,
    uptime=Decimal("99.53"),
    uptime_day=Decimal(98),
    latency=Decimal("512.5"),
    throughput=Decimal("45.2"),
    implicit_caching=True,
)


def parsed(*entries):
    return parse_endpoints(json.dumps({"data": {"id": "acme/large", "endpoints": entries}}).encode())


def test_a_whole_entry():
    assert parsed(ENTRY) == [WHOLE]


def test_the_discount_is_taken_off_exactly():
    (endpoint,) = parsed(ENTRY)

    assert (endpoint.charged().prompt, endpoint.charged().completion) == (Decimal("3E-7"), Decimal("0.0000012"))
    assert parsed({**ENTRY, "pricing": {"prompt": "-1"}})[0].charged().prompt is None


def test_percentiles_may_be_one_number_and_anything_may_be_missing():
    assert parsed({**ENTRY, "latency_last_30m": 800, "throughput_last_30m": None})[0].latency == 800
    assert parsed({"name": "x"}, {}, "no entry") == [Endpoint("x"), Endpoint("?")]


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.text(), max_size=2)


@given(st.dictionaries(st.sampled_from(sorted(ENTRY)), VALUES | st.dictionaries(st.just("p50"), VALUES)))
def test_whatever_an_entry_holds_it_is_read(entry):
    (endpoint,) = parsed(entry)

    assert endpoint.provider
    for number in (endpoint.uptime, endpoint.latency, endpoint.throughput):
        assert number is None or number >= 0


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"data":[]}', b'{"data":{"endpoints":null}}', b"<html>"])
def test_what_is_no_list_of_endpoints_is_an_error(body):
    with pytest.raises(ValueError):
        parse_endpoints(body)


async def asked(model_id, **response):
    """What the client makes of a reply, and the request that was sent."""
    with respx.mock as router:
        route = router.get(url__startswith=f"{BASE_URL}/models/").mock(
            return_value=httpx.Response(**{"status_code": 200, **response})
        )
        async with OpenRouterClient("sk-secret-key") as client:
            return await client.get_endpoints(model_id), route.calls[0].request


@pytest.mark.anyio
async def test_asking_for_endpoints():
    found, request = await asked("acme/large:free", json={"data": {"endpoints": [ENTRY]}})

    assert found == [WHOLE]
    assert str(request.url) == f"{BASE_URL}/models/acme/large:free/endpoints"
    assert request.headers["authorization"] == "Bearer sk-secret-key"


@pytest.mark.anyio
async def test_an_id_stays_within_the_path():
    _, request = await asked("a/b?x=1#y z", json={"data": {"endpoints": []}})

    assert request.url.raw_path == b"/api/v1/models/a/b%3Fx=1%23y%20z/endpoints".replace(b"=", b"%3D")


@pytest.mark.anyio
async def test_a_server_without_endpoints_has_none():
    assert (await asked("a/b", status_code=404, json={"error": {"code": 404, "message": "Not Found"}}))[0] is None


@pytest.mark.anyio
@pytest.mark.parametrize("reply", [{"status_code": 500}, {"json": {"data": []}}, {"content": b"<html>"}])
async def test_other_replies_are_errors(reply):
    with pytest.raises(OpenRouterAPIError):
        await asked("a/b", **reply)
