"""`neuralterm send`: one prompt in, one answer out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from neuralterm.cli.beside import is_anything_uncertain, reconciling_beside
from neuralterm.cli.command import Command
from neuralterm.cli.hang_up import telling_of_disconnect, watch_reader
from neuralterm.cli.loop import run, run_alone
from neuralterm.cli.options import json_option, pass_container, request_options

if TYPE_CHECKING:
    from neuralterm.application.attachments import AttachmentFile
    from neuralterm.application.records import Answer
    from neuralterm.application.sending import SendRequest
    from neuralterm.components.answer_view import AnswerView
    from neuralterm.container import Container


@click.command(cls=Command)
@click.argument("words", nargs=-1, metavar="[PROMPT]...")
@request_options
@click.option("-f", "--file", "files", multiple=True, metavar="PATH", help="A text file for the prompt; - is stdin.")
@click.option(
    "-a", "--attach", "attachments", multiple=True, metavar="PATH|URL", help="An image, PDF or sound; - is stdin."
)
@click.option("-t", "--template", metavar="NAME", help="A prompt from the template folder, or a .toml file's path.")
@click.option(
    "-p", "--param", "params", type=(str, str), multiple=True, metavar="KEY VALUE", help="A value for the template."
)
@click.option("--schema", metavar="FILE|JSON", help="Answer as JSON by this JSON Schema.")
@click.option("-x", "--extract", is_flag=True, help="Print only the first fenced code block.")
@click.option("-u", "--usage", is_flag=True, help="Say tokens and cost on stderr.")
@json_option
@click.option("--ndjson", is_flag=True, help="Print one JSON object per event.")
@click.option("--no-stream", is_flag=True, help="Ask for the answer in one piece and print it at the end.")
@click.option("--resume", metavar="ID", help="Ask for the rest of this conversation's last answer, which broke off.")
@click.option("--dry-run", is_flag=True, help="Show what it would cost; send nothing.")
@click.option("--allow-truncated", is_flag=True, help="Exit 0 for an answer that ended at its length limit.")
@pass_container
def command(container: Container, /, **given: Any) -> int:
    """Send PROMPT, stdin or both (stdin first) and print the answer.

    \b
    git diff | neuralterm send "write a commit message"
    neuralterm send -m openai/gpt-4o --max-cost 0.02 "why is the sky blue?"
    neuralterm send -f notes.txt -a plan.pdf --json "what is missing?"
    neuralterm send -c "shorter, please"
    """
    from neuralterm.application.sending import send
    from neuralterm.cli.exit_codes import exit_code_of_answer
    from neuralterm.cli.request_options import apply_to_container

    if given["as_json"] and given["ndjson"]:
        raise click.UsageError("--json and --ndjson exclude each other.")
    if given["resume"] is not None and (given["continue_last"] or given["cid"]):
        raise click.UsageError("--resume names a conversation itself: leave out -c and --cid.")
    apply_to_container(container, given)
    container.console.require_stdout()
    attachments = _attachments(container, given)
    prompt, given = _prompt(container, given)
    request = _request(container, given, prompt, attachments)
    if given["dry_run"]:
        from neuralterm.cli.before_sending import show_price

        show_price(container, request, as_json=given["as_json"], one_line=given["ndjson"])
        return 0
    if container.settings.confirm_above is not None:
        from neuralterm.cli.before_sending import confirm_price

        run(container, confirm_price, container, container.settings.confirm_above, request)
    view = _view(container, given)
    with telling_of_disconnect(container, streamed=not given["no_stream"]):
        try:
            orchestrator = container.orchestrator
            watch_reader(container)
            work = (send, request, orchestrator, container.conversations, view.delta)
            with container.console.busy(f"waiting for {request.options.model or request.default_model}"):
                if is_anything_uncertain(container):
                    with reconciling_beside(container):
                        answer = run(container, *work)
                else:
                    answer = run_alone(container, *work)
        finally:
            view.close(container.last_answer)
    _say_the_rest(container, answer, given)
    return exit_code_of_answer(answer.status, allow_truncated=given["allow_truncated"])


def _request(
    container: Container, given: dict[str, Any], prompt: str, attachments: tuple[AttachmentFile, ...]
) -> SendRequest:
    from neuralterm.cli.request_options import build_request

    request = build_request(container, given, prompt, attachments)
    if not given["dry_run"]:
        container.client.prepare()
    container.recover()
    if given["resume"] is None:
        return request
    from neuralterm.application.resuming import resumed

    return resumed(request, given["resume"], container.conversations)


def _attachments(container: Container, given: dict[str, Any]) -> tuple[AttachmentFile, ...]:
    if not given["attachments"]:
        return ()
    from neuralterm.cli.attachment_options import read_attachments

    return read_attachments(container, given)


def _prompt(container: Container, given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if given["template"] is not None:
        from neuralterm.cli.template_options import apply_template

        return apply_template(container, given)
    if given["params"]:
        raise click.UsageError("-p gives a value to a template: name one with -t.", click.get_current_context())
    if given["resume"] is not None and not (given["words"] or given["files"]):
        return "", given
    from neuralterm.cli.stdin import compose_prompt

    attached = bool(given["attachments"])
    return compose_prompt(given["words"], given["files"], container.console, has_attachments=attached), given


def _view(container: Container, given: dict[str, Any]) -> AnswerView:
    from neuralterm.components.answer_view import JsonView, NdjsonView, TextView

    if given["ndjson"]:
        view = NdjsonView(container.console)
        for event_type in view.TYPES:
            container.bus.subscribe(event_type, view)
        return view
    if given["as_json"]:
        return JsonView(container.console)
    return TextView(container.console, at_once=given["no_stream"], extract=given["extract"])


def _say_the_rest(container: Container, answer: Answer, given: dict[str, Any]) -> None:
    from neuralterm.components.answer_notes import notes_on, usage_line

    fallbacks = bool(given["fallbacks"])
    for note in notes_on(answer, truncation_allowed=given["allow_truncated"], has_fallbacks=fallbacks):
        container.console.note(note, fg="yellow")
    if given["usage"]:
        container.console.note(usage_line(answer), dim=True)
