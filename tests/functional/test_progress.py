"""Who waits at a terminal sees what for."""

import os
import threading

import pytest

from .stand_in import MODELS, endless, held
from .terminal import Terminal


@pytest.fixture
def gate():
    return threading.Event()


@pytest.fixture
def terminal():
    opened = []

    def start(*line, **options):
        opened.append(Terminal(*line, **options))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def test_a_service_that_takes_long_is_waited_for_in_sight(service, terminal, gate):
    service.scripts = [held([], gate, ["Hello there."])]
    session = terminal("send", "-m", "test/model", "hi")
    session.expect("waiting for test/model: 1 s")
    gate.set()
    code, rest = session.end()
    assert code == 0
    assert rest.strip().endswith("Hello there.")
    assert "\r\x1b[KHello there." in session.raw


def test_what_ends_the_wait_leaves_no_trace_of_it(service, terminal):
    hung_up = threading.Event()
    service.scripts = [endless(hung_up=hung_up)]
    session = terminal("send", "-m", "test/model", "hi")
    session.expect("waiting for test/model: 1 s")
    session.type("\x03")
    code, _ = session.end()
    assert code == 130
    assert "waiting" not in session.raw.rpartition("\r\x1b[K")[2]


@pytest.mark.parametrize(
    ("line", "told", "shown"),
    [
        (["models"], "waiting for the model list", MODELS[0]["id"]),
        (["send", "--dry-run", "-m", "test/model", "hi"], "estimating the price", "at most"),
    ],
)
def test_a_list_of_models_that_takes_long_is_waited_for_in_sight(service, terminal, gate, line, told, shown):
    def slowly(exchange):
        exchange.wait_for(gate)
        exchange.reply(200, service.models)

    service.on_models = slowly
    session = terminal(*line)
    session.expect(f"{told}: 1 s")
    gate.set()
    code, rest = session.end()
    assert (code, shown in rest) == (0, True)


def test_a_command_for_the_key_that_takes_long_has_the_terminal_to_itself(service, terminal, tmp_path, monkeypatch):
    monkeypatch.delenv("OPENROUTER_API_KEY")
    pipe = tmp_path / "key"
    os.mkfifo(pipe)
    (tmp_path / "config.toml").write_text(f'key_command = "cat {pipe}"\n')
    session = terminal("doctor")
    assert "looking" not in session.expect("waiting for key_command")
    pipe.write_text("sk-or-v1-of-the-command\n")
    code, rest = session.end()
    assert (code, "key: from key_command" in rest) == (0, True)
