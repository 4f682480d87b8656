from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from neuralterm.application.catalogue import Catalogue
from neuralterm.application.declared_catalogue import DeclaredCatalogue
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.declared_prices import DeclaredPrices, ServerPrices
from neuralterm.domain.exceptions import (
    AuthenticationError,
    CircuitOpenError,
    ConfigurationError,
    NotFoundError,
    OpenRouterAPIError,
    ServiceUnreachableError,
    StorageError,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


MINI = OpenRouterModel("openai/gpt-4o-mini")
BIG = OpenRouterModel("anthropic/claude-big", canonical_slug="anthropic/claude-big-20260501")
FREE = OpenRouterModel("meta/llama:free")


class FakeClock:
    def __init__(self):
        self.time = NOW

    def now(self):
        return self.time

    def monotonic(self):
        return 0.0

    async def sleep(self, seconds):
        self.time += timedelta(seconds=seconds)


class FakeClient:
    def __init__(self, models=(MINI, BIG), error=None):
        self.models = list(models)
        self.error = error
        self.asked = 0

    async def get_available_models(self):
        self.asked += 1
        if self.error:
            raise self.error
        return self.models

    def chat_completion_stream(self, messages, model, temperature=0.7, max_tokens=None):
        raise NotImplementedError


class FakeCache:
    def __init__(self, models=None, fetched_at=NOW):
        self.kept = None if models is None else (list(models), fetched_at)
        self.full = False

    def store(self, models, fetched_at):
        if self.full:
            raise StorageError("the disk is full")
        self.kept = (list(models), fetched_at)

    def load(self):
        return self.kept

    def find(self, model_id):
        if self.kept is None:
            return None
        models, fetched_at = self.kept
        found = [each for each in models if each.id == model_id] + [
            each for each in models if each.canonical_slug == model_id
        ]
        return (found[0], fetched_at) if found else None


class World:
    """A catalogue with what is around it."""

    def __init__(self, client=None, cache=None):
        self.client = client or FakeClient()
        self.cache = cache or FakeCache()
        self.clock = FakeClock()
        self.told = []
        self.catalogue = Catalogue(lambda: self.client, self.cache, self.clock, on_stale=self.told.append)


def aged(hours, models=(MINI, BIG)):
    return FakeCache(models, NOW - timedelta(hours=hours))


UNREACHABLE = ServiceUnreachableError("no answer")


@pytest.mark.anyio
async def test_without_a_copy_the_list_is_fetched_and_kept():
    world = World()

    listing = await world.catalogue.listing()

    assert (listing.models, listing.fetched_at, listing.stale) == ([MINI, BIG], NOW, False)
    assert world.cache.kept == ([MINI, BIG], NOW)
    assert world.told == []


@pytest.mark.anyio
async def test_a_fresh_copy_spares_the_question():
    world = World(cache=aged(24, [BIG]))

    assert (await world.catalogue.listing()).models == [BIG]
    assert world.client.asked == 0


@pytest.mark.anyio
async def test_an_old_copy_is_replaced():
    world = World(cache=aged(25, [BIG]))

    assert (await world.catalogue.listing()).models == [MINI, BIG]
    assert world.cache.kept[1] == NOW


@pytest.mark.anyio
async def test_refresh_asks_whatever_there_is():
    world = World(cache=aged(0, [BIG]))

    assert (await world.catalogue.listing(refresh=True)).models == [MINI, BIG]


@pytest.mark.anyio
@pytest.mark.parametrize("error", [UNREACHABLE, CircuitOpenError("too many failures")], ids=["unreachable", "open"])
async def test_an_old_copy_helps_out_and_says_so(error):
    world = World(FakeClient(error=error), aged(72))

    listing = await world.catalogue.listing()

    assert (listing.models, listing.stale, listing.fetched_at) == ([MINI, BIG], True, NOW - timedelta(hours=72))
    assert world.told == [f"using the model list of 3 days ago: {error}"]


@pytest.mark.anyio
async def test_a_failed_refresh_shows_the_copy_as_stale():
    world = World(FakeClient(error=UNREACHABLE), aged(2))

    assert (await world.catalogue.listing(refresh=True)).stale
    assert world.told == ["using the model list of 2 hours ago: no answer"]


@pytest.mark.anyio
async def test_without_a_copy_the_error_is_raised():
    with pytest.raises(ServiceUnreachableError):
        await World(FakeClient(error=UNREACHABLE)).catalogue.listing()


@pytest.mark.anyio
@pytest.mark.parametrize("error", [AuthenticationError("bad key"), ConfigurationError("bad url")])
async def test_a_wrong_setting_is_never_hidden_behind_a_copy(error):
    with pytest.raises(type(error)):
        await World(FakeClient(error=error), aged(72)).catalogue.listing()


@pytest.mark.anyio
@pytest.mark.parametrize(("hours", "told"), [(1, []), (49, ["the model list is 2 days old"])])
@pytest.mark.parametrize("refresh", [False, True])
async def test_offline_never_asks(hours, told, refresh):
    world = World(cache=aged(hours))

    listing = await world.catalogue.listing(refresh=refresh, offline=True)

    assert listing.models == [MINI, BIG]
    assert listing.stale == bool(told)
    assert world.told == told
    assert world.client.asked == 0


@pytest.mark.anyio
async def test_offline_without_a_copy_is_an_error():
    with pytest.raises(NotFoundError):
        await World().catalogue.listing(offline=True)


@pytest.mark.anyio
async def test_a_list_that_cannot_be_kept_is_still_shown():
    world = World()
    world.cache.full = True

    assert (await world.catalogue.listing()).models == [MINI, BIG]


@pytest.mark.anyio
async def test_a_copy_from_the_future_is_not_fresh():
    world = World(cache=aged(-1000, [BIG]))

    assert (await world.catalogue.listing()).models == [MINI, BIG]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "written", ["openai/gpt-4o-mini", "openai/gpt-4o-mini:nitro", "openai/gpt-4o-mini:floor:online"]
)
async def test_a_model_is_found_without_its_routing_suffixes(written):
    world = World(cache=aged(23))

    assert await world.catalogue.find(written) == MINI
    assert world.catalogue.cached(written) == MINI
    assert world.client.asked == 0


