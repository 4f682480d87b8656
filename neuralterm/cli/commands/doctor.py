"""`neuralterm doctor`: whether all is as it should be."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import click

from neuralterm.cli.command import Command
from neuralterm.cli.options import json_option, pass_container

if TYPE_CHECKING:
    from neuralterm.application.doctor import Finding
    from neuralterm.cli.exit_codes import ExitCode
    from neuralterm.container import Container


@click.command(cls=Command)
@click.option("--offline", is_flag=True, help="Leave out what needs the network.")
@json_option
@pass_container
def command(container: Container, /, offline: bool, as_json: bool) -> int:
    """Check key, network, clock, database, budgets and settings, and print a line for each.

    Spends no money, changes nothing, and shows no part of the key. Every check is made, whatever the others find; the
    network is waited for at most half a minute.

    Exit codes: 0 when all is fine, warnings included; 3 when something here is to be mended (key, configuration, clock,
    database); 8 when only the service is in trouble or can't be reached.

    \b
    neuralterm doctor
    neuralterm doctor --offline --json | jq -r '.checks[] | select(.status != "ok") | .message'
    """
    from neuralterm.cli.loop import run
    from neuralterm.components import doctor_view, machine

    console = container.plain_console
    with _told(container):
        findings = run(container, container.doctor(offline=offline).findings)
    code = _exit_code(findings)
    if as_json:
        console.print(container.without_key(machine.dumps(doctor_view.findings_document(findings, code))))
    else:
        console.print(container.without_key(doctor_view.findings_text(findings, console.stdout_width)))
    return code


def _told(container: Container) -> AbstractContextManager[None]:
    """Tell that it takes its time, where no setting is in the way of that."""
    from neuralterm.domain.exceptions import ConfigurationError

    try:
        return container.console.busy("looking")
    except ConfigurationError:
        return nullcontext()


def _exit_code(findings: list[Finding]) -> ExitCode:
    from neuralterm.application.doctor import Cause, Health
    from neuralterm.cli.exit_codes import ExitCode

    causes = {finding.cause for finding in findings if finding.health is Health.FAIL}
    if Cause.SETUP in causes:
        return ExitCode.CONFIGURATION
    return ExitCode.TEMPORARY if causes else ExitCode.OK
