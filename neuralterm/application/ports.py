"""What the use cases need from the world, named by role. Adapters live in `infrastructure`, fakes in `tests/fakes`.

The storage ports are synchronous: a local SQLite transaction takes less time than handing it to a thread. They raise
`StorageError`, the chat client the rest of the exception tree.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from neuralterm.application.journal import JournalEntry, Unsaved
from neuralterm.application.records import (
    Call,
    CallFilter,
    CallTotals,
    Committed,
    ConversationSummary,
    GenerationReport,
    HistoryFilter,
    KeyReport,
    ServiceCharges,
)
from neuralterm.domain.budget import Budget
from neuralterm.domain.catalogue import OpenRouterModel
from neuralterm.domain.models import Conversation, Cost, Message, TokenUsage
from neuralterm.domain.ratios import Ratio

if TYPE_CHECKING:
    from neuralterm.application.search import SearchFilter, SearchHit
    from neuralterm.application.what_if import Steps, UsageSums
    from neuralterm.domain.endpoints import Endpoint


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Return the wall-clock time, in UTC."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class Journal(Protocol):
    """What comes of running answers, apart from the database: there when a method returns, whatever becomes of either.

    An entry is named by the answer's message. What could not be written may be written again.
    """

    def open(self, message_id: UUID, call: Call, conversation: Conversation) -> None:
        """Begin the entry of an answer, or note the next request for it."""

    def append(self, message_id: UUID, text: str = "", reasoning: str = "") -> None:
        """Add what has come: all of it, or nothing when this raises."""

    def note_generation(self, message_id: UUID, generation_id: str) -> None:
        """Remember the service's id of the answer."""

    def keep(self, message_id: UUID, unsaved: Unsaved) -> None:
        """Keep the end of an answer that the database did not take; its text has been appended before."""

    def close(self, message_id: UUID) -> None:
        """Forget the entry: the database has all of it. Never raises."""

    def left(self) -> list[UUID]:
        """Return the answers that have an entry, of whatever process. Never raises."""

    def read(self, message_id: UUID) -> JournalEntry | None:
        """Return the entry of an answer; None when there is none that can be read. Never raises."""


class ConversationRepository(Protocol):
    """Conversations and their messages."""

    @property
    def journal(self) -> Journal:
        """The journal of its pending answers."""

    def patience(self, seconds: float) -> AbstractContextManager[None]:
        """Wait for other processes at most so long in the block. Nothing may be awaited in it."""

    def transaction(self) -> AbstractContextManager[None]:
        """Make all writes inside one atomic step, ledger writes on the same database included. May be nested."""

    def save(self, conversation: Conversation) -> None:
        """Insert the conversation or update its own fields; its messages stay as they are."""

    def get_by_id(self, conversation_id: UUID) -> Conversation | None:
        """Return the conversation; None when there is none, or when it is in the trash."""

    def get_messages(self, conversation_id: UUID, *, withdrawn: bool = False) -> list[Message]:
        """Return its messages, oldest first, with `withdrawn` those too; a pending answer with what the journal has of it."""

    def add_message(self, message: Message) -> None:
        """Append a message to its conversation, which must exist."""

    def finish_message(self, message: Message) -> None:
        """Replace a pending answer by its final state; adds cost and tokens to the conversation.

        Raises `MissingRecordError` when the message is gone.
        """

    def price_message(self, message_id: UUID, cost: Cost, usage: TokenUsage | None) -> bool:
        """Replace the cost of a finished answer, and its usage unless None; the conversation's totals follow. False if gone."""

    def abandon_message(self, message_id: UUID, text: str = "", reasoning: str | None = None) -> bool:
        """Give a pending answer what came of it and the status `interrupted`. False if it is not pending."""

    def withdraw(self, message_ids: Sequence[UUID], at: datetime) -> None:
        """Mark messages as withdrawn; those that are already, and unknown ones, stay as they are."""

    def delete(self, conversation_id: UUID) -> bool:
        """Delete a conversation with its messages for good; its calls stay in the ledger. False if it did not exist."""

    def trash(self, conversation_id: UUID, at: datetime) -> bool:
        """Put a conversation into the trash. False if it did not exist, or is there already."""

    def restore(self, conversation_id: UUID) -> bool:
        """Take a conversation out of the trash. False if it is not there."""

    def purge(self, before: datetime) -> int:
        """Delete for good what was put into the trash before then, and return how many conversations that were.

        Where there is none, nothing is written.
        """

    def latest(self) -> Conversation | None:
        """Return the conversation that was changed last, outside the trash."""

    def find_by_prefix(self, prefix: str, *, deleted: bool = False) -> list[Conversation]:
        """Return at most three conversations whose id begins so (hyphens and case ignored), outside or in the trash."""

    def summaries(self, filter: HistoryFilter) -> list[ConversationSummary]:
        """Return conversations that have at least one user message, withdrawn or not, last changed first.

        The status is that of the last message that is not withdrawn.
        """

    def search(self, query: str, limit: int, filter: SearchFilter | None = None) -> list[SearchHit]:
        """Return messages outside the trash that hold all words of the query, newest first. Any text is a valid query."""