@pytest.mark.anyio
async def test_a_model_is_found_by_its_canonical_slug_in_copy_and_service():
    for cache in (aged(1), aged(30), FakeCache()):
        assert await World(cache=cache).catalogue.find("anthropic/claude-big-20260501") == BIG


@pytest.mark.anyio
@pytest.mark.parametrize(("hours", "asked"), [(0.9, 0), (1.1, 1), (30, 1)])
async def test_a_model_that_is_not_listed_is_looked_for_once_an_hour(hours, asked):
    world = World(cache=aged(hours))

    assert await world.catalogue.find("x/unknown") is None
    assert world.client.asked == asked


@pytest.mark.anyio
async def test_a_model_that_came_out_since_is_found():
    world = World(FakeClient([MINI, BIG, FREE]), aged(2))

    assert await world.catalogue.find("meta/llama:free") == FREE


@pytest.mark.anyio
async def test_finding_falls_back_on_the_old_row():
    world = World(FakeClient(error=UNREACHABLE), aged(48))

    assert await world.catalogue.find(MINI.id) == MINI
    assert world.told == ["using the model list of 2 days ago: no answer"]


@pytest.mark.anyio
async def test_finding_without_list_and_service_raises_what_may_pass():
    with pytest.raises(ServiceUnreachableError):
        await World(FakeClient(error=UNREACHABLE)).catalogue.find(MINI.id)


@pytest.mark.anyio
async def test_a_server_without_a_list_knows_no_model():
    missing = OpenRouterAPIError("not found", 404)
    assert await World(FakeClient(error=missing)).catalogue.find(MINI.id) is None


