"""Storage for the tests of this folder: each port as a fake in memory and as the adapter on a real file."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from neuralterm.infrastructure.database import Database
from neuralterm.infrastructure.ledger import SQLiteLedger
from neuralterm.infrastructure.model_cache import SQLiteModelCache
from neuralterm.infrastructure.repositories import SQLiteConversationRepository
from tests.fakes.storage import InMemoryConversationRepository, InMemoryLedger, InMemoryModelCache, MemoryStore


@dataclass(frozen=True)
class Storage:
    repository: Any
    ledger: Any
    models: Any


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "neuralterm.db")
    yield database
    database.close()


@pytest.fixture
def public_directory() -> Iterator[Path]:
    """A directory that another user can reach, unlike `tmp_path`."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory


@pytest.fixture(params=["memory", "sqlite"])
def storage(request, database) -> Storage:
    if request.param == "sqlite":
        return Storage(SQLiteConversationRepository(database), SQLiteLedger(database), SQLiteModelCache(database))
    store = MemoryStore()
    return Storage(InMemoryConversationRepository(store), InMemoryLedger(store), InMemoryModelCache())


@pytest.fixture
def repository(storage):
    return storage.repository


@pytest.fixture
def ledger(storage):
    return storage.ledger
