import shutil
import sys

import pytest

from neuralterm.setting_terminal import terminal_columns


@pytest.mark.parametrize("said", ["60", "0", "-3", "wide", "", None])
@pytest.mark.parametrize("is_closed", [False, True])
def test_the_width_is_that_of_the_standard_library(said, is_closed, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False) if said is None else monkeypatch.setenv("COLUMNS", said)
    if is_closed:
        monkeypatch.setattr(sys, "__stdout__", None)

    assert terminal_columns() == shutil.get_terminal_size().columns
