"""From what a user says to a prompt that can pass the gate: history, attachments, the window, the model's entry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from neuralterm.application import waiting
from neuralterm.application.bounds import subject_of
from neuralterm.application.context import has_attachments
from neuralterm.application.ports import ConversationRepository, TokenCounting
from neuralterm.application.prompts import check_input, check_output_cap, fit_to_window, needs_window, new_messages
from neuralterm.application.records import SendOptions
from neuralterm.application.spending import SpendingGate
from neuralterm.application.turn import Prompt
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.exceptions import NeuralTermError, ValidationError
from neuralterm.domain.models import Conversation
from neuralterm.domain.record import field, record

if TYPE_CHECKING:
    from neuralterm.application.attachments import AttachmentFile, Attachments


class ModelLookup(Protocol):
    """Finds a model's entry in the list of the service."""

    def cached(self, model_id: str) -> OpenRouterModel | None:
        """Return what is known here, whatever its age."""

    async def find(self, model_id: str) -> OpenRouterModel | None:
        """Return the entry, asking the service when what is known here does not do."""


@record(frozen=False, kw_only=True)
class Preparing:
    """Makes prompts. `patience`: seconds that looking a model up may take where nothing depends on it.

    `models` are entries that are known already, by id; what is looked up joins them.
    """

    repository: ConversationRepository
    counter: TokenCounting
    spending: SpendingGate
    lookup: ModelLookup | None = None
    patience: float = 5.0
    max_input_chars: int | None = None
    attachments: Callable[[], Attachments] | None = None
    models: dict[str, OpenRouterModel] = field(default_factory=dict)
    _looked_for: set[str] = field(default_factory=set)

    def check(self, content: str, options: SendOptions) -> None:
        """Raise `ValidationError` for empty or too long input and for a cap that is none."""
        check_input(content, self.max_input_chars)
        check_output_cap(options.max_tokens)

    def known(self, model_id: str) -> OpenRouterModel | None:
        """Return the model's entry as far as it is known here, whatever its age."""
        known = self.models.get(model_id)
        return known if known or self.lookup is None else self.lookup.cached(model_id)

    async def prompt(
        self,
        conversation: Conversation,
        content: str,
        options: SendOptions,
        files: Sequence[AttachmentFile] = (),
        *,
        needs_model: bool = False,
    ) -> Prompt:
        """Return what is to be sent, fitted to the model's window; nothing is stored. `content` has passed `check`.

        Raises:
            ValidationError: a model that can't take an attachment.
            TokenLimitError: the input is longer than the model's window.
            OpenRouterAPIError: the model must be looked up because of a budget, and can't be.
        """
        model_id = options.model or conversation.model_id
        history, new = new_messages(self.repository, conversation, content, options)
        if files:
            self._use_attachments().attach(new[-1], files)
        messages = [*history, *new]
        model_ids = (model_id, *options.fallbacks)
        under_budget = self._may_be_under_budget(options.tags, model_ids, conversation.id)
        needed = needs_model or any(map(has_attachments, messages)) or needs_window(messages, self.counter)
        model = await self.describe(model_id, needed=needed, under_budget=under_budget)
        fallbacks = [await self.describe(each, under_budget=under_budget) for each in options.fallbacks]
        prompt = Prompt(conversation.id, model_id, model, messages, new, tuple(fallbacks))
        fitted = fit_to_window(prompt, self.counter, options.max_tokens)
        if fitted.has_attachments:
            fitted = self._use_attachments().prepare(fitted, files, options.fallbacks)
        return fitted

    async def describe(
        self, model_id: str, *, needed: bool = False, under_budget: bool = False
    ) -> OpenRouterModel | None:
        """Return the model's entry; the service is asked for it only under a budget or where it is `needed`."""
        if model_id in self.models or self.lookup is None:
            return self.models.get(model_id)
        if not (needed or under_budget):
            return self.lookup.cached(model_id)
        self._looked_for.add(model_id)
        found = None
        try:
            with waiting.move_on_after(None if under_budget else self.patience):
                found = await self.lookup.find(model_id)
        except NeuralTermError:
            if under_budget:
                raise
            return None
        if found is not None:
            self.models[model_id] = found
        return found

    def _may_be_under_budget(self, tags: tuple[str, ...], model_ids: tuple[str, ...], conversation_id: UUID) -> bool:
        """Say whether a budget counts the call, or may do so when it is known what other names its models have."""
        if not self.spending.budgets:
            return False
        known = [self.known(model_id) for model_id in model_ids]
        if self.spending.applying(subject_of(tags, model_ids, known, conversation_id)):
            return True
        return None in known and any(budget.scope.model for budget in self.spending.budgets)

    def was_looked_for(self, model_id: str) -> bool:
        """Say whether the service has been asked for that model."""
        return model_id in self._looked_for

    def _use_attachments(self) -> Attachments:
        if self.attachments is None:
            raise ValidationError("there is nowhere to keep attachments")
        return self.attachments()
