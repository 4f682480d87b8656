"""What may be done with a prompt before it is sent: only looked at, or asked about."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from neuralterm.cli.loop import run
from neuralterm.domain.exceptions import BudgetExceededError

if TYPE_CHECKING:
    from neuralterm.application.sending import SendRequest
    from neuralterm.container import Container
    from neuralterm.domain.models import Conversation

_ESTIMATING = "estimating the price"


def show_price(container: Container, request: SendRequest, *, as_json: bool, one_line: bool) -> None:
    """Print what the prompt would cost; nothing is sent or stored.

    Raises:
        BudgetExceededError: a budget would refuse it. What it would cost is printed all the same.
    """
    from neuralterm.components import machine, preview_view

    with container.console.busy(_ESTIMATING):
        preview = run(
            container,
            container.previewing.preview,
            _conversation(container, request),
            request.prompt,
            request.options,
            request.attachments,
        )
    if as_json or one_line:
        container.console.print(machine.dumps(preview_view.preview_document(preview), one_line=one_line))
    else:
        container.console.print(preview_view.preview_text(preview))
    if preview.model is None:
        from neuralterm.cli.misspelt import warn_of_misspelt

        warn_of_misspelt(container, preview.model_id)
    if preview.refusal is not None:
        raise preview.refusal


async def confirm_price(
    container: Container, threshold: Decimal, request: SendRequest, conversation: Conversation | None = None
) -> None:
    """Ask before a prompt that may cost more than the threshold (USD); return when it may be sent.

    `conversation` is where it goes, None for the one that the request names.

    Raises:
        BudgetExceededError: nobody agreed (`NOT_CONFIRMED`), or a budget refuses it.
    """
    from neuralterm.domain.money import dollars

    bound = None
    if not request.attachments:
        with container.console.busy(_ESTIMATING):
            bound = await container.previewing.at_most(
                conversation or _conversation(container, request), request.prompt, request.options, threshold
            )
    if bound is not None and bound <= threshold:
        return
    words = "can cost more than can be told in advance" if bound is None else f"may cost up to {dollars(bound)}"
    agreed = await container.console.ask(f"This {words}. Send it?")
    if agreed:
        return
    why = "there is nobody to ask" if agreed is None else "it was declined"
    raise BudgetExceededError(
        f"not sent: it {words}, above the {dollars(threshold)} to confirm, and {why}",
        "NOT_CONFIRMED",
        limit_usd=threshold,
        hint="nothing was sent; --confirm-above sets another threshold, --dry-run shows the price",
    )


def _conversation(container: Container, request: SendRequest) -> Conversation:
    """Return the conversation that the prompt would go to; a fresh one is not stored."""
    from neuralterm.application.sending import find_conversation
    from neuralterm.domain.models import Conversation

    found = find_conversation(request, container.conversations)
    return found or Conversation(model_id=request.options.model or request.default_model)
