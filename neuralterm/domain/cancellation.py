"""What providers charge for an answer whose connection is closed before its end, as OpenRouter's documentation has it."""

from __future__ import annotations

from enum import Enum


class Afterwards(Enum):
    """What a provider does after a disconnect."""

    STOPS = "stops"
    GOES_ON = "goes on"
    UNKNOWN = "unknown"


# By their names in replies; case, spaces and punctuation are ignored. Who is not here may do either.
_AFTERWARDS = {
    "openai": Afterwards.STOPS,
    "azure": Afterwards.STOPS,
    "anthropic": Afterwards.STOPS,
    "fireworks": Afterwards.STOPS,
    "deepinfra": Afterwards.STOPS,
    "together": Afterwards.STOPS,
    "novita": Afterwards.STOPS,
    "xai": Afterwards.STOPS,
    "deepseek": Afterwards.STOPS,
    "chutes": Afterwards.STOPS,
    "cohere": Afterwards.STOPS,
    "cloudflare": Afterwards.STOPS,
    "sandbox": Afterwards.STOPS,
    "amazonbedrock": Afterwards.GOES_ON,
    "bedrock": Afterwards.GOES_ON,
    "google": Afterwards.GOES_ON,
    "googlevertex": Afterwards.GOES_ON,
    "googleaistudio": Afterwards.GOES_ON,
    "aistudio": Afterwards.GOES_ON,
    "groq": Afterwards.GOES_ON,
    "mistral": Afterwards.GOES_ON,
    "perplexity": Afterwards.GOES_ON,
    "alibaba": Afterwards.GOES_ON,
    "sambanova": Afterwards.GOES_ON,
    "nebius": Afterwards.GOES_ON,
}


def after_disconnect(provider: str | None, *, streamed: bool = True) -> Afterwards:
    """Say what a provider does; an answer in one piece is always billed whole."""
    if not streamed:
        return Afterwards.GOES_ON
    name = "".join(filter(str.isalnum, (provider or "").lower()))
    return _AFTERWARDS.get(name, Afterwards.UNKNOWN)
