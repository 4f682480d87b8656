"""Settings for the tests of this folder."""

import pytest

from neuralterm.config import load_settings


@pytest.fixture
def load(tmp_path):
    """Load settings of an environment, a user's file and a project's file; none of the three need be there."""

    def load(user=None, project=None, flags=None, below="", **environ):
        directory = tmp_path / "project"
        (directory / below).mkdir(parents=True, exist_ok=True)
        if user is not None:
            (tmp_path / "config.toml").write_text(user, encoding="utf-8")
        if project is not None:
            (directory / ".neuralterm.toml").write_text(project, encoding="utf-8")
        environ = {"NEURALTERM_CONFIG": str(tmp_path / "config.toml"), "NEURALTERM_DATA_DIR": "data", **environ}
        return load_settings(flags, environ, str(directory / below))

    return load
