"""No test sees the settings of whoever runs it."""

import os
import signal
import sys

import pytest
from hypothesis import settings

# A machine that is busy with something else is no fault of the code. `make test-long` tries far more examples.
settings.register_profile("quick", deadline=None, max_examples=40)
settings.register_profile("long", deadline=None, max_examples=1000)
settings.load_profile("quick")


def pytest_configure():
    # A shell ignores SIGINT for what it runs in the background, `nohup` ignores SIGHUP, and the processes that tests start
    # would inherit that.
    for signum, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(signum) is signal.SIG_IGN:
            signal.signal(signum, usual)


@pytest.hookimpl(hookwrapper=True, trylast=True)
def pytest_runtest_call(item):
    """Don't measure the coverage of tests that try many examples, or are marked `no_cover`, which xdist's workers ignore.

    To be watched makes them take several times as long, and the other tests cover the same lines.
    """
    is_left_out = item.get_closest_marker("hypothesis") or item.get_closest_marker("no_cover")
    tracer = sys.gettrace() if is_left_out and item.config.pluginmanager.hasplugin("_cov") else None
    if tracer is not None:
        sys.settrace(None)
    yield
    if tracer is not None:
        sys.settrace(tracer)


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory):
    """Where the processes that tests start find compiled modules: compiling them each time takes longer than the tests."""
    return str(tmp_path_factory.mktemp("bytecode"))


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path, bytecode):
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", bytecode)
    for name in list(os.environ):
        if name.startswith(("NEURALTERM_", "OPENROUTER_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("NEURALTERM_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("NEURALTERM_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def anyio_backend():
    return "asyncio"
