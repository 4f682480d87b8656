from datetime import timedelta
from decimal import Decimal

import pytest

from neuralterm.application.bounds import BudgetStatus
from neuralterm.application.doctor import (
    Cause,
    Doctor,
    Health,
    megabytes,
    worst,
)
from neuralterm.application.surroundings import DatabaseState, FilesState, ServiceReply, SpoolState, Surroundings
from neuralterm.domain.budget import Budget, Window
from neuralterm.domain.exceptions import ConfigurationError, ServiceUnreachableError, StorageError
from tests.fakes.clock import MONDAY_NOON, FakeClock

pytestmark = pytest.mark.anyio

NAMES = ["versions", "terminal", "configuration", "database", "spool", "budgets", "network", "clock", "key"]
HEALTHY = DatabaseState("/d/x.db", size=1_500_000, free=5_000_000_000, schema=5, newest_schema=5)


def raising(error):
    def look():
        raise error

    return look


def surroundings(reply=None, **changes):
    async def ask():
        return reply or ServiceReply(200, 0.1, MONDAY_NOON)

    return Surroundings(
        **{
            "versions": lambda: {"neuralterm": "1", "Python": "3"},
            "terminal": lambda: "a terminal",
            "files": lambda: FilesState(("user file /c",)),
            "database": lambda: HEALTHY,
            "spool": lambda: SpoolState(0),
            "budgets": list,
            "key_origin": lambda: "OPENROUTER_API_KEY",
            "keyless": lambda: None,
            "route": lambda: "https://service (encrypted)",
            "ask_service": ask,
        }
        | changes
    )


async def examined(*, offline=False, **changes):
    found = await Doctor(surroundings(**changes), FakeClock(), offline=offline).findings()
    assert [name for name in NAMES if name not in {finding.name for finding in found}] == []
    return found


async def troubles(**changes):
    return [finding for finding in await examined(**changes) if finding.health is not Health.OK]


async def said(name, **changes):
    return [(finding.health.value, finding.message) for finding in await examined(**changes) if finding.name == name]


async def test_a_healthy_installation_has_one_line_for_each_check_in_a_steady_order():
    found = await examined()
    assert [finding.name for finding in found] == NAMES
    assert worst(found) is Health.OK
    assert found[3].message == "/d/x.db: schema 5, 1.5 MB, WAL, intact; 5.0 GB free on the disk"
    assert found[6].message == "https://service (encrypted) answers after 100 ms"
    assert found[8].message == "from OPENROUTER_API_KEY; the service takes it"


async def test_every_check_is_made_whatever_the_others_raise():
    def broken():
        raise RuntimeError("boom")

    found = await examined(
        versions=broken,
        terminal=broken,
        files=raising(ConfigurationError("bad file", hint="mend it")),
        database=broken,
        spool=broken,
        budgets=raising(StorageError("no database")),
        route=broken,
        key_origin=broken,
    )
    assert [(finding.name, finding.health.value) for finding in found if finding.name != "clock"] == [
        (name, "fail") for name in NAMES if name != "clock"
    ]
    assert found[0].message == "unexpected fault: RuntimeError: boom"
    assert (found[2].message, found[2].hint) == ("bad file", "mend it")
    assert {finding.cause for finding in found} == {Cause.SETUP}


async def test_what_needs_settings_is_not_blamed_for_broken_ones():
    broken = raising(ConfigurationError("bad file"))
    found = await troubles(files=broken, budgets=broken, route=broken, key_origin=broken)
    assert [(each.name, each.health.value) for each in found] == [
        ("configuration", "fail"), ("budgets", "warn"), ("network", "warn"), ("key", "warn"),
    ]  # fmt: skip
    assert {each.message for each in found[1:]} == {"not checked, for the configuration can't be used"}


async def test_an_unreachable_service_is_the_services_trouble():
    async def ask():
        raise ServiceUnreachableError("can't connect", hint="check the network")

    (trouble,) = await troubles(ask_service=ask)
    assert (trouble.name, trouble.cause, trouble.hint) == ("network", Cause.SERVICE, "check the network")
    assert await said("key", ask_service=ask) == [
        ("ok", "from OPENROUTER_API_KEY; the service was not asked whether it takes it")
    ]


async def test_offline_asks_nobody():
    found = await examined(offline=True, ask_service=raising(AssertionError("it was asked")))
    assert worst(found) is Health.OK
    assert found[6].message == "not tried; requests go to https://service (encrypted)"


