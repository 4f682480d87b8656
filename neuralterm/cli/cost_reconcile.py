"""`neuralterm cost reconcile` and `cost verify`: what the service says of money afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from neuralterm.cli.command import Command
from neuralterm.cli.loop import run
from neuralterm.cli.options import FiniteRange, WholeRange, json_option, pass_container

if TYPE_CHECKING:
    from neuralterm.application.reconciling import Progress, ReconcileResult
    from neuralterm.application.verification import Verification
    from neuralterm.container import Container


@click.command("reconcile", cls=Command)
@click.option(
    "--wait",
    type=FiniteRange(0),
    default=15.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to ask again for what the service does not know yet.",
)
@click.option(
    "-n", "--limit", type=WholeRange(1), default=1000, show_default=True, metavar="N", help="At most N calls."
)
@json_option
@click.option("--strict", is_flag=True, help="Fail (exit 2) if an amount stays unknown.")
@pass_container
def reconcile_command(container: Container, /, wait: float, limit: int, as_json: bool, strict: bool) -> None:
    """Ask the service about calls whose price never arrived.

    Those are calls that were cut, interrupted or killed. The service needs some seconds to know what a call cost. At a
    server whose prices are declared in the configuration, they are computed from its token counts instead.

    \b
    neuralterm cost reconcile
    neuralterm cost reconcile --wait 60 --strict
    """
    from neuralterm.components import machine, reconcile_view
    from neuralterm.domain.exceptions import ValidationError

    with container.console.busy("waiting for the service"):
        result = run(container, _reconcile, container, wait, limit)
    if as_json:
        container.console.print(machine.dumps(reconcile_view.reconcile_document(result)))
    else:
        container.console.print(reconcile_view.reconcile_text(result))
    if result.error is not None:
        raise result.error
    if strict and not result.is_complete:
        raise ValidationError("not every amount is known", "NOT_ALL_BILLED")


async def _reconcile(container: Container, patience: float, limit: int) -> ReconcileResult:
    from neuralterm.application.reconciling import reconcile

    client = container.account
    container.recover()
    return await reconcile(
        container.ledger,
        container.repository,
        client,
        container.clock,
        container.service,
        patience=patience,
        limit=limit,
        on_progress=_said_once(container, patience),
        price_of=container.declared_price,
    )


def _said_once(container: Container, patience: float) -> Progress:
    from neuralterm.domain.text import numbered

    said = False

    def tell(unknown: int, _: float) -> None:
        nonlocal said
        if not said:
            calls = numbered(unknown, "call")
            container.console.note(
                f"the service does not know {calls} yet; asking again for up to {patience:g} seconds"
            )
        said = True

    return tell


@click.command("verify", cls=Command)
@json_option
@click.option("--strict", is_flag=True, help="Fail (exit 2) if ledger and service contradict each other.")
@pass_container
def verify_command(container: Container, /, as_json: bool, strict: bool) -> None:
    """Compare the ledger with what the service says the key has used.

    The service may charge as much as the ledger has confirmed, and more up to the bounds of what is not confirmed.

    \b
    neuralterm cost verify --strict
    """
    from neuralterm.application.verification import require_verified
    from neuralterm.components import machine, reconcile_view

    with container.console.busy("waiting for the service"):
        verification = run(container, _verify, container)
    if as_json:
        container.console.print(machine.dumps(reconcile_view.verification_document(verification)))
    else:
        container.console.print(reconcile_view.verification_text(verification, container.console.stdout_width))
    if strict:
        require_verified(verification)


async def _verify(container: Container) -> Verification:
    from neuralterm.application.verification import verify

    return await verify(container.ledger, container.account, container.clock, container.service)
