"""The journal of running answers: in memory, and as files beside the database."""

import errno
import json
import os
import stat
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuralterm.application.journal import MemoryJournal, Unsaved
from neuralterm.domain.exceptions import StorageError
from neuralterm.domain.models import Cost, CostSource, MessageStatus
from neuralterm.infrastructure.database import Database
from neuralterm.infrastructure.repositories import SQLiteConversationRepository
from neuralterm.infrastructure.spool import Spool
from neuralterm.infrastructure.spool_records import entry_from
from tests.integration.sqlite.samples import USAGE, call, conversation, finished, pending, question

THREAD = conversation(title="Talk", tags=("ci", "x"), total_cost=Decimal("0.25"))
CALL = call(
    at_most="0.5", conversation_id=THREAD.id, message_id=uuid4(), owner="host/boot/ns/1/2", tags=("ci",), run_id="r"
)
ANSWER_ID = CALL.message_id


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "neuralterm.db-spool"


@pytest.fixture(params=["memory", "files"])
def journal(request, folder):
    return MemoryJournal() if request.param == "memory" else Spool(folder)


QUESTION = question(THREAD, "Where?")


def ending():
    """The end of an answer, as the database should have taken it."""
    answer = finished(pending(THREAD, id=ANSWER_ID), reasoning="hm", token_usage=USAGE, cost=Decimal("0.1"))
    settled = call("0.1", id=CALL.id, conversation_id=THREAD.id, message_id=ANSWER_ID, generation_id="gen-1")
    settled.status = MessageStatus.COMPLETE
    return Unsaved(settled, [QUESTION, answer])


def test_what_was_written_is_read_again(journal):
    journal.open(ANSWER_ID, CALL, THREAD)
    journal.note_generation(ANSWER_ID, "gen-1")
    for text, reasoning in (("Pa", ""), ("", "h"), ("ris", "m"), ("", ""), (" 🙂\n\x00", "")):
        journal.append(ANSWER_ID, text, reasoning)

    assert journal.left() == [ANSWER_ID]
    entry = journal.read(ANSWER_ID)
    assert (entry.message_id, entry.text, entry.reasoning) == (ANSWER_ID, "Paris 🙂\n\x00", "hm")
    assert (entry.call, entry.conversation, entry.generation_id) == (CALL, THREAD, "gen-1")
    assert entry.unsaved is None


def test_the_next_request_takes_the_place_of_the_one_before(journal):
    journal.open(ANSWER_ID, CALL, THREAD)
    journal.note_generation(ANSWER_ID, "gen-1")
    second = call(at_most="0.25", message_id=ANSWER_ID)
    journal.open(ANSWER_ID, second, THREAD)

    entry = journal.read(ANSWER_ID)
    assert (entry.call, entry.generation_id) == (second, None)


def test_the_end_that_the_database_did_not_take_is_kept(journal):
    journal.open(ANSWER_ID, CALL, THREAD)
    journal.append(ANSWER_ID, "Paris.", "hm")
    journal.keep(ANSWER_ID, ending())

    unsaved = journal.read(ANSWER_ID).unsaved
    assert unsaved.call.cost == Cost(Decimal("0.1"), CostSource.BILLED)
    assert list(unsaved.messages) == list(ending().messages)


@pytest.mark.parametrize("gone", ["file", "folder"])
def test_an_end_is_kept_although_somebody_deleted_the_file(folder, gone):
    spool = Spool(folder)
    spool.open(ANSWER_ID, CALL, THREAD)
    spool.append(ANSWER_ID, "Paris.", "hm")
    (file,) = folder.iterdir()
    file.unlink()
    if gone == "folder":
        folder.rmdir()
    spool.keep(ANSWER_ID, ending())

    assert list(Spool(folder).read(ANSWER_ID).unsaved.messages) == list(ending().messages)
    spool.close(ANSWER_ID)
    assert not folder.exists()


def test_what_is_closed_is_gone(journal):
    journal.open(ANSWER_ID, CALL, THREAD)
    journal.close(ANSWER_ID)
    journal.close(ANSWER_ID)

    assert journal.left() == []
    assert journal.read(ANSWER_ID) is None


def test_the_folder_goes_with_its_last_file(folder):
    spool, other = Spool(folder), uuid4()
    spool.open(ANSWER_ID, CALL, THREAD)
    spool.open(other, CALL, THREAD)
    spool.close(ANSWER_ID)
    assert folder.exists()
    spool.close(other)
    assert not folder.exists()


def test_nothing_is_left_where_nothing_was_written(folder):
    assert Spool(folder).left() == []
    assert not folder.exists()


def test_only_its_own_user_can_read_the_files(folder):
    before = os.umask(0)
    try:
        Spool(folder).open(ANSWER_ID, CALL, THREAD)
    finally:
        os.umask(before)

    (file,) = folder.iterdir()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, file)] == [0o700, 0o600]