@pytest.mark.parametrize(
    ("status", "name", "health", "cause"),
    [
        (401, "key", "fail", Cause.SETUP),
        (403, "key", "fail", Cause.SETUP),
        (503, "network", "fail", Cause.SERVICE),
        (404, None, None, None),
        (429, None, None, None),
    ],
)
async def test_the_status_says_whose_trouble_it_is(status, name, health, cause):
    found = await troubles(reply=ServiceReply(status, 0.1, MONDAY_NOON))
    assert [(each.name, each.health.value, each.cause) for each in found] == ([(name, health, cause)] if name else [])


async def test_a_key_that_may_spend_no_more_is_told():
    assert await said("key", reply=ServiceReply(200, 0.1, None, is_used_up=True)) == [
        ("warn", "from OPENROUTER_API_KEY; the service takes it, but its own limit is used up")
    ]


async def test_a_missing_key_and_one_that_the_sandbox_does_not_need():
    (trouble,) = await troubles(key_origin=lambda: None)
    assert (trouble.name, trouble.health, trouble.message) == ("key", Health.FAIL, "there is none")
    assert await said("key", keyless=lambda: "the sandbox", key_origin=lambda: None) == [
        ("ok", "the sandbox needs none")
    ]


@pytest.mark.parametrize(
    ("ahead", "health", "words"),
    [
        (0, "ok", "agrees"), (29, "ok", "agrees"), (-29, "ok", "agrees"), (60, "warn", "59 seconds ahead of"),
        (-60, "warn", "61 seconds behind"), (601, "fail", "600 seconds ahead of"), (-7200, "fail", "7201 seconds behind"),
    ],
)  # fmt: skip
async def test_the_clock_is_compared_with_the_services(ahead, health, words):
    reply = ServiceReply(200, 0.2, MONDAY_NOON - timedelta(seconds=ahead))
    ((found, message),) = await said("clock", reply=reply)
    assert found == health
    assert message.startswith(words)


@pytest.mark.parametrize(
    ("changes", "health", "words"),
    [
        ({"size": None}, "ok", "is not there yet"),
        ({"faults": ("row 7 missing", "more")}, "fail", "is damaged: row 7 missing"),
        ({"faults": None}, "warn", "given up"),
        ({"schema": 6}, "fail", "newer version"),
        ({"is_writable": False}, "fail", "can't be written"),
        ({"refusal": "permission denied"}, "fail", "can't be read: permission denied"),
        ({"free": 1_000_000}, "warn", "little room is left on the disk: 1.0 MB"),
        ({"exposed": ("/d",)}, "warn", "other users may look into /d"),
        ({"has_log": False}, "ok", "no WAL yet"),
    ],
)
async def test_what_is_wrong_with_the_database_is_told(changes, health, words):
    from neuralterm.domain.record import replace

    found = await said("database", database=lambda: replace(HEALTHY, **changes))
    assert [message for each, message in found if each == health and words in message] != []
    assert worst(await examined(database=lambda: replace(HEALTHY, **changes))).value == health


@pytest.mark.parametrize(
    ("state", "health", "words"),
    [
        (SpoolState(0), "ok", "no answers wait"),
        (SpoolState(1, 0.5), "ok", "1 answer is being written"),
        (SpoolState(2, 0.5), "ok", "2 answers are being written"),
        (SpoolState(1, 90.0), "warn", "1 answer was left behind"),
        (SpoolState(2, 90.0), "warn", "2 answers were left behind"),
    ],
)
async def test_answers_that_wait(state, health, words):
    ((found, message),) = await said("spool", spool=lambda: state)
    assert (found, message.startswith(words)) == (health, True)


def status(name, limit, spent, reserved="0"):
    limit, spent, reserved = Decimal(limit), Decimal(spent), Decimal(reserved)
    left = max(limit - spent - reserved, Decimal(0))
    return BudgetStatus(Budget(name, limit, Window.DAY), spent, reserved, left, None)


async def test_budgets_that_are_used_up_or_nearly_so():
    states = [status("a", "1", "0.1"), status("b", "1", "1.5"), status("c", "2", "1", "0.75")]
    assert await said("budgets", budgets=lambda: states) == [
        ("warn", "'b' is used up: calls are refused"), ("warn", "'c' has $0.25 of $2.00 left"),
    ]  # fmt: skip
    assert await said("budgets", budgets=lambda: states[:1]) == [("ok", "the one has money left")]


async def test_what_is_ignored_and_what_others_may_change():
    state = FilesState(("user file /c", "project file /p"), ("/p: 'key' is ignored",), ("/c",))
    assert await said("configuration", files=lambda: state) == [
        ("ok", "user file /c, project file /p"), ("warn", "/p: 'key' is ignored"), ("warn", "other users may change /c"),
    ]  # fmt: skip


def test_sizes_for_people():
    assert [megabytes(size) for size in (0, 1_234_567, 25_000_000_000)] == ["0.0 MB", "1.2 MB", "25.0 GB"]
