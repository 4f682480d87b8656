import pytest

from . import wire_doubles


@pytest.fixture(params=["httpx", "direct"])
def every_way(request):
    """Let `a_client` take each of the ways to the service, one after the other."""
    wire_doubles.way.direct = request.param == "direct"
    yield request.param
    wire_doubles.way.direct = None
