"""Which answers of the service are asked for again, after how long, and how it ends: status by status, shape by shape."""

import json
import time
from email.utils import formatdate

import httpx
import pytest
import respx

from neuralterm.application.records import SendOptions
from neuralterm.application.retry import FIRST_DELAY
from neuralterm.cli.exit_codes import exit_code_of
from neuralterm.domain import exceptions as exc
from neuralterm.domain.models import MessageStatus
from neuralterm.infrastructure.openrouter import OpenRouterClient
from tests.fakes.world import make_world

from .wire_doubles import chunk, event_stream

pytestmark = pytest.mark.anyio

# Without TLS, whose certificates take a while to read.
BASE_URL = "http://127.0.0.1:9/api/v1"
CHAT_URL = f"{BASE_URL}/chat/completions"
NEVER, ONCE, ALWAYS = 1, 2, 99
STATUSES = {
    400: (NEVER, 6),
    401: (NEVER, 3),
    402: (NEVER, 7),
    403: (NEVER, 3),
    404: (NEVER, 6),
    408: (ALWAYS, 8),
    412: (NEVER, 6),
    413: (NEVER, 6),
    422: (NEVER, 6),
    429: (ALWAYS, 8),
    500: (ONCE, 8),
    501: (NEVER, 6),
    502: (ALWAYS, 8),
    503: (ALWAYS, 8),
    504: (ALWAYS, 8),
    520: (ONCE, 8),
    524: (ALWAYS, 8),
    529: (ALWAYS, 8),
}


def plain(status, headers=None, **error):
    """An error status with an error object."""
    error = {"code": status, "message": "some words", **error}
    return httpx.Response(status, json={"error": error}, headers=headers)


def web_page(status, headers=None, **_):
    """An error status with the page of some server in between, which can't say more than its status."""
    return httpx.Response(status, html="<html><title>Sorry</title></html>", headers=headers)


def availability(status, headers=None, **error):
    """An error object without a code, that has an availability beside it."""
    error = {"message": "some words", "http_status": status, "availability": {"code": "new"}, **error}
    return httpx.Response(status, json={"error": error}, headers=headers)


def inside_200(status, headers=None, **error):
    """A reply that is an error although its status says otherwise."""
    return httpx.Response(200, json={"error": {"code": status, "message": "some words", **error}}, headers=headers)


def inside_choice(status, headers=None, **error):
    """A reply whose only choice is an error."""
    choice = {"index": 0, "finish_reason": "error", "error": {"code": status, "message": "some words", **error}}
    return httpx.Response(200, json={"id": "gen-1", "choices": [choice]}, headers=headers)


def in_stream(status, headers=None, **error):
    """A stream whose first chunk is an error."""
    return event_stream(chunk(error={"code": status, "message": "some words", **error}), headers=headers)


SHAPES = [plain, availability, inside_200, inside_choice, in_stream]
OK = event_stream(chunk("ok", finish="stop"), chunk("", usage={"prompt_tokens": 1, "completion_tokens": 1}), "[DONE]")


class Client(OpenRouterClient):
    """The real client, where the fakes would have one that follows scripts."""

    def __init__(self):
        super().__init__("key", BASE_URL)
        self.scripts = []


def copy(response):
    """A reply like this one; each can be read once."""
    return httpx.Response(response.status_code, headers=response.headers, content=response.content)


async def ask(*responses, retry_for=10.0, stream=True):
    """Ask once while the service answers so, the last answer for ever; return world, number of requests, exception."""
    world = make_world(client=Client())
    error, left = None, list(responses)
    with respx.mock(assert_all_called=False) as router:
        router.get(f"{BASE_URL}/key").mock(return_value=httpx.Response(404))
        route = router.post(CHAT_URL).mock(side_effect=lambda _: copy(left.pop(0) if len(left) > 1 else left[0]))
        try:
            await world.ask(options=SendOptions(retry_for=retry_for, stream=stream))
        except exc.NeuralTermError as failure:
            error = failure
        finally:
            await world.client.close()
    return world, route.call_count, error


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
@pytest.mark.parametrize("status", STATUSES)
async def test_what_is_asked_for_again(status, shape):
    most, code = STATUSES[status]
    world, requests, error = await ask(shape(status), stream=shape is in_stream)
    assert 2 < requests < 10 if most is ALWAYS else requests == most
    assert exit_code_of(error) == code
    assert len(world.clock.slept) == requests - 1
    for tries, delay in enumerate(world.clock.slept):
        assert FIRST_DELAY * 2**tries / 2 <= delay <= FIRST_DELAY * 2**tries
    assert world.clock.monotonic() <= 10
    assert [call.status for call in world.ledger.calls] == [MessageStatus.FAILED] * requests


@pytest.mark.parametrize("status", [status for status in STATUSES if status >= 500 or status in (408, 429)])
async def test_a_page_instead_of_an_answer_is_judged_by_its_status(status):
    most, code = STATUSES[status]
    _, requests, error = await ask(web_page(status))
    assert 2 < requests < 10 if most is ALWAYS else requests == most
    assert exit_code_of(error) == code


