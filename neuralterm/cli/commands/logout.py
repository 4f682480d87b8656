"""`neuralterm logout`: forgets the key of a login."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from neuralterm.cli.command import Command
from neuralterm.cli.options import pass_container

if TYPE_CHECKING:
    from neuralterm.container import Container


@click.command(cls=Command)
@pass_container
def command(container: Container, /) -> None:
    """Forget the key that `neuralterm login` has got, in keyring and file.

    The key itself goes on working until it is revoked at https://openrouter.ai/settings/keys.

    \b
    neuralterm logout
    """
    with container.console.busy("waiting for the system's keyring"):
        was_there = container.credentials.forget(container.service)
    if not was_there:
        container.console.note("there was no login")
        return
    rest = (
        ""
        if container.settings.sandbox
        else "; the key works until you revoke it at https://openrouter.ai/settings/keys"
    )
    container.console.note(f"logged out{rest}")
