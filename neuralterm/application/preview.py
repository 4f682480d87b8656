"""What a prompt would cost, before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from neuralterm.application import waiting
from neuralterm.application.admission import admit, call_plan
from neuralterm.application.bounds import BudgetStatus, unbounded
from neuralterm.application.estimates import Estimate, TokenEstimates
from neuralterm.application.permit import MoneyHeldError
from neuralterm.application.ports import Clock
from neuralterm.application.preparing import ModelLookup, Preparing
from neuralterm.application.records import SendOptions
from neuralterm.application.turn import Prompt
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.exceptions import BudgetExceededError, NeuralTermError
from neuralterm.domain.models import Conversation, TokenUsage
from neuralterm.domain.record import record

if TYPE_CHECKING:
    from neuralterm.application.attachments import AttachmentFile

# Seconds that fetching a model's price may take where none is known here.
PATIENCE_S = 5.0


@record
class Preview:
    """What a prompt would cost. Amounts in USD; None where nothing can be said.

    `low_usd` is a short prompt with a one-token answer, `high_usd` a long prompt with the longest answer, both by estimate;
    `at_most_usd` is the bound. `history_share` is the part of the prompt's tokens, 0 to 1, that the conversation so far
    takes. `answer_tokens` is the longest answer, None for no limit. `unbounded` says why there is no bound. `budgets` are
    those that count the call, `refusal` is what they would say.
    """

    model_id: str
    model: OpenRouterModel | None
    prompt: Estimate
    prompt_at_most: int
    history_share: float
    messages: int
    dropped: int
    answer_tokens: int | None
    low_usd: Decimal | None
    high_usd: Decimal | None
    at_most_usd: Decimal | None
    unbounded: str | None
    budgets: tuple[BudgetStatus, ...]
    cap_by_budget: bool = False
    refusal: BudgetExceededError | None = None


class KnownFirst:
    """Finds models in the copy kept here, whatever its age; asks the service only for one that is in none."""

    def __init__(self, lookup: ModelLookup) -> None:
        self._lookup = lookup

    def cached(self, model_id: str) -> OpenRouterModel | None:
        """Return what is known here, whatever its age."""
        return self._lookup.cached(model_id)

    async def find(self, model_id: str) -> OpenRouterModel | None:
        """Return what is known here, or else what the service says in a few seconds; None when it says nothing."""
        known = self._lookup.cached(model_id)
        if known is not None:
            return known
        try:
            with waiting.move_on_after(PATIENCE_S):
                return await self._lookup.find(model_id)
        except NeuralTermError:
            pass
        return None


class Previewing:
    """Looks at prompts without sending or storing anything."""

    def __init__(self, preparing: Preparing, estimates: TokenEstimates, clock: Clock) -> None:
        self._preparing = preparing
        self._estimates = estimates
        self._clock = clock

    async def preview(
        self, conversation: Conversation, content: str, options: SendOptions, files: Sequence[AttachmentFile] = ()
    ) -> Preview:
        """Return what the prompt would cost. Raises as `Preparing`; a budget's refusal is in the preview."""
        prompt = await self._prompt(conversation, content, options, files)
        spending = self._preparing.spending
        plan = call_plan(prompt, options, self._estimates.close_bound(prompt.messages, prompt.model_id))
        bound = plan.prompt_bound
        budgets = tuple(spending.status(budget) for budget in spending.applying(plan.subject))
        estimate = self._estimates.prompt(prompt.messages, prompt.model_id).at_most(bound)
        why = unbounded(plan)
        refusal, permit = None, None
        try:
            permit = spending.admit(plan)
        except BudgetExceededError as error:
            refusal = error
        answer = plan.natural_cap(bound)
        if permit is not None and permit.output_cap is not None:
            answer = permit.output_cap
        return Preview(
            model_id=prompt.model_id,
            model=prompt.model,
            prompt=estimate,
            prompt_at_most=plan.prompt_bound,
            history_share=self._history_share(prompt),
            messages=len(prompt.messages),
            dropped=prompt.dropped,
            answer_tokens=answer,
            low_usd=self._price(prompt, estimate.low, 1),
            high_usd=None if answer is None else self._price(prompt, estimate.high, answer),
            at_most_usd=permit.at_most_usd if permit else spending.worst_case(plan),
            unbounded=why.reason if why else None,
            budgets=budgets,
            cap_by_budget=permit is not None and permit.cap_by_budget,
            refusal=refusal,
        )

    async def at_most(
        self, conversation: Conversation, content: str, options: SendOptions, threshold_usd: Decimal
    ) -> Decimal | None:
        """Return the most that the prompt can cost, in USD, as close as telling it from the threshold needs; None: no bound.

        Raises:
            BudgetExceededError: a budget refuses it.
        """
        prompt = await self._prompt(conversation, content, options, ())
        spending = self._preparing.spending
        try:
            bound = admit(prompt, options, self._estimates, spending, may_wait=True).at_most_usd
        except MoneyHeldError:  # it will wait, and may then have all it wants
            close = self._estimates.close_bound(prompt.messages, prompt.model_id)
            return spending.worst_case(call_plan(prompt, options, close))
        if bound is not None and bound > threshold_usd:
            close = self._estimates.close_bound(prompt.messages, prompt.model_id)
            bound = spending.admit(call_plan(prompt, options, close)).at_most_usd
        return bound

    async def _prompt(
        self, conversation: Conversation, content: str, options: SendOptions, files: Sequence[AttachmentFile]
    ) -> Prompt:
        self._preparing.check(content, options)
        return await self._preparing.prompt(conversation, content, options, files, needs_model=True)

    def _price(self, prompt: Prompt, prompt_tokens: int, answer_tokens: int) -> Decimal | None:
        if prompt.model is None or prompt.has_attachments:
            return None
        usage = TokenUsage(prompt_tokens, answer_tokens, prompt_tokens + answer_tokens)
        return prompt.model.prices.cost_of(usage, self._clock.now())

    def _history_share(self, prompt: Prompt) -> float:
        fresh = {message.id for message in prompt.new}
        earlier = [message for message in prompt.messages if message.id not in fresh]
        if not earlier:
            return 0.0
        count = self._preparing.counter.count_messages
        return count(earlier, prompt.model_id) / max(count(prompt.messages, prompt.model_id), 1)