RESET = str(round((time.time() + 600) * 1000))
WAITS = {
    "seconds": ({"Retry-After": "7"}, {}, 7),
    "fraction": ({"Retry-After": "7.5"}, {}, 7.5),
    "milliseconds": ({"retry-after-ms": "7250"}, {}, 7.25),
    "body": ({}, {"metadata": {"headers": {"Retry-After": 7}}}, 7),
    "availability": ({}, {"availability": {"code": "capacity_exhausted", "retry_after": 7}}, 7),
    "nothing": ({"Retry-After": "0"}, {}, FIRST_DELAY),
}


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("hint", WAITS)
async def test_the_wait_that_is_asked_for(hint, status, shape):
    headers, fields, delay = WAITS[hint]
    world, requests, error = await ask(shape(status, headers, **fields), OK)
    assert (requests, error) == (2, None)
    assert world.clock.slept == [delay]


async def test_a_date_is_a_wait_too():
    when = formatdate(time.time() + 8, usegmt=True)
    world, requests, _ = await ask(plain(503, {"Retry-After": when}), OK)
    assert requests == 2
    assert 5 < world.clock.slept[0] <= 8


@pytest.mark.parametrize(
    ("headers", "fields"),
    [
        ({"Retry-After": "11"}, {}),
        ({"Retry-After": formatdate(time.time() + 600, usegmt=True)}, {}),
        ({"X-RateLimit-Reset": RESET}, {}),
        ({}, {"metadata": {"headers": {"X-RateLimit-Reset": RESET}}}),
    ],
)
async def test_a_wait_that_is_too_long_is_not_begun_but_told(headers, fields):
    world, requests, error = await ask(plain(429, headers, **fields))
    assert (requests, world.clock.slept, exit_code_of(error)) == (1, [], 8)
    assert error.retry_after > 10


@pytest.mark.parametrize(
    ("response", "requests", "code"),
    [
        (plain(429, metadata={"limit_source": "openrouter_free_tier_daily"}), NEVER, 8),
        (plain(429, message="Rate limit exceeded: free-models-per-day"), NEVER, 8),
        (plain(429, metadata={"limit_source": "openrouter_shared_capacity"}), ALWAYS, 8),
        (plain(402, metadata={"reason": "in_flight_budget_exhausted"}), ALWAYS, 8),
        (plain(402, metadata={"limit_source": "openrouter_key_limit"}), NEVER, 7),
        (plain(403, message="Key limit exceeded (daily limit)."), NEVER, 7),
        (plain(403, metadata={"reasons": ["violence"]}), NEVER, 6),
        (plain(400, error_type="context_length_exceeded"), NEVER, 11),
        (plain(404, availability={"retryable": True}), ALWAYS, 8),
        (plain(503, availability={"retryable": False}), NEVER, 6),
        (httpx.Response(307, headers={"Location": "https://elsewhere.example"}), NEVER, 6),
        (httpx.Response(200, html="<html>hello</html>"), NEVER, 6),
        (event_stream("[DONE]"), NEVER, 9),
        (event_stream(), NEVER, 9),
        (event_stream(chunk("some", finish=None)), NEVER, 9),
        (event_stream(chunk("some"), chunk(error={"code": 503, "message": "x"})), NEVER, 9),
        (event_stream(chunk(usage={"cost": 0.01}, error={"code": 503, "message": "x"})), NEVER, 8),
    ],
    ids=[
        "daily limit",
        "daily limit by words",
        "limit of a minute",
        "credit of running requests",
        "limit of the key",
        "limit of the key by words",
        "moderation",
        "too long",
        "absent for now",
        "away for good",
        "redirect",
        "web page",
        "no chunk",
        "no event",
        "cut",
        "error in mid-answer",
        "charged error",
    ],
)
async def test_what_its_words_decide(response, requests, code):
    _, made, error = await ask(response)
    assert 2 < made < 10 if requests is ALWAYS else made == requests
    assert exit_code_of(error) == code


async def test_never_without_time():
    _, requests, _ = await ask(plain(503), retry_for=0.0)
    assert requests == 1


@pytest.mark.parametrize(
    ("failure", "requests"),
    [(httpx.ConnectError("refused"), ALWAYS), (httpx.ReadError("reset"), NEVER), (httpx.ReadTimeout("slow"), NEVER)],
    ids=lambda value: type(value).__name__,
)
async def test_only_what_was_not_sent_is_sent_again(failure, requests):
    world = make_world(client=Client())
    with respx.mock as router:
        route = router.post(CHAT_URL).mock(side_effect=failure)
        with pytest.raises(exc.ServiceUnreachableError):
            await world.ask(options=SendOptions(retry_for=10.0))
    assert 2 < route.call_count < 10 if requests is ALWAYS else route.call_count == requests
    await world.client.close()


async def test_fallbacks_are_asked_for_in_the_same_request():
    world = make_world(client=Client())
    with respx.mock as router:
        route = router.post(CHAT_URL).mock(return_value=OK)
        await world.ask(options=SendOptions(fallbacks=("a/b", "c/d")))
    await world.client.close()
    body = json.loads(route.calls[0].request.content)
    assert body["models"] == ["test/model", "a/b", "c/d"]
