"""The one place that builds things, each on first use."""

from __future__ import annotations

import contextlib
from functools import cached_property
from typing import TYPE_CHECKING, Any

from neuralterm.application.interruption import Interruption

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from decimal import Decimal
    from pathlib import Path

    from neuralterm.application.attachments import AttachmentFile, Attachments
    from neuralterm.application.bounds import BudgetStatus
    from neuralterm.application.budgets import Budgets
    from neuralterm.application.catalogue import Catalogue
    from neuralterm.application.clock import SystemClock
    from neuralterm.application.cost_tracker import CostTracker
    from neuralterm.application.declared_catalogue import DeclaredCatalogue
    from neuralterm.application.doctor import Doctor
    from neuralterm.application.estimates import TokenEstimates
    from neuralterm.application.events import DomainEvent, EventBus, EventObserver
    from neuralterm.application.login import Login
    from neuralterm.application.orchestrator import ChatOrchestrator
    from neuralterm.application.ports import Circuit, ConversationRepository
    from neuralterm.application.preview import Previewing
    from neuralterm.application.records import Answer, Call
    from neuralterm.application.redaction import Redaction
    from neuralterm.application.spending import SpendingGate
    from neuralterm.application.state import SessionState
    from neuralterm.application.surroundings import ServiceReply
    from neuralterm.components.chat_completion import Suggestions
    from neuralterm.components.chat_state import ChatParts
    from neuralterm.components.console import Console
    from neuralterm.components.notices import Notices
    from neuralterm.config import Settings
    from neuralterm.domain.budget import Budget
    from neuralterm.infrastructure.backup import BackupReport
    from neuralterm.infrastructure.budget_store import SQLiteBudgetStore
    from neuralterm.infrastructure.completion_words import WordKind
    from neuralterm.infrastructure.credentials import Credentials, Keyring
    from neuralterm.infrastructure.database import Database
    from neuralterm.infrastructure.ledger import SQLiteLedger
    from neuralterm.infrastructure.llm_logs import LlmLogs
    from neuralterm.infrastructure.model_cache import SQLiteModelCache
    from neuralterm.infrastructure.openrouter import OpenRouterClient
    from neuralterm.infrastructure.processes import ProcessTable
    from neuralterm.infrastructure.repositories import SQLiteConversationRepository
    from neuralterm.infrastructure.template_files import TemplateFiles
    from neuralterm.infrastructure.token_counter import TokenCounter
    from neuralterm.setting_flags import Flags

_SANDBOX_KEY = "sandbox"
# Seconds; the service writes down what an answer cost some seconds after its end.
_PATIENCE_S = 30.0
# Seconds that a check of the service, and of a database that others hold, may take.
_PROBE_S, _BRIEFLY_S = 10.0, 2.0
_COMPLETED_CONVERSATIONS = 200


