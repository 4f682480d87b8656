"""What was learnt about token counts, in memory."""

from neuralterm.domain.ratios import Ratio


class InMemoryRatioStore:
    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Ratio] = {}

    def ratio(self, family: str, basis: str) -> Ratio | None:
        return self.kept.get((family, basis))

    def add_sample(self, family: str, basis: str, value: float) -> None:
        self.kept[family, basis] = self.kept.get((family, basis), Ratio(0, 0.0)).with_sample(value)
