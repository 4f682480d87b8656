"""5,000 sends with random faults, after which every answer, call and cent is accounted for. `make test-long` runs it.

`SOAK_SENDS` and `SOAK_SEED` in the environment change how many, and which.
"""

import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from .fork_server import ForkServer
from .money_storm import zone_of_noon
from .soak_books import SoakBooks
from .soak_sends import Soak, random_sends

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(sys.platform != "linux", reason="faults are made by means of Linux"),
]

SENDS = int(os.environ.get("SOAK_SENDS", "5000"))
SEED = int(os.environ.get("SOAK_SEED", "4"))
# No word of the answers ends as this begins, so that no letter of them has to wait for what follows.
KEY = "QX-this-is-the-key-of-the-soak-test"


@pytest.fixture
def server(tmp_path, money):
    server = ForkServer(tmp_path, dict(os.environ))
    yield server
    server.close()


@pytest.fixture(autouse=True)
def settings(tmp_path, money, monkeypatch, data_dir, run):
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    monkeypatch.setenv("NEURALTERM_BUDGET_DAY", "1000")
    (tmp_path / "config.toml").write_text(f'timezone = "{zone_of_noon()}"\n')
    assert run("models", "--refresh").code == 0


@pytest.fixture
def say(capsys):
    """Print a line although the test may pass."""

    def say(line):
        with capsys.disabled():
            sys.stdout.write(f"\n{line}")

    return say


def test_everything_is_accounted_for(money, server, run, data_dir, say):
    began = time.monotonic()
    money.settle_s = 0.1
    sends = random_sends(SEED, SENDS)
    Soak(money, server, Path(data_dir) / "neuralterm.db", SEED).run(sends)
    duration = time.monotonic() - began
    assert run("history").code == 0
    books = SoakBooks(money, data_dir, sends, KEY)
    codes = sorted(Counter(send.code for send in sends).items())
    say(f"seed {SEED}: {SENDS} sends in {duration:.0f} s, {len(money.posts)} requests; exit codes {codes}")

    ledger = books.check_money(run)
    ledger.assert_reported(json.loads(run("cost", "--json").out))
    books.check_files()
    books.check_each()
    say(f"{books.lost_letters} letters lost to kills; {time.monotonic() - began:.0f} s in all")