@pytest.mark.anyio
async def test_a_listed_model_may_be_required():
    catalogue = World().catalogue

    await catalogue.require_listed(f"{MINI.id}:nitro")
    with pytest.raises(NotFoundError) as caught:
        await catalogue.require_listed(f"{MINI.id}x")
    assert MINI.id in (caught.value.hint or "")


@pytest.mark.anyio
async def test_a_model_may_be_required_and_the_copy_names_close_ones():
    world = World()

    assert await world.catalogue.require(f"{MINI.id}:nitro") == MINI
    with pytest.raises(NotFoundError) as caught:
        await world.catalogue.require(f"{MINI.id}x")
    assert MINI.id in (caught.value.hint or "")
    assert world.client.asked == 1
    assert world.catalogue.copied() == [MINI, BIG]


def test_without_a_copy_nothing_is_copied():
    assert World().catalogue.copied() == []


def test_cached_takes_any_age_and_never_asks():
    world = World(cache=aged(9999))

    assert world.catalogue.cached(MINI.id) == MINI
    assert world.catalogue.cached("x/unknown") is None
    assert World().catalogue.cached(MINI.id) is None
    assert world.client.asked == 0


class TestDeclaredPrices:
    """The user knows what a server charges that says nothing of it, and may have no list of models."""

    PRICES = ServerPrices(
        by_model={"local/*": DeclaredPrices({"prompt": Decimal(1), "completion": Decimal(2)}, context_length=4096)}
    )
    LISTED = OpenRouterModel("local/one", context_length=8192, max_completion_tokens=100)

    def world(self, *models, prices=PRICES, hours=1, error=UNREACHABLE):
        world = World(FakeClient(models, error), aged(hours, models) if models else FakeCache())
        return world, DeclaredCatalogue(world.catalogue, prices)

    @pytest.mark.anyio
    @pytest.mark.parametrize("prices", [PRICES, ServerPrices(free=True)], ids=["priced", "free"])
    async def test_the_server_is_never_asked(self, prices):
        world, catalogue = self.world(prices=prices)

        found = await catalogue.find("local/two")

        assert (found, found.declared_prices) == (catalogue.cached("local/two"), True)
        await catalogue.require_listed("local/two")
        assert await catalogue.require("local/two") == found
        assert (world.client.asked, world.told) == (0, [])

    @pytest.mark.anyio
    async def test_window_and_limits_come_from_the_copy_of_any_age_unless_declared(self):
        world, catalogue = self.world(self.LISTED, hours=9999)

        found = await catalogue.find("local/one:nitro")

        assert (found.id, found.context_length, found.max_completion_tokens) == ("local/one", 4096, 100)
        assert found.prompt_price == Decimal("0.001")
        assert (world.client.asked, world.told) == (0, [])

    @pytest.mark.anyio
    async def test_other_models_are_looked_up_as_ever(self):
        _, catalogue = self.world(MINI, error=None)

        assert await catalogue.find(MINI.id) == catalogue.cached(MINI.id) == MINI
        with pytest.raises(NotFoundError):
            await catalogue.require_listed("x/unknown")
        assert await catalogue.find("x/unknown") is None
        assert catalogue.cached("x/unknown") is None

    @pytest.mark.anyio
    async def test_the_list_shows_them_and_the_copy_does_not_keep_them(self):
        world, catalogue = self.world(MINI, self.LISTED, error=None)

        listing = await catalogue.listing(refresh=True)

        assert [model.declared_prices for model in listing.models] == [False, True]
        assert listing.models[1].pricing == {"prompt": "0.000001", "completion": "0.000002"}
        assert world.cache.kept == ([MINI, self.LISTED], NOW)

    @pytest.mark.anyio
    async def test_offline_is_handed_on(self):
        world, catalogue = self.world(self.LISTED, hours=9999)

        listing = await catalogue.listing(offline=True)

        assert (listing.stale, world.client.asked) == (True, 0)
