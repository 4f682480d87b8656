import pytest

from neuralterm.domain.base_url import plain_base_url
from neuralterm.infrastructure.openrouter.proxies import direct_url


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("https://openrouter.ai/api/v1", ("https", "openrouter.ai", 443, "openrouter.ai", "/api/v1")),
        ("https://Example.org:8443/", ("https", "example.org", 8443, "example.org:8443", "")),
        ("http://127.0.0.1:80/v1/", ("http", "127.0.0.1", 80, "127.0.0.1", "/v1")),
        ("http://[::1]:8080/v1", ("http", "::1", 8080, "[::1]:8080", "/v1")),
    ],
)
def test_a_plain_address(text, parts):
    url = plain_base_url(text)
    assert (url.scheme, url.host, url.port, url.authority, url.path) == parts


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ftp://host/",
        "https://user:secret@host/v1",
        "https://host/v1?key=1",
        "https://host/v1#x",
        "https://bücher.example/v1",
        "https://host:0/v1",
        "https://host:65536/v1",
        "https://host\\@evil/v1",
        "https://host /v1",
        "https://host/v1\r\nX: y",
        "https://host/ü",
    ],
)
def test_an_address_that_takes_a_library(text):
    assert plain_base_url(text) is None


@pytest.mark.parametrize(
    ("name", "url", "direct"),
    [
        ("HTTPS_PROXY", "https://openrouter.ai/api/v1", False),
        ("all_proxy", "https://openrouter.ai/api/v1", False),
        ("HTTP_PROXY", "https://openrouter.ai/api/v1", True),
        ("NO_PROXY", "https://openrouter.ai/api/v1", True),
        ("HTTPS_PROXY", "https://127.0.0.1:8443/v1", True),
        ("ALL_PROXY", "http://openrouter.ai/api/v1", True),
    ],
)
def test_a_proxy_that_counts(monkeypatch, name, url, direct):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert (direct_url(url, True) is not None) is direct
