"""How many tokens of a model's own come to one counted here, learnt from what the service reports."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt


@dataclass(frozen=True, slots=True)
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