class Container:
    """Everything one invocation needs.

    `flags`, `machine_errors` and `ceiling_may_change` are set by the command line before first use.
    """

    def __init__(self, flags: Flags | None = None) -> None:
        self.flags = flags
        self.machine_errors = False
        self.ceiling_may_change = False
        self.interruption = Interruption()
        self._closing = contextlib.ExitStack()

    @property
    def is_quiet(self) -> bool:
        """True when only errors are wanted on stderr."""
        return self.flags is not None and self.flags.quiet

    def override(self, **changes: Any) -> None:
        """Let the options of a command win over the settings; None leaves a setting as it is."""
        from neuralterm.domain.record import replace

        set_here = {name: value for name, value in changes.items() if value is not None}
        self.__dict__["settings"] = replace(self.settings, **set_here)

    def interrupted(self) -> bool:
        """Say whether a signal has told what runs now to stop; who waits for something then raises KeyboardInterrupt."""
        return self.interruption.is_stopping

    def _stop_waiting(self) -> bool:
        self.interruption.check()
        return False

    async def disconnect(self) -> None:
        """Close the client's connections, if there are any."""
        if "client" in self.__dict__:
            await self.client.close()

    def close(self) -> None:
        """Close database and sandbox, whatever was opened."""
        self._closing.close()

    @cached_property
    def settings(self) -> Settings:
        from neuralterm.config import load_settings

        settings = load_settings(self.flags)
        for warning in settings.warnings:
            self.plain_console.note(f"warning: {warning}")
        return settings

    @cached_property
    def console(self) -> Console:
        from neuralterm.components.console import Console

        settings = self.settings
        console = Console(
            quiet=self.is_quiet,
            color=settings.color,
            moves_cursor=settings.moves_cursor,
            markdown=settings.markdown,
            interrupted=self.interrupted,
        )
        self.interruption.before_end.append(console.leave_open_line)
        return console

    @cached_property
    def plain_console(self) -> Console:
        """A console that needs no settings."""
        from neuralterm.components.console import Console

        return Console(quiet=self.is_quiet, color=False)

    @cached_property
    def clock(self) -> SystemClock:
        from neuralterm.application.clock import SystemClock

        return SystemClock()

    @cached_property
    def database(self) -> Database:
        from neuralterm.infrastructure.database import Database

        database = Database(self.settings.database)
        waiting = f"note: waiting for the database {self.settings.database}: another process holds it"
        database.watch_waiting(interrupted=self._stop_waiting, on_wait=lambda: self.console.note(waiting))
        self._closing.callback(database.close)
        return database

    @cached_property
    def repository(self) -> SQLiteConversationRepository:
        from neuralterm.infrastructure.repositories import SQLiteConversationRepository

        return SQLiteConversationRepository(self.database)

    def llm_logs(self, path: Path) -> LlmLogs:
        """Return what the program `llm` has logged in a file; raises as `LlmLogs`."""
        from neuralterm.infrastructure.llm_logs import LlmLogs

        logs = LlmLogs(path)
        self._closing.callback(logs.close)
        return logs

    def back_up(self, target: Path, *, overwrite: bool, on_progress: Callable[[int, int], None]) -> BackupReport:
        """Copy the database to a file; raises as `backup.back_up`."""
        from neuralterm.infrastructure.backup import back_up

        return back_up(self.database, target, overwrite=overwrite, on_progress=on_progress)

    def index_for(self, query: str, on_step: Callable[[int, int], bool]) -> None:
        """Index messages that a search for this query had to read; see `search.index_for`."""
        from neuralterm.infrastructure.search import index_for

        index_for(self.database, query, on_step)

    @cached_property
    def conversations(self) -> ConversationRepository:
        """The conversations that prompts are sent into: those of `repository`, as far as they may be kept."""
        if self.settings.no_log:
            from neuralterm.application.unlogged import UnloggedConversations

            return UnloggedConversations(self.repository)
        return self.kept_conversations

    @cached_property
    def kept_conversations(self) -> ConversationRepository:
        """The conversations of `repository`, whatever becomes of prompts; no secret is written into them."""
        from neuralterm.application.redacting import RedactingConversations

        return RedactingConversations(self.repository, self.redaction)

    @cached_property
    def redaction(self) -> Redaction:
        """Blots out what must not be stored."""
        from neuralterm.application.redaction import Redaction

        settings = self.settings
        if not (settings.redact or settings.redact_patterns):
            return Redaction(self._keys)
        from neuralterm.application.secret_patterns import SecretPatterns

        own = None
        if settings.redact_patterns:
            from neuralterm.application.own_patterns import OwnPatterns

            own = OwnPatterns(settings.redact_patterns)
        return Redaction(self._keys, SecretPatterns(well_known=settings.redact, own=own))

    def _keys(self) -> tuple[str, ...]:
        """Return the keys that are known so far; no command is run for one."""
        key: str | None = self.__dict__.get("api_key")
        known = self.settings.known_keys if "settings" in self.__dict__ else ()
        return known if key is None or key in (_SANDBOX_KEY, *known) else (key, *known)

    @cached_property
    def ledger(self) -> SQLiteLedger:
        from neuralterm.infrastructure.ledger import SQLiteLedger

        return SQLiteLedger(self.database, clean=lambda text: self.redaction.without_keys(text))

    @cached_property
    def processes(self) -> ProcessTable:
        from neuralterm.infrastructure.processes import ProcessTable

        return ProcessTable()

    @cached_property
    def model_cache(self) -> SQLiteModelCache:
        from neuralterm.infrastructure.model_cache import SQLiteModelCache

        return SQLiteModelCache(self.database, self.service)

    @property
    def service(self) -> str:
        """The name under which the ledger keeps calls to this server."""
        from neuralterm.domain.text import without_password

        return "sandbox" if self.settings.sandbox else without_password(self.settings.base_url.rstrip("/"))

    def completion_words(self, kind: WordKind, beginning: str, *, sandbox: bool) -> list[tuple[str, str | None]]:
        """Return what completes a word for a shell: without settings, and nothing where that takes time or fails."""
        from neuralterm.infrastructure.completion_words import known_words
        from neuralterm.setting_files import usual_database

        return known_words(usual_database(sandbox=sandbox), kind, beginning)

    def template_names(self, config: str | None) -> list[str]:
        """Return the names of templates for a shell, also without the rest of the settings; raises as `TemplateFiles.names`."""
        from neuralterm.infrastructure.template_files import template_files
        from neuralterm.setting_files import template_folders

        return template_files(template_folders(config)).names()

    @cached_property
    def attachments(self) -> Attachments:
        from neuralterm.application.attachments import Attachments
        from neuralterm.infrastructure.attachment_store import SQLiteAttachmentStore

        store = SQLiteAttachmentStore(self.database)
        if not self.settings.no_log:
            return Attachments(store)
        from neuralterm.application.unlogged import UnloggedAttachments

        return Attachments(UnloggedAttachments(store))

    def read_attachment(self, source: str, read_stdin: Callable[[int], bytes]) -> AttachmentFile:
        """Read what a path, an address or `-` names; raises as `attachment_files.read_attachment`."""
        from neuralterm.infrastructure.attachment_files import read_attachment

        return read_attachment(source, read_stdin)

    @cached_property
    def api_key(self) -> str | None:
        if self.settings.sandbox:
            return _SANDBOX_KEY
        if self.settings.api_key is None and self.settings.key_command:
            from neuralterm.infrastructure.secrets import key_from_command

            console = self.console
            with console.left_to_another():
                return key_from_command(
                    self.settings.key_command, on_wait=lambda: console.note("waiting for key_command")
                )
        if self.settings.api_key is not None:
            return self.settings.api_key
        with self.console.busy("waiting for the system's keyring"):
            return self.credentials.key_for(self.service)

    @cached_property
    def credentials(self) -> Credentials:
        """The keys of logins; the sandbox has its own, and no keyring."""
        from pathlib import Path

        from neuralterm.infrastructure.credentials import Credentials, no_keyring
        from neuralterm.setting_files import credentials_file

        sandbox = self.settings.sandbox
        path = Path(credentials_file(self.settings.data_dir, sandbox=sandbox))
        return Credentials(path, no_keyring if sandbox else self._keyring)

    def _keyring(self) -> Keyring:
        from neuralterm.infrastructure.system_keyring import SystemKeyring

        return SystemKeyring()

    @cached_property
    def login(self) -> Login:
        """A login at the service. Raises ConfigurationError where it has none."""
        from neuralterm.application.login import Login, login_page
        from neuralterm.infrastructure.callback_listener import LoopbackListener

        page = login_page(self.base_url)
        return Login(page, LoopbackListener, self.open_browser, self._key_for_code, self.console.note)

    def open_browser(self, url: str) -> bool:
        """Open a page in the user's browser; False where there is none."""
        from neuralterm.infrastructure.browser import open_browser

        return open_browser(url)

    async def _key_for_code(self, code: str, verifier: str) -> str:
        from neuralterm.infrastructure.openrouter import OpenRouterClient

        async with OpenRouterClient(None, self.base_url, connect_timeout=_PROBE_S) as client:
            return await client.key_for_code(code, verifier)

    def keep_login(self, key: str) -> Exception | None:
        """Keep the key of a login, and show it nowhere from now on; return why it is not in the keyring, if it is not."""
        self.__dict__["api_key"] = key
        with self.console.busy("waiting for the system's keyring"):
            return self.credentials.keep(self.service, key)

    def without_key(self, text: str) -> str:
        """Return the text with the key blotted out: some servers repeat it in their complaints."""
        from neuralterm.domain.text import without_key

        for key in self._keys():
            text = without_key(text, key)
        return text

    @cached_property
    def base_url(self) -> str:
        if not self.settings.sandbox:
            return self.settings.base_url
        from pathlib import Path

        from neuralterm.sandbox import running_sandbox

        bill_file = Path(self.settings.database).with_name("sandbox-bill.jsonl")
        return self._closing.enter_context(running_sandbox(bill_file=bill_file))

    @property
    def needs_event_loop(self) -> bool:
        """True where requests take httpx, for a proxy for one."""
        from neuralterm.infrastructure.openrouter.proxies import direct_url

        return direct_url(self.base_url) is None

    @cached_property
    def client(self) -> OpenRouterClient:
        from neuralterm.infrastructure.openrouter import OpenRouterClient

        # The list of models needs no key: no command is run for it.
        key = self.__dict__.get("api_key", _SANDBOX_KEY if self.settings.sandbox else self.settings.api_key)
        return OpenRouterClient(
            key,
            self.base_url,
            timeout=self.settings.timeout,
            idle_timeout=self.settings.idle_timeout,
        )

    @property
    def account(self) -> OpenRouterClient:
        """The client, for questions about money.

        Raises:
            ConfigurationError: there is no key.
        """
        self._require_key()
        return self.client

    @cached_property
    def template_files(self) -> TemplateFiles:
        from neuralterm.infrastructure.template_files import template_files

        settings = self.settings
        return template_files([(settings.project_templates, settings.project_dir), (settings.templates, None)])

    @cached_property
    def token_counter(self) -> TokenCounter:
        from neuralterm.infrastructure.token_counter import TokenCounter

        return TokenCounter(interrupted=self.interrupted)

    @cached_property
    def catalogue(self) -> Catalogue | DeclaredCatalogue:
        from neuralterm.application.catalogue import Catalogue

        catalogue = Catalogue(
            lambda: self.client,
            self.model_cache,
            self.clock,
            on_stale=self.console.note,
            while_asking=lambda: self.console.busy("waiting for the model list"),
        )
        if self.settings.server_prices is None:
            return catalogue
        from neuralterm.application.declared_catalogue import DeclaredCatalogue

        return DeclaredCatalogue(catalogue, self.settings.server_prices)

    @cached_property
    def budget_store(self) -> SQLiteBudgetStore:
        from neuralterm.infrastructure.budget_store import SQLiteBudgetStore

        return SQLiteBudgetStore(self.database)

    @cached_property
    def known_budgets(self) -> Budgets:
        """Knows and changes the budgets of settings and store."""
        from neuralterm.application.budgets import Budgets

        settings = self.settings
        return Budgets(
            self.budget_store,
            settings.placed_budgets,
            timezone=settings.timezone,
            warning_level=self._warning_level,
        )

    @property
    def _warning_level(self) -> Decimal:
        from neuralterm.domain.budget import DEFAULT_WARNING_LEVEL

        return self.settings.warning_level or DEFAULT_WARNING_LEVEL

    def ceiling(self, usd: Decimal | None) -> Budget | None:
        """Return the budget of this invocation that holds so much, USD; None for no limit."""
        from neuralterm.application.budgets import CEILING
        from neuralterm.domain.budget import Budget, Window

        return None if usd is None else Budget(CEILING, usd, Window.CALL, self._warning_level)

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """The tags that every call gets."""
        settings = self.settings
        if not settings.tag_branch:
            return settings.tags
        from pathlib import Path

        from neuralterm.infrastructure.git_branch import git_branch
        from neuralterm.setting_files import working_directory

        folder = working_directory()
        branch = None if folder is None else git_branch(Path(folder), settings.ci_branch)
        return settings.tags if branch is None else (*settings.tags, f"branch:{branch}")

    @cached_property
    def spending(self) -> SpendingGate:
        from neuralterm.application.spending import SpendingGate
        from neuralterm.domain.budget import SMALLEST_OUTPUT_CAP
        from neuralterm.domain.zones import time_zone

        settings = self.settings
        return SpendingGate(
            self.clock,
            self.ledger,
            lambda: (placed.budget for placed in self.known_budgets.all()),
            ceiling=self.ceiling(settings.max_cost),
            processes=self.processes,
            service=self.service,
            zone=time_zone(settings.timezone),
            min_tokens=settings.min_tokens or SMALLEST_OUTPUT_CAP,
            soft=settings.soft_budget,
        )

    @cached_property
    def estimates(self) -> TokenEstimates:
        from neuralterm.application.estimates import TokenEstimates
        from neuralterm.infrastructure.ratio_store import SQLiteRatioStore
        from neuralterm.infrastructure.token_counter import TokenCounter

        # Not the counter that can be interrupted: these counts settle what answers cost.
        return TokenEstimates(TokenCounter(), SQLiteRatioStore(self.database))

    @cached_property
    def cost_tracker(self) -> CostTracker | None:
        """Watches the budgets that count a call; None where there are no budgets at all, and none can come up."""
        from neuralterm.application.cost_tracker import CostTracker

        is_needed = self.ceiling_may_change or self.spending.budgets
        return CostTracker(self.bus, count_tokens=self.estimates.count_tokens) if is_needed else None

    def recover(self) -> None:
        """Take in what processes left behind when they died, or when the database could not be written, and say so.

        Where the database can't be written now, it stays for the next start.
        """
        from neuralterm.domain.exceptions import StorageError
        from neuralterm.infrastructure.leftovers import may_be_left

        with contextlib.suppress(StorageError):
            if not may_be_left(self.database, self._has_ended):
                return
            from neuralterm.application.recovery import recover
            from neuralterm.components.notices import recovered_line

            line = recovered_line(recover(self.ledger, self.repository, self.processes, self.clock))
            if line is not None:
                self.console.note(line, fg="yellow")

    def _has_ended(self, owner: str | None, started_at: datetime) -> bool:
        from neuralterm.application.owners import has_ended

        return has_ended(owner, started_at, self.processes, self.clock.now())

    def empty_expired_trash(self) -> None:
        """Delete for good what has been in the trash of the history for long enough."""
        from neuralterm.application.trash import empty_expired

        empty_expired(self.repository, self.clock.now())

    async def settle_open_calls(self) -> None:
        """Look after calls that processes left open when they died, and ask about a few whose cost is not known."""
        self.recover()
        if self.ledger.to_reconcile(self.service, 1):
            from neuralterm.application.reconciling import reconcile_some

            await reconcile_some(self.ledger, self.conversations, self.client, self.clock, self.service)

    def declared_price(self, call: Call) -> Decimal | None:
        """Return what a call costs by the prices that the user has declared, in USD; None where there are none."""
        prices = self.settings.server_prices
        model = None if prices is None else prices.price(call.model or call.requested_model)
        return None if model is None or call.usage is None else model.prices.cost_of(call.usage, call.started_at)

    async def settle_last_call(self) -> None:
        """Ask about the newest call of uncertain cost until the service knows it, half a minute at most."""
        from neuralterm.application.reconciling import reconcile

        await reconcile(
            self.ledger, self.conversations, self.client, self.clock, self.service, patience=_PATIENCE_S, limit=1
        )

    @cached_property
    def previewing(self) -> Previewing:
        """Says what a prompt would cost; needs no key."""
        from neuralterm.application.preparing import Preparing
        from neuralterm.application.preview import KnownFirst, Previewing

        preparing = Preparing(
            repository=self.conversations,
            counter=self.token_counter,
            spending=self.spending,
            lookup=KnownFirst(self.catalogue),
            attachments=lambda: self.attachments,
        )
        return Previewing(preparing, self.estimates, self.clock)

    def doctor(self, *, offline: bool) -> Doctor:
        """What looks whether all is as it should be; `offline` leaves out what needs the network."""
        from pathlib import Path

        from neuralterm.application.doctor import Doctor
        from neuralterm.application.surroundings import Surroundings
        from neuralterm.components.doctor_view import terminal_words
        from neuralterm.infrastructure import database_check
        from neuralterm.infrastructure.versions import versions
        from neuralterm.setting_files import files_state, usual_database

        # Where the database is does not depend on settings, which may be what is broken.
        database = Path(usual_database(sandbox=self.flags is not None and self.flags.sandbox))
        surroundings = Surroundings(
            versions=versions,
            terminal=lambda: terminal_words(self.plain_console, color=self._wants_color()),
            files=lambda: files_state(self.settings.user_file, self.settings.project_dir, self.settings.warnings),
            database=lambda: database_check.database_state(database),
            spool=lambda: database_check.spool_state(database),
            budgets=self._budgets_without_waiting,
            key_origin=self._key_origin,
            keyless=lambda: (
                "the sandbox" if self.settings.sandbox else "a server declared free" if self._is_free_server else None
            ),
            route=self._route,
            ask_service=self._ask_service,
        )
        return Doctor(surroundings, self.clock, offline=offline)

    def _wants_color(self) -> bool:
        from neuralterm.domain.exceptions import ConfigurationError

        with contextlib.suppress(ConfigurationError):
            return self.settings.color
        return False

    def _budgets_without_waiting(self) -> list[BudgetStatus]:
        with self.database.patience(_BRIEFLY_S):
            return self.spending.statuses()

    def _key_origin(self) -> str | None:
        key = None if self.settings.sandbox else self.api_key
        if not key:
            return None
        self.client.use_key(key)  # which refuses what can be no key
        if self.settings.key_name or self.settings.key_command:
            return self.settings.key_name or "key_command"
        return f"`neuralterm login` (kept in {self.credentials.place_of(self.service)})"

    def _route(self) -> str:
        from neuralterm.domain.text import without_password
        from neuralterm.infrastructure.openrouter.proxies import direct_url, proxy_variables

        if self.settings.sandbox:
            return "the sandbox, inside this process,"
        url = self.settings.base_url
        facts = ["encrypted" if url.startswith("https:") else "not encrypted"]
        if direct_url(url, True) is None:
            facts.append(f"by what {' and '.join(proxy_variables()) or 'the system'} says of proxies")
        return f"{without_password(url)} ({', '.join(facts)})"

    async def _ask_service(self) -> ServiceReply:
        from neuralterm.domain.exceptions import ConfigurationError
        from neuralterm.infrastructure.openrouter import OpenRouterClient

        async with OpenRouterClient(None, self.base_url, connect_timeout=_PROBE_S) as client:
            with contextlib.suppress(ConfigurationError):  # which the check of the key tells
                client.use_key(self.api_key)
            return await client.probe(timeout=_PROBE_S)

    @cached_property
    def session(self) -> SessionState:
        from neuralterm.application.state import SessionState

        return SessionState(model_id=self.settings.model)

    @property
    def last_answer(self) -> Answer | None:
        """The answer that ended last in this invocation."""
        return self.session.last_answer if "session" in self.__dict__ else None

    @cached_property
    def notices(self) -> Notices:
        from neuralterm.components.notices import Notices

        return Notices(self.console)

    @cached_property
    def bus(self) -> EventBus:
        from neuralterm.application.events import EventBus

        return EventBus(_log_failure)

    @cached_property
    def circuits(self) -> Callable[[str], Circuit] | None:
        """The circuits of the service; None in the sandbox, whose models fail to be rehearsed again and again."""
        if self.settings.sandbox:
            return None
        from neuralterm.infrastructure.shared_circuits import SharedCircuits

        return SharedCircuits(self.database, self.service, self.processes, lambda: self.clock.now().timestamp())

    @cached_property
    def orchestrator(self) -> ChatOrchestrator:
        """The orchestrator with everybody who watches it subscribed.

        Raises:
            ConfigurationError: there is no key.
        """
        from neuralterm.application.orchestrator import ChatOrchestrator

        self._require_key()
        self._subscribe()
        return ChatOrchestrator(
            self.conversations,
            self.client,
            self.bus,
            self.token_counter,
            circuits=self.circuits,
            clock=self.clock,
            spending=self.spending,
            cost_tracker=self.cost_tracker,
            models=self.catalogue,
            max_input_chars=None,
            attachments=lambda: self.attachments,
            estimates=self.estimates,
            settle_open_calls=self.settle_open_calls,
            joins_reads=True,
        )

    @cached_property
    def chat_parts(self) -> ChatParts:
        """What a chat works with."""
        from neuralterm.components.chat_state import ChatParts

        return ChatParts(
            orchestrator=self.orchestrator,
            repository=self.conversations,
            spending=self.spending,
            session=self.session,
            console=self.console,
            notices=self.notices,
            interruption=self.interruption,
            check_model=self.catalogue.require_listed,
            ceiling=self.ceiling,
            program=self.settings.program,
        )

    async def provide_models(self) -> None:
        """Fetch the list of models, without a word, where none of this service was ever kept here."""
        if not self.model_cache.ids():
            self.model_cache.store(await self.client.get_available_models(), self.clock.now())

    @cached_property
    def chat_suggestions(self) -> Suggestions:
        """What may follow on a line of a chat; asked for when somebody wants a line completed."""
        from neuralterm.application.records import HistoryFilter
        from neuralterm.components.chat_completion import Suggestions

        recent = HistoryFilter(limit=_COMPLETED_CONVERSATIONS)
        return Suggestions(self.model_cache.ids, lambda: self.conversations.summaries(recent))

    def _subscribe(self) -> None:
        from neuralterm.application.events import Events

        for event_type, observer in (
            (Events.MESSAGE_STARTED, self.notices),
            (Events.BUDGET_THRESHOLD, self.notices),
            (Events.BUDGET_EXCEEDED, self.notices),
            (Events.BUDGET_WAITING, self.notices),
            (Events.CONTEXT_TRUNCATED, self.notices),
            (Events.REQUEST_RETRIED, self.notices),
            (Events.STORAGE_FAILED, self.notices),
            (Events.MESSAGE_STARTED, self.session),
            (Events.MESSAGE_COMPLETED, self.session),
        ):
            self.bus.subscribe(event_type, observer)
        if self.console.shows_asides:
            self.bus.subscribe(Events.REASONING_GENERATED, self.notices)
        if self.cost_tracker is not None:
            self.bus.subscribe_all(self.cost_tracker)

    @property
    def _is_free_server(self) -> bool:
        """True for a server of which the user says that nothing there costs anything: it may want no key."""
        prices = None if self.settings.sandbox else self.settings.server_prices
        return prices is not None and prices.free

    def _require_key(self) -> None:
        from neuralterm.domain.exceptions import ConfigurationError

        if not self.api_key and not self._is_free_server:
            raise ConfigurationError(
                "there is no API key",
                "NO_KEY",
                hint="`neuralterm login` gets one, or set OPENROUTER_API_KEY; `neuralterm --sandbox ...` needs none",
            )
        if "client" in self.__dict__:
            self.client.use_key(self.api_key)


def _log_failure(observer: EventObserver, event: DomainEvent, error: Exception) -> None:
    """Log that an observer failed, with marks on every line where nobody asked for logs."""
    from neuralterm.application.events import log_failure
    from neuralterm.components.log_lines import tame_last_resort

    tame_last_resort()
    log_failure(observer, event, error)
