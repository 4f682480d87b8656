"""Every cell of the fault matrix, as real processes."""

import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from neuralterm.cli.root import cli

from .conftest import KEY
from .fault_matrix import ADVICE, CELLS, COSTS, FAULTS, KEPT, POINTS
from .fault_rig import Rig
from .stand_in import StandIn

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="faults are made by means of Linux")

QUICK = [cell for cell in CELLS if cell.quick]
SLOW = [cell for cell in CELLS if not cell.quick]


@pytest.fixture(scope="module")
def matrix_service():
    service = StandIn()
    yield service
    service.close()
    assert not service.failures


@pytest.fixture(scope="module")
def prepared(matrix_service):
    """A data directory whose database knows the models of the service."""
    directory = Path(tempfile.mkdtemp())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEURALTERM_DATA_DIR", str(directory / "prepared"))
        patch.setenv("NEURALTERM_CONFIG", str(directory / "no-config.toml"))
        patch.setenv("OPENROUTER_BASE_URL", matrix_service.url)
        patch.setenv("OPENROUTER_API_KEY", KEY)
        assert CliRunner().invoke(cli, ["models", "--refresh"]).exit_code == 0
    yield directory / "prepared"
    shutil.rmtree(directory)


@pytest.fixture
def see(matrix_service, prepared, run, monkeypatch):
    """Run a cell and return what was seen: `see(cell)`."""
    rigs = []

    def see(cell):
        monkeypatch.setenv("OPENROUTER_BASE_URL", matrix_service.url)
        monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
        directory = Path(tempfile.mkdtemp(dir=prepared.parent))
        rigs.append(Rig(cell, matrix_service, run, directory, prepared, KEY, monkeypatch))
        return rigs[-1].see()

    yield see
    for rig in rigs:
        rig.close()


@pytest.mark.parametrize("cell", QUICK, ids=lambda cell: cell.name)
def test_telling_cell(see, cell):
    check(cell, see(cell))


@pytest.mark.slow
@pytest.mark.parametrize("cell", SLOW, ids=lambda cell: cell.name)
def test_cell(see, cell):
    check(cell, see(cell))


def check(cell, seen):
    assert (seen.code, seen.out) == (cell.code, cell.out), seen
    assert not any("Traceback" in line for line in seen.err), seen.err
    assert len(seen.err) == cell.lines, seen.err
    assert seen.posts == cell.posts
    assert bool(seen.journals) == cell.leaves_journal, seen.journals
    check_history(cell, seen)
    check_ledger(cell, seen)
    assert seen.next_code == 0, seen.next_err
    # What is found once is not found again.
    assert seen.told_again in ("", "no conversations\n")
    assert set(seen.files) <= {"neuralterm.db", "neuralterm.db-spool"}, seen.files
    assert seen.leaks == []


def check_history(cell, seen):
    if cell.kept == "nothing":
        assert (seen.questions, seen.answers) == ([], [])
        return
    assert seen.questions == [("hi",)]
    ((text, status, _),) = seen.answers
    assert status == cell.status
    if cell.fault == "stdout full" and cell.point == "middle":  # which word it fails at is chance
        assert text
        assert cell.text.startswith(text)
    else:
        assert text == cell.text


def check_ledger(cell, seen):
    """Each request has its row; nobody runs it any more; what is not known has a bound."""
    assert len(seen.calls) == cell.requests
    for status, source, cost, at_most, _, owner in seen.calls:
        assert status != "pending"
        assert owner is None
        assert (cost is None) == (source == "unsettled")
        assert at_most >= (cost or 0)
    for call in seen.calls[:-1]:
        assert call[:3] == ("failed", "computed", 0)
    if not seen.calls:
        assert cell.cost is None
        return
    _, source, cost, at_most, generation_id, _ = seen.calls[-1]
    if cell.cost == "free":
        assert (source, cost) == ("computed", 0)
    elif cell.cost == "unsettled for good":
        assert (source, generation_id) == ("unsettled", None)
        assert at_most > 0
    else:
        assert (source, generation_id) == (cell.cost, "gen-1")
        assert at_most > 0
    # A message says where its cost comes from as its call does.
    assert seen.answers[0][2] == source


def test_the_matrix_is_whole():
    """Every point and every kind of fault is in it, no cell twice, and every word that it uses is explained."""
    assert {cell.point for cell in CELLS} == set(POINTS)
    assert {cell.fault for cell in CELLS} == set(FAULTS)
    assert len({(cell.point, cell.fault) for cell in CELLS}) == len(CELLS)
    assert {cell.kept for cell in CELLS} == set(KEPT)
    assert {cell.cost for cell in CELLS} == set(COSTS)
    assert {cell.advice for cell in CELLS} == set(ADVICE)
