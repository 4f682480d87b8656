import pytest

from neuralterm.domain.loopback import is_loopback


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_this_machine(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "example.com",
        "localhost.example.com",
        "127.0.0.1.example.com",
        "10.0.0.1",
        "::2",
        "::ffff:10.0.0.1",
        "127.1",
        "localhost.",
    ],
)
def test_other_machines(host):
    assert not is_loopback(host)