class Ledger(Protocol):
    """Every request, and what it cost."""

    def transaction(self) -> AbstractContextManager[None]:
        """Make all calls inside one atomic step that no other process can come between. May be nested."""

    def open_call(self, call: Call) -> None:
        """Write a call down before it is made."""

    def settle_call(self, call: Call) -> None:
        """Replace an opened call by its final state; nobody owns it any more.

        Raises `MissingRecordError` when it was never opened here.
        """

    def find(self, call_id: UUID) -> Call | None:
        """Return a call, or None."""

    def committed(self, filter: CallFilter) -> Committed:
        """Return what calls use of a budget.

        Billed, reconciled and computed amounts count as they are; estimated and unsettled ones at their upper bound where
        there is one.
        """

    def totals(self, filter: CallFilter, by: Sequence[str] = (), zone: tzinfo = UTC) -> list[CallTotals]:
        """Return sums over calls, one row for each combination of keys, ordered by keys; failed for free don't count.

        `by` are any of `day` (in `zone`; the key is its date, `2026-11-23`), `model`, `provider`, `conversation`, `tag` (a
        call with two tags counts under both; without a tag under ""), `run`, `source`. Without any, one row.
        """

    def usage_sums(self, filter: CallFilter, steps: Steps) -> list[UsageSums]:
        """Return sums of tokens and money over calls between the same steps, ordered by model; failed for free don't count."""

    def running(self) -> list[Call]:
        """Return the calls that nobody has settled: they run now, or their process died."""

    def to_reconcile(self, service: str, limit: int, *, computed: bool = False) -> list[Call]:
        """Return settled calls of that base URL that are unsettled or estimated and have a generation id, newest first.

        With `computed` those too whose cost is the service's token counts at its list prices.
        """

    def calls_of(self, generation_id: str) -> list[Call]:
        """Return the calls with that id of whatever service, oldest first; a repeated answer repeats its id."""

    def charges_at(self, service: str, since: datetime | None = None) -> ServiceCharges:
        """Return what calls of that base URL, started since then (None: ever), were or may have been charged by it."""


class BudgetStore(Protocol):
    """The budgets that were set by command."""

    def budgets(self) -> list[Budget]:
        """Return them, ordered by name."""

    def save_budget(self, budget: Budget) -> None:
        """Add a budget, or replace the one of the same name."""

    def remove_budget(self, name: str) -> bool:
        """Forget a budget. False if there was none of that name."""


class RatioStore(Protocol):
    """What was learnt about token counts, by family of models."""

    def ratio(self, family: str, basis: str) -> Ratio | None:
        """Return how many native tokens come to one token (basis `tokens`) or one byte (basis `bytes`) counted here."""

    def add_sample(self, family: str, basis: str, value: float) -> None:
        """Take one more observation in."""


