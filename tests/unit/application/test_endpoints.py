import pytest

from neuralterm.application.endpoints import endpoints_of
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.endpoints import Endpoint
from neuralterm.domain.exceptions import AuthenticationError, ServiceUnreachableError, StreamInterruptedError

MODEL = OpenRouterModel("a/b", alias_target=None)


class FakeSource:
    def __init__(self, found=None, error=None):
        self.found, self.error, self.asked = found, error, []

    async def get_endpoints(self, model_id):
        self.asked.append(model_id)
        if self.error:
            raise self.error
        return self.found


def endpoint(provider, prompt, completion="0.000001", **pricing):
    return Endpoint(provider, pricing={"prompt": prompt, "completion": completion, **pricing})


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.anyio
async def test_the_cheapest_comes_first_and_what_has_no_price_last():
    dear, cheap = endpoint("dear", "0.000002"), endpoint("cheap", "0.000001")
    router, reduced = endpoint("router", "-1", "-1"), endpoint("reduced", "0.000002", discount="0.5")
    said = []

    found = await endpoints_of(FakeSource([router, dear, cheap, reduced]), MODEL, on_failure=said.append)

    assert [each.provider for each in found] == ["reduced", "cheap", "dear", "router"]
    assert said == []


@pytest.mark.anyio
async def test_an_alias_is_followed():
    source = FakeSource([])

    alias = OpenRouterModel("~a/latest", alias_target="a/b-20260101")
    assert await endpoints_of(source, alias, on_failure=pytest.fail) == []
    assert source.asked == ["a/b-20260101"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("source", "said"),
    [
        (FakeSource(), "no endpoints are told of this model here"),
        (FakeSource(error=ServiceUnreachableError("no route")), "the endpoints can't be told: no route"),
        (FakeSource(error=AuthenticationError("bad key", 401)), "the endpoints can't be told: bad key"),
        (FakeSource(error=StreamInterruptedError("cut")), "the endpoints can't be told: cut"),
    ],
)
async def test_without_an_answer_it_says_why(source, said):
    sentences = []

    assert await endpoints_of(source, MODEL, on_failure=sentences.append) is None
    assert sentences == [said]
