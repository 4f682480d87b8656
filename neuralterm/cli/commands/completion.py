"""`neuralterm completion`: what a shell needs to complete command lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from neuralterm.cli.command import Command
from neuralterm.cli.options import pass_container

if TYPE_CHECKING:
    from neuralterm.container import Container

SHELLS = ("bash", "zsh", "fish")


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(SHELLS))
@pass_container
def command(container: Container, /, shell: str) -> None:
    """Print the script that lets SHELL complete commands, options, models, conversations, tags, templates and budgets.

    The first lines of the script say how to install it for good. It asks `neuralterm` for words, which takes as long as
    --help does. Models are those of the list kept here (`neuralterm models` fetches one), conversations and tags those of
    the history, budgets those that `cost budget set` made.

    \b
    source <(neuralterm completion bash)
    neuralterm completion bash > ~/.local/share/bash-completion/completions/neuralterm
    source <(neuralterm completion zsh)
    neuralterm completion fish > ~/.config/fish/completions/neuralterm.fish
    """
    from neuralterm.components.completion_scripts import SCRIPTS

    container.plain_console.print(SCRIPTS[shell].rstrip("\n"))
