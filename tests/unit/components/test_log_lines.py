"""What is logged: marked line by line, with a traceback only where everything was asked for."""

import logging

import pytest

from neuralterm.components.log_lines import LogFormatter


@pytest.fixture
def record():
    try:
        raise ZeroDivisionError("by zero\x1b[2J")
    except ZeroDivisionError as error:
        info = (type(error), error, error.__traceback__)
    return logging.LogRecord("neuralterm.x", logging.ERROR, "x.py", 1, "it failed", None, info)


def test_an_exception_is_one_line(record):
    assert LogFormatter().format(record).splitlines() == ["| it failed", "| ZeroDivisionError: by zero␛[2J"]


def test_a_traceback_is_shown_where_everything_was_asked_for(record):
    lines = LogFormatter(tracebacks=True).format(record).splitlines()
    assert lines[1] == "| Traceback (most recent call last):"
    assert all(line.startswith("| ") for line in lines)
