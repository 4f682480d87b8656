"""What the sandbox charges, kept in memory by generation id."""

from __future__ import annotations

import logging
import random
import string
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from neuralterm.domain.models import TokenUsage, iso_utc
from neuralterm.domain.money import EXACT
from neuralterm.domain.record import field, record
from neuralterm.sandbox.catalogue import ServedModel

if TYPE_CHECKING:
    from neuralterm.sandbox.bill_file import BillFile

_log = logging.getLogger(__name__)

_ID_CHARACTERS = string.ascii_letters + string.digits


def _new_id(created: datetime) -> str:
    return f"gen-{int(created.timestamp())}-{''.join(random.choices(_ID_CHARACTERS, k=20))}"


@record(frozen=False)
class Generation:
    """One answer while it is made, and the record of it afterwards. Token counts are the sandbox's own.

    With `is_byok` the provider charges a key of the caller's own, and the sandbox nothing.
    """

    model: ServedModel
    prompt_tokens: int
    streamed: bool
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    finish_reason: str | None = None
    cancelled: bool = False
    is_byok: bool = False
    id: str = ""

    def __post_init__(self) -> None:
        self.id = self.id or _new_id(self.created)

    @property
    def usage(self) -> TokenUsage:
        """The tokens so far."""
        return TokenUsage(
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            total_tokens=self.prompt_tokens + self.completion_tokens,
            reasoning_tokens=self.reasoning_tokens,
        )

    @property
    def list_price(self) -> Decimal:
        """USD for the tokens so far, whoever charges it; nothing for an answer that never began."""
        if self.completion_tokens == 0 and self.finish_reason is None:
            return Decimal(0)
        return self._price_of(self.usage)

    @property
    def cost(self) -> Decimal:
        """What the sandbox charges, in USD."""
        return Decimal(0) if self.is_byok else self.list_price

    @property
    def upstream_cost(self) -> Decimal:
        """What a provider charges to a key of the caller's own, in USD."""
        return self.list_price if self.is_byok else Decimal(0)

    @property
    def prompt_price(self) -> Decimal:
        """The part of `list_price` that does not depend on the answer's length."""
        if self.list_price == 0:
            return Decimal(0)
        return self._price_of(TokenUsage(self.prompt_tokens, 0, self.prompt_tokens))

    def usage_object(self) -> dict[str, Any]:
        """Return `usage` as replies carry it."""
        price, prompt_price = self.list_price, self.prompt_price
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "cost": self.cost,
            "is_byok": self.is_byok,
            "prompt_tokens_details": {
                "cached_tokens": 0,
                "cache_write_tokens": 0,
                "audio_tokens": 0,
                "video_tokens": 0,
            },
            "cost_details": {
                "upstream_inference_cost": price,
                "upstream_inference_prompt_cost": prompt_price,
                "upstream_inference_completions_cost": EXACT.subtract(price, prompt_price),
            },
            "completion_tokens_details": {
                "reasoning_tokens": self.reasoning_tokens,
                "image_tokens": 0,
                "audio_tokens": 0,
            },
        }

    def record(self) -> dict[str, Any]:
        """Return the generation as `GET /generation` tells it."""
        return {
            "id": self.id,
            "model": self.model.billed_as,
            "provider_name": self.model.provider,
            "created_at": iso_utc(self.created),
            "total_cost": self.cost,
            "usage": self.cost,
            "upstream_inference_cost": self.upstream_cost,
            "cache_discount": None,
            "is_byok": self.is_byok,
            "streamed": self.streamed,
            "cancelled": self.cancelled,
            "finish_reason": self.finish_reason,
            "native_finish_reason": self.finish_reason,
            "tokens_prompt": self.prompt_tokens,
            "tokens_completion": self.completion_tokens,
            "native_tokens_prompt": self.prompt_tokens,
            "native_tokens_completion": self.completion_tokens,
            "native_tokens_reasoning": self.reasoning_tokens,
            "native_tokens_cached": 0,
            "num_search_results": None,
            "router": None,
            "api_type": "completions",
        }

    def _price_of(self, usage: TokenUsage) -> Decimal:
        price = self.model.prices.cost_of(usage, self.created)
        assert price is not None, "routers are resolved to a priced model before anything is generated"
        return price


class Bill:
    """All generations that have ended, complete or not.

    What one cost can be asked for `settle_delay` seconds after its end, as at the real service. With a file, the bill is
    that of all sandboxes which have the file.
    """

    def __init__(
        self,
        settle_delay: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        file: BillFile | None = None,
    ) -> None:
        self._settle_delay = settle_delay
        self._clock = clock
        self._file = file
        self._generations: dict[str, Generation] = {}
        self._ended: dict[str, float] = {}

    def add(self, generation: Generation) -> None:
        """Charge a generation. Its counts must not change afterwards."""
        is_new = generation.id not in self._generations
        self._generations[generation.id] = generation
        self._ended.setdefault(generation.id, self._clock())
        if is_new and self._file is not None:
            try:
                self._file.append(generation)
            except OSError:
                _log.warning("the sandbox can't keep its bill", exc_info=True)

    def find(self, generation_id: str) -> Generation | None:
        """Return a generation that was charged long enough ago."""
        if generation_id not in self._generations:
            self._recall()
        ended = self._ended.get(generation_id)
        if ended is None or self._clock() - ended < self._settle_delay:
            return None
        return self._generations[generation_id]

    def amounts(self) -> dict[str, Decimal]:
        """Return USD by generation id, oldest first."""
        return {generation.id: generation.cost for generation in list(self._generations.values())}

    def total(self, since: datetime | None = None) -> Decimal:
        """Return the sum in USD of generations that began since then (None: ever)."""
        return _sum(generation.cost for generation in self._began_since(since))

    def upstream_total(self, since: datetime | None = None) -> Decimal:
        """Return in the same way what providers charged to keys of the caller's own."""
        return _sum(generation.upstream_cost for generation in self._began_since(since))

    def _recall(self) -> None:
        """Take in what other sandboxes have charged; it was long ago."""
        for generation in self._file.read() if self._file is not None else ():
            if generation.id not in self._generations:
                self._generations[generation.id] = generation
                self._ended[generation.id] = self._clock() - self._settle_delay

    def _began_since(self, since: datetime | None) -> list[Generation]:
        self._recall()
        return [each for each in list(self._generations.values()) if since is None or each.created >= since]


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    total = Decimal(0)
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total
