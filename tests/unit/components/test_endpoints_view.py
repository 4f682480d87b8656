import json
from decimal import Decimal

from neuralterm.components.endpoints_view import endpoints_document, endpoints_text
from neuralterm.components.machine import dumps
from neuralterm.components.text_width import columns_of
from neuralterm.domain.endpoints import Endpoint

PRICES = {"prompt": "0.0000004", "completion": "0.0000016", "discount": "0.25"}
WHOLE = Endpoint(
    provider="Acme",
    tag="acme/fp8",
    pricing=PRICES | {"input_cache_read": "0.0000001"},
    context_length=131072,
    max_completion_tokens=16384,
    quantization="fp8",
    supported_parameters=("tools", "seed"),
    status=0,
    uptime=Decimal("99.96"),
    latency=Decimal("512.55"),
    throughput=Decimal("45.2"),
    implicit_caching=True,
)
BARE = Endpoint("Bare", pricing={"prompt": "-1"}, status=-2)


def test_document_is_as_promised():
    document = {"endpoints": endpoints_document([WHOLE, BARE])}

    first, second = json.loads(dumps(document))["endpoints"]
    assert first == {
        "provider": "Acme",
        "tag": "acme/fp8",
        "prompt_usd_per_million": "0.3",
        "completion_usd_per_million": "1.2",
        "pricing": dict(WHOLE.pricing),
        "context_length": 131072,
        "max_prompt_tokens": None,
        "max_completion_tokens": 16384,
        "quantization": "fp8",
        "supported_parameters": ["tools", "seed"],
        "implicit_caching": True,
        "status": 0,
        "uptime_percent": 99.96,
        "uptime_day_percent": None,
        "latency_ms": 512.55,
        "tokens_per_second": 45.2,
    }
    assert (second["tag"], second["prompt_usd_per_million"], second["uptime_percent"]) == (None, None, None)
    assert endpoints_document(None) is None
    assert endpoints_document([]) == []


def test_the_table_tells_prices_as_charged_and_what_each_lacks():
    head, _, *rows = endpoints_text([WHOLE, BARE]).splitlines()

    assert head.split("  ")[0] == "endpoint"
    assert "max out" in head
    assert [row.split() for row in rows] == [
        ["acme/fp8", "0.3", "1.2", "0.075", "131,072", "16,384", "fp8", "99.9%", "512.5", "45.2"],
        ["Bare", "(status", "-2)", "varies", "unknown", "-", "-", "-", "-", "-", "-", "-", "seed,tools"],
    ]


def test_what_nobody_tells_has_no_column():
    assert endpoints_text([BARE]).splitlines()[0].split() == ["endpoint", "$/M", "in", "$/M", "out"]
    assert endpoints_text([]) == "endpoints: none; nobody runs it now"


def test_a_narrow_terminal_keeps_names_and_prices():
    for width in range(40, 120):
        text = endpoints_text([WHOLE, BARE], width)
        assert columns_of(text) <= width
        assert "acme/fp8" in text
        assert "0.3" in text
