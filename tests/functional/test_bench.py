"""The bench: its server is like the sandbox, failures are no measurements, every row can be measured."""

import http.client
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from neuralterm.sandbox.embedded import running_sandbox

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "scripts" / "bench"


@pytest.fixture
def bench(monkeypatch):
    """Import a module of the bench: `bench("rows")`."""
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module


@pytest.fixture
def server(tmp_path):
    """The bench's server, as its base URL."""
    models = tmp_path / "models.json"
    models.write_text('{"data": []}')
    command = [sys.executable, str(BENCH / "server.py"), str(models), str(tmp_path / "arrivals")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/api/v1"
        process.kill()


def reply(url, model, prompt, *, stream):
    """Return the headers that matter and the body of an answer."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    request = {"model": model, "stream": stream, "messages": [{"role": "user", "content": prompt}]}
    connection.request("POST", "/api/v1/chat/completions", json.dumps(request), {"Authorization": "Bearer key"})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    headers = {name.lower() for name, _ in response.getheaders()} - {"content-length", "transfer-encoding"}
    kind = response.getheader("Content-Type")
    return response.status, kind, headers, body


def shape(value):
    """Return what kinds of values a JSON value is made of."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value]
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)


def events(body):
    """Return the shapes of the events, one for each run of equal ones."""
    lines = [line for line in body.decode().split("\n\n") if line]
    shapes = [shape(json.loads(line[6:])) if line.startswith("data: {") else line for line in lines]
    return [each for number, each in enumerate(shapes) if number == 0 or each != shapes[number - 1]]


def test_the_server_answers_as_the_sandbox_does(server):
    with running_sandbox(delay=0) as sandbox:
        status, kind, headers, body = reply(sandbox, "openai/gpt-4o-mini", "hello there", stream=True)
        whole = reply(sandbox, "openai/gpt-4o-mini", "hello there", stream=False)
    for prompt in ("one", "burst 5 0", "burst 5 16384", "paced 5 10"):
        assert reply(server, "openai/gpt-4o-mini", prompt, stream=True)[:3] == (status, kind, headers)
        assert events(reply(server, "openai/gpt-4o-mini", prompt, stream=True)[3]) == events(body)
    assert shape(json.loads(reply(server, "openai/gpt-4o-mini", "one", stream=False)[3])) == shape(json.loads(whole[3]))


def test_a_chunk_holds_as_much_as_it_is_said_to(bench):
    events_of, gathered = bench("server").stream_events, bench("server")._gathered
    whole = b"".join(events_of(500))
    assert b"".join(gathered(events_of(500), 0)) == whole
    chunks = list(gathered(events_of(500), 16384))
    assert b"".join(chunks) == whole
    assert all(16384 <= len(chunk) < 17000 for chunk in chunks[:-1])


def test_a_program_that_fails_is_no_measurement(bench, tmp_path):
    running = bench("running")
    failing = running.Program("liar", [sys.executable, "-c", "import sys; sys.exit('it broke')"], tmp_path)
    with pytest.raises(running.MeasurementError, match="liar: exit code 1\nit broke"):
        running.run(failing)


def test_programs_take_turns_and_the_first_round_is_not_counted(bench, tmp_path):
    running, taken = bench("running"), []
    programs = [running.Program(name, [], tmp_path) for name in "ab"]

    def measure(program):
        taken.append(program.name)
        return len(taken)

    assert running.in_turn(programs, 2, measure) == {"a": [3, 5], "b": [4, 6]}
    assert "".join(taken) == "ababab"


def test_a_row_is_judged_by_the_ratio_of_medians(bench):
    rows = bench("rows")
    row = rows.Row("a", "what", must=2.0, aim=1.5)
    series = {"ours": rows.Series([30, 10, 20], "ms"), "base": rows.Series([10, 11, 100], "ms")}
    result = rows.Result(row, series, "ours", "base")
    assert (round(result.value, 2), result.verdict) == (1.82, "must")
    assert rows.Result(rows.Row("a", "what", 20, 15, "ms"), series, "ours").verdict == "must"
    assert rows.Result(rows.Row("a", "what", 19, 15, "ms"), series, "ours").verdict == "MISSED"
    assert "2.00x (-9 %) must" in "\n".join(bench("report").lines(result, 2.0))


@pytest.mark.slow
def test_every_row_can_be_measured(bench, tmp_path):
    found = tmp_path / "found.json"
    command = [sys.executable, str(BENCH), "--quick", "--rounds", "1", "--json", str(found)]
    # Compiling the bench, or watching it, takes more memory than what it measures.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "PYTHON"))}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(json.loads(found.read_text())["rows"]) == set(bench("rows").ROWS)
