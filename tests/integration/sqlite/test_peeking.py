"""Looking into a database that nobody has open."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from neuralterm.infrastructure.peeking import peek, read_only_uri


@pytest.mark.parametrize("name", [b"a b.db", b"50%3F?mode=rwc#x&y=1.db", "Größe 数.db".encode(), b"no \xff UTF-8.db"])
@pytest.mark.parametrize("is_frozen", [False, True])
def test_any_name_of_a_file_is_taken_as_it_is(tmp_path, name, is_frozen):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE t (x); INSERT INTO t VALUES (7)")

    with closing(sqlite3.connect(read_only_uri(path, is_frozen=is_frozen), uri=True)) as connection:
        assert connection.execute("SELECT x FROM t").fetchall() == [(7,)]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("DELETE FROM t")
    with closing(peek(path)) as connection:
        assert connection.execute("SELECT x FROM t").fetchall() == [(7,)]
