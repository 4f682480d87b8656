"""How much a command asks of the database: statements and transactions, which cost the same on every machine."""

import subprocess
import sys

import pytest

COUNT = """
import atexit, itertools, sqlite3, sys
connect, statements, connections = sqlite3.connect, [], []
def traced(*args, **kwargs):
    connection = connect(*args, **kwargs)
    connection.set_trace_callback(statements.append)
    connections.append(connection)
    return connection
def tell():
    ours = [each for each in statements if "message_search_" not in each and "data_version" not in each]
    own = [each for each, _ in itertools.groupby(ours)]  # triggers repeat the statement that they belong to
    print(len(connections), sum(each.startswith("BEGIN") for each in own), len(own), file=sys.stderr)
sqlite3.connect = traced
from neuralterm.__main__ import main
atexit.register(tell)
main()
"""


def counts(*args):
    """Return how many connections, transactions and statements a command line makes."""
    done = subprocess.run([sys.executable, "-c", COUNT, *args], capture_output=True, text=True, check=True)
    return tuple(map(int, done.stderr.split()[-3:]))


def test_a_prompt_is_one_connection_and_three_transactions(service, run):
    run("send", "the first makes the database")
    connections, transactions, statements = counts("send", "hi")
    # The conversation; question, pending answer and call; their end.
    assert (connections, transactions) == (1, 3)
    assert statements <= 52


@pytest.mark.parametrize(
    ("line", "most"), [("cost --json", 8), ("history", 7), ("history search hi", 7), ("models", 6)]
)
def test_reading_takes_a_few_statements_and_no_transaction(service, run, line, most):
    run("send", "the first makes the database")
    run("models")
    connections, transactions, statements = counts(*line.split())
    assert (connections, transactions) == (1, 0)
    assert statements <= most
