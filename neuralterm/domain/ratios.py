"""How many tokens of a model's own come to one counted here, learnt from what the service reports."""

from __future__ import annotations

from math import sqrt

from neuralterm.domain.record import record


@record
class Family:
    """Models that share a way of cutting text into tokens.

    `factor` is how many of their tokens come to one that is counted here (`o200k_base`, for the older OpenAI models
    `cl100k_base`), `spread` its standard deviation, both over English prose, code and JSON: the values to start from.
    """

    name: str
    factor: float
    spread: float


# Measured on samples of 250 KB; other languages are further off, up to a factor of 1.5 for Chinese and Russian.
_OLDER_CLAUDE = Family("claude", 1.25, 0.09)
_FAMILIES = (
    (("gemini", "gemma"), Family("gemini", 1.2, 0.12)),
    (("deepseek",), Family("deepseek", 1.1, 0.05)),
    (("mistral", "mixtral", "ministral", "codestral", "devstral"), Family("mistral", 1.1, 0.08)),
    (("llama",), Family("llama", 1.0, 0.05)),
    (("qwen", "qwq"), Family("qwen", 1.0, 0.07)),
    (("claude",), Family("claude-4.7", 1.6, 0.08)),
)
_OPENAI = Family("openai", 1.0, 0.03)
_OTHER_SPREAD = 0.25


def bare_name(model_id: str) -> str:
    """Return the id without author, variant (`:free`) and preset (`@preset/...`), in lower case."""
    return model_id.lower().partition(":")[0].partition("@")[0].rpartition("/")[2]


def is_openai(name: str) -> bool:
    """Say whether a bare name is that of a text model of OpenAI."""
    if name.startswith(("gpt-3.5", "gpt-35", "gpt-4", "gpt-5", "gpt-oss", "chatgpt-4")):
        return True
    return name.startswith(("o1", "o3", "o4")) and not (name[2:3].isalnum() or name[2:3] in ("_", "."))


def is_older_claude(name: str) -> bool:
    """Say whether a bare name is that of a Claude up to version 4.6."""
    import re

    return re.match(r"claude-(2|3|instant|[a-z]+-4(\.[0-6])?(?![.\d]))", name) is not None


def family_of(model_id: str) -> Family:
    """Return the family of a model; one that is not known here is its author's own, of uncertain factor."""
    name = bare_name(model_id)
    if is_openai(name):
        return _OPENAI
    known = next((family for beginnings, family in _FAMILIES if name.startswith(beginnings)), None)
    if known is not None:
        return _OLDER_CLAUDE if name.startswith("claude") and is_older_claude(name) else known
    author, slash, _ = model_id.lower().partition("/")
    return Family(author.lstrip("~") if slash else name, 1.0, _OTHER_SPREAD)


@record
class Ratio:
    """A mean over `samples` observations; `squares` is the sum of their squared deviations from it (Welford)."""

    samples: int
    mean: float
    squares: float = 0.0

    @property
    def spread(self) -> float:
        """Standard deviation of the observations; 0 while there are fewer than two."""
        return sqrt(self.squares / (self.samples - 1)) if self.samples > 1 else 0.0

    def with_sample(self, value: float) -> Ratio:
        """Return the ratio with one more observation."""
        samples = self.samples + 1
        mean = self.mean + (value - self.mean) / samples
        return Ratio(samples, mean, self.squares + (value - self.mean) * (value - mean))
