"""`neuralterm login`: gets a key from OpenRouter and keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from neuralterm.cli.command import Command
from neuralterm.cli.options import FiniteRange, WholeRange, pass_container

if TYPE_CHECKING:
    from neuralterm.container import Container


@click.command(cls=Command)
@click.option("--no-browser", is_flag=True, help="Print the page's address, and ask for the code that it shows.")
@click.option(
    "--port",
    type=WholeRange(1, 65535),
    metavar="PORT",
    help="Where the browser comes back to; by default 3000 if free.",
)
@click.option(
    "--wait",
    type=FiniteRange(0, min_open=True),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the browser.",
)
@pass_container
def command(container: Container, /, no_browser: bool, port: int | None, wait: float) -> None:
    """Get a key by logging in at OpenRouter in the browser, and keep it.

    It is kept in the system's keyring, or else in a file that only you can read, and is sent to the service of this login
    only. A key of the environment and `key_command` go before it. With --sandbox all of this is rehearsed, for a key that
    opens nothing.

    \b
    neuralterm login
    neuralterm login --no-browser
    neuralterm --sandbox login
    """
    from neuralterm.application.login import code_in
    from neuralterm.cli.loop import run

    console, login = container.console, container.login
    code = None if no_browser else run(container, login.code_by_browser, port, wait)
    if code is None:
        console.note("open this page in any browser, and agree:")
        console.print(login.page_for())
        code = code_in(console.ask_secret("code from the page (or the address it sends you to): "))
    with console.busy("waiting for the service"):
        key = run(container, login.key_for, code)
    reason = container.keep_login(key)
    if reason is not None and not container.settings.sandbox:
        console.note(f"note: not in the system's keyring: {reason}")
    console.note(f"logged in; the key is kept in {container.credentials.place_of(container.service)}")
    goes_before = container.settings.key_name or (container.settings.key_command and "key_command")
    if goes_before and not container.settings.sandbox:
        console.note(f"note: {goes_before} is set, and goes before this key")