class Processes(Protocol):
    """The processes of this machine, by names that are not used twice."""

    def me(self) -> str:
        """Return the name of this process."""

    def may_live(self, name: str) -> bool:
        """Return False only for a process that has ended for certain; one of another machine may live."""


class AccountClient(Protocol):
    """What the service says of money afterwards. Asking costs nothing."""

    async def get_generation(self, generation_id: str) -> GenerationReport | None:
        """Return what a generation cost; None while the service does not know it (it takes some seconds to be told)."""

    async def get_key(self) -> KeyReport:
        """Return what the key has used."""


class EndpointSource(Protocol):
    """What the service says of who runs a model. Asking costs nothing."""

    async def get_endpoints(self, model_id: str) -> list[Endpoint] | None:
        """Return the endpoints of a model; None where none are told of it. Gives up soon."""


class ModelCache(Protocol):
    """The model list as it was fetched last."""

    def store(self, models: Sequence[OpenRouterModel], fetched_at: datetime) -> None:
        """Replace the list."""

    def load(self) -> tuple[list[OpenRouterModel], datetime] | None:
        """Return the list and when it was fetched; None when there is none."""

    def find(self, model_id: str) -> tuple[OpenRouterModel, datetime] | None:
        """Return one model by id, or else by canonical slug, without reading the rest."""


class ChatClient(Protocol):
    """The service."""

    async def get_available_models(self) -> list[OpenRouterModel]:
        """Return the model list."""

    def chat_completion_stream(
        self,
        messages: list[dict[str, Any]],
        model: str,
        temperature: float | None = 0.7,
        max_tokens: int | None = None,
    ) -> AsyncIterator[dict[str, Any]]:
        """Send a conversation; yield `{"type": "delta", "content", "reasoning"}` and last `{"type": "final", ...}`.

        Adapters may take more keyword arguments (`extra`: body fields, `stream`); they are passed only when they are set.
        The iterator may have `snapshot()`, which tells at any time what is known so far under the keys of the final
        dictionary (`generation_id`, `model`, `usage`, ...) and under `request_sent`, and `aclose()`, which is called when it
        is left early.
        """


class TokenCounting(Protocol):
    """Counts tokens, without a network."""

    def count_tokens(self, text: str, model_id: str) -> int:
        """Return the tokens of a text, special-token spellings counted as ordinary text."""

    def count_messages(self, messages: list[Message], model_id: str) -> int:
        """Return the tokens of a prompt made of these messages, framing included."""

    def truncate_context(
        self, messages: list[Message], model_id: str, max_tokens: int, reserve_tokens: int = 500
    ) -> list[Message]:
        """Return what fits: the system message, a marker where messages were dropped, the newest messages."""

    def upper_bound(self, messages: list[Message], model_id: str | None = None) -> int:
        """Return a number of tokens that the prompt can't exceed.

        Without a model it is quick and generous; with one whose tokenizer is known it is close.
        """

    def fits(self, messages: list[Message], model_id: str, max_tokens: int) -> bool:
        """Say whether the prompt has at most so many tokens, counting only when the bound is not enough."""


class Breaker(Protocol):
    """Keeps a failing service from being asked again and again."""

    def check(self) -> None:
        """Raise `CircuitOpenError` while the service is not to be asked."""

    def record_success(self) -> None:
        """Take note that the service answered."""

    def record_failure(self) -> None:
        """Take note that the service failed."""


class Circuit(Protocol):
    """Keeps one turn, try by try, from asking again and again for what fails.

    `wait`: seconds for which it lets nothing of this turn through, as far as the last `record` has shown; infinite where
    the turn is not to wait for it.
    """

    wait: float

    def check(self) -> None:
        """Raise `CircuitOpenError` while the service is not to be asked for this."""

    def record(self, error: BaseException | None) -> None:
        """Take note of how the request ended; None is its proper end."""