def test_another_process_reads_what_is_there(folder):
    Spool(folder).open(ANSWER_ID, CALL, THREAD)
    (folder / "notes.txt").write_text("not ours")
    (folder / "not-an-id.jsonl").write_text("{}")

    assert Spool(folder).left() == [ANSWER_ID]
    assert Spool(folder).read(ANSWER_ID).conversation == THREAD


def test_it_is_beside_the_database_and_in_memory_for_one_in_memory(tmp_path):
    repository = SQLiteConversationRepository(tmp_path / "own.db")
    repository.journal.open(ANSWER_ID, CALL, THREAD)

    assert [path.name for path in (tmp_path / "own.db-spool").iterdir()] == [f"{ANSWER_ID}.jsonl"]
    assert isinstance(SQLiteConversationRepository(Database(":memory:")).journal, MemoryJournal)


@given(texts=st.lists(st.text(st.characters(), max_size=5), max_size=4), cut=st.integers(0, 2000))
def test_a_file_that_ends_anywhere_tells_what_stands_whole_in_it(tmp_path_factory, texts, cut):
    folder = tmp_path_factory.mktemp("spool")
    spool = Spool(folder)
    spool.open(ANSWER_ID, CALL, THREAD)
    for text in texts:
        spool.append(ANSWER_ID, text)
    (file,) = folder.iterdir()
    written = file.read_bytes().rstrip(b"\x00")
    spool.close(ANSWER_ID)

    entry = entry_from(ANSWER_ID, written[:cut] + bytes(100))

    lines = written[:cut].split(b"\n")[:-1]
    if not lines:
        assert entry is None
    else:
        assert entry.text == "".join(json.loads(line)["text"] for line in lines[1:])


@pytest.mark.parametrize(
    "damage", [b"{}\n", b"nonsense\n", b'{"call":{},"conversation":{}}\n', b"[1]\n", b'{"text":1}\n', b"\xff\n", b""]
)
def test_what_can_t_be_understood_is_no_entry(damage):
    assert entry_from(ANSWER_ID, damage) is None


class FullDisk:
    """Lets `os.write` take so many bytes more."""

    def __init__(self, monkeypatch, room):
        self.room = room
        self._write = os.write
        monkeypatch.setattr(os, "write", self.write)

    def write(self, descriptor, data):
        taken = min(len(data), self.room)
        self.room -= taken
        if not taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._write(descriptor, data[:taken])


def test_what_did_not_fit_is_written_again_whole(folder, monkeypatch):
    spool = Spool(folder)
    spool.open(ANSWER_ID, CALL, THREAD)
    disk = FullDisk(monkeypatch, 8)
    with pytest.raises(StorageError, match="no space"):
        spool.append(ANSWER_ID, "a very long piece of text")
    disk.room = 10**6
    spool.append(ANSWER_ID, "a")
    spool.append(ANSWER_ID, "b")

    assert spool.read(ANSWER_ID).text == "ab"


def test_there_is_room_for_the_end_before_the_request_is_made(folder):
    """Also behind a long answer: the room is kept ahead of what is written."""
    spool = Spool(folder)
    spool.open(ANSWER_ID, CALL, THREAD)
    (file,) = folder.iterdir()
    for piece in ("", "x" * 200_000, "y" * 9_000_000):
        spool.append(ANSWER_ID, piece)
        written = len(file.read_bytes().rstrip(b"\x00"))
        assert file.stat().st_blocks * 512 >= written + 30_000

    assert len(spool.read(ANSWER_ID).text) == 9_200_000


def test_a_disk_without_room_refuses_before_the_request(folder, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(StorageError, match="no space") as caught:
        Spool(folder).open(ANSWER_ID, CALL, THREAD)
    assert "free some space" in caught.value.hint
    assert not folder.exists()


def test_a_file_system_without_reservations_does(folder, monkeypatch):
    def unsupported(*_):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "posix_fallocate", unsupported)
    spool = Spool(folder)
    spool.open(ANSWER_ID, CALL, THREAD)
    spool.append(ANSWER_ID, "x" * 200_000)

    assert len(spool.read(ANSWER_ID).text) == 200_000


def test_a_folder_that_can_t_be_made_is_explained(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="can't be written") as caught:
        Spool(tmp_path / "file" / "spool").open(ANSWER_ID, CALL, THREAD)
    assert "NEURALTERM_DATA_DIR" in caught.value.hint


def test_a_file_whose_process_died_before_it_wrote_anything_goes(folder):
    folder.mkdir()
    file = folder / f"{ANSWER_ID}.jsonl"
    file.write_bytes(bytes(100))
    assert Spool(folder).read(ANSWER_ID) is None
    assert file.exists()
    os.utime(file, (0, 0))
    assert Spool(folder).read(ANSWER_ID) is None
    assert not file.exists()


def test_an_answer_that_does_not_run_here_is_not_written_to(folder):
    Spool(folder).open(ANSWER_ID, CALL, THREAD)
    with pytest.raises(StorageError):
        Spool(folder).append(ANSWER_ID, "x")
