from decimal import Decimal

import anyio
import pytest

from neuralterm.application.credit import say_what_is_left
from neuralterm.application.records import KeyReport
from neuralterm.domain.exceptions import InsufficientCreditsError, ServiceUnreachableError

pytestmark = pytest.mark.anyio


class Client:
    def __init__(self, answer):
        self._answer = answer

    async def get_key(self):
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


async def hint_after(client):
    error = InsufficientCreditsError("no credit", 402, hint="add credit")
    await say_what_is_left(error, client)
    return error.hint


async def test_what_the_key_has_left_is_said():
    report = KeyReport(limit_usd=Decimal(300), limit_remaining_usd=Decimal("0.25"), limit_reset="monthly")
    assert await hint_after(Client(report)) == (
        "add credit; this key has $0.25 left of its limit of $300.00, which is reset monthly"
    )


@pytest.mark.parametrize(
    "client",
    [object(), Client(KeyReport()), Client(KeyReport(limit_usd=Decimal(5))), Client(ServiceUnreachableError("away"))],
)
async def test_where_nothing_is_told_nothing_is_said(client):
    assert await hint_after(client) == "add credit"


async def test_an_answer_that_never_comes_is_not_waited_for():
    class Silent:
        async def get_key(self):
            await anyio.sleep_forever()

    error = InsufficientCreditsError("no credit", 402)
    await say_what_is_left(error, Silent(), patience=0)
    assert error.hint is None
